"""Different: plain torch, no toolkit; gather and view, everything computed in float64 and cast back at the end."""

import torch
import torch.nn.functional as F


def coefficient(table, t, x):
    return table.to(x.device).double().gather(0, t.to(x.device)).view([x.size(0)] + [1] * (x.dim() - 1))


def forward_step(x, beta, noise):
    beta = float(beta)
    return ((1.0 - beta) ** 0.5 * x.double() + beta**0.5 * noise.double()).to(x.dtype)


def compute_alpha_bar(betas):
    return (1.0 - betas.double()).cumprod(0).to(betas.dtype)


def q_sample(x0, t, noise, alpha_bar):
    signal = coefficient(alpha_bar, t, x0)
    return torch.add(signal.sqrt() * x0, (1.0 - signal).sqrt() * noise).to(x0.dtype)


def predict_x0(x_t, t, eps, alpha_bar):
    signal = coefficient(alpha_bar, t, x_t)
    return ((x_t.double() - (1.0 - signal).sqrt() * eps.double()) / signal.sqrt()).to(x_t.dtype)


def q_posterior(x0, x_t, t, betas):
    betas = betas.double()
    alphas = 1.0 - betas
    alpha_bar = alphas.cumprod(0)
    alpha_bar_prev = F.pad(alpha_bar[:-1], (1, 0), value=1.0)
    beta, alpha = coefficient(betas, t, x0), coefficient(alphas, t, x0)
    now, before = coefficient(alpha_bar, t, x0), coefficient(alpha_bar_prev, t, x0)
    mean = (before.sqrt() * beta * x0.double() + alpha.sqrt() * (1.0 - before) * x_t.double()) / (1.0 - now)
    return mean.to(x0.dtype), (beta * (1.0 - before) / (1.0 - now)).to(x0.dtype)


def timestep_embedding(t, dim, max_period=10000.0):
    dtype = t.dtype if t.dtype.is_floating_point else torch.float32
    i = torch.arange(dim // 2, device=t.device).double()
    angles = t.double().unsqueeze(1) / torch.pow(float(max_period), 2.0 * i / dim).unsqueeze(0)
    embedding = t.new_empty(t.size(0), dim, dtype=torch.float64)
    embedding[:, : dim // 2] = torch.cos(angles)
    embedding[:, dim // 2 :] = torch.sin(angles)
    return embedding.to(dtype)


def simple_loss(model, x0, t, noise, alpha_bar):
    return F.mse_loss(model(q_sample(x0, t, noise, alpha_bar), t), noise)


def reverse_step(x_t, t, eps, betas, noise):
    betas = betas.double()
    alpha_bar = (1.0 - betas).cumprod(0)
    beta, now = coefficient(betas, t, x_t), coefficient(alpha_bar, t, x_t)
    before = coefficient(F.pad(alpha_bar[:-1], (1, 0), value=1.0), t, x_t)
    mean = (x_t.double() - beta / (1.0 - now).sqrt() * eps.double()) / (1.0 - beta).sqrt()
    sigma = ((1.0 - before) / (1.0 - now) * beta).sqrt()
    moving = coefficient(torch.arange(len(betas)) > 0, t, x_t)
    return (mean + moving * sigma * noise.double()).to(x_t.dtype)


@torch.no_grad()
def sample(model, x_T, betas, generator=None):
    x, t = x_T.clone(), len(betas)
    while t > 0:
        t -= 1
        times = x.new_full((x.size(0),), t, dtype=torch.long)
        noise = torch.zeros_like(x)
        if t > 0:
            noise.normal_(generator=generator)
        x = reverse_step(x, times, model(x, times), betas, noise)
    return x


class TinyDenoiser(torch.nn.Module):
    def __init__(self, dim=2, hidden=128):
        super().__init__()
        self.input = torch.nn.Linear(dim, hidden)
        self.time = torch.nn.Linear(64, hidden)
        self.middle = torch.nn.Linear(hidden, hidden)
        self.output = torch.nn.Linear(hidden, dim)

    def forward(self, x, t):
        clock = timestep_embedding(t, 64).to(x.dtype)
        h = F.relu(self.input(x) + self.time(clock))
        return self.output(F.relu(self.middle(h)))


def train_denoiser(model, data, alpha_bar, steps, batch_size=256, lr=1e-3, generator=None):
    model.train()
    adam = torch.optim.Adam(model.parameters(), lr, betas=(0.9, 0.99))
    history = []
    while len(history) < steps:
        adam.zero_grad(set_to_none=False)
        x0 = data[torch.randint(0, data.size(0), [batch_size], generator=generator)]
        t = torch.randint(0, alpha_bar.size(0), [batch_size], generator=generator)
        noise = torch.empty_like(x0).normal_(generator=generator)
        loss = simple_loss(model, x0, t, noise, alpha_bar)
        loss.backward()
        adam.step()
        history.append(float(loss))
    return history
