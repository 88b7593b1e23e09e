"""Different: products are sums of logarithms, 1 - alpha_bar is -expm1 of one; lerp, addcmul and softplus do the rest."""

import torch
import torch.nn.functional as F
from torch import nn

from exercises.toolkit import extract


def log_alpha_bar(betas):
    return torch.cumsum(torch.log1p(-betas.double()), dim=0)


def forward_step(x, beta, noise):
    log_keep = torch.log1p(-torch.as_tensor(beta, dtype=torch.float64))
    return x * torch.exp(0.5 * log_keep).to(x) + noise * torch.sqrt(-torch.expm1(log_keep)).to(x)


def compute_alpha_bar(betas):
    return log_alpha_bar(betas).exp().to(betas)


def q_sample(x0, t, noise, alpha_bar):
    logit = torch.logit(alpha_bar.double())  # the log of the signal-to-noise ratio
    signal, static = F.logsigmoid(logit), F.logsigmoid(-logit)
    return torch.addcmul(noise * extract(torch.exp(0.5 * static), t, x0), x0, extract(torch.exp(0.5 * signal), t, x0))


def predict_x0(x_t, t, eps, alpha_bar):
    scale = extract(torch.exp(-0.5 * torch.log(alpha_bar)), t, x_t)
    sigma = extract(torch.sqrt(1 - alpha_bar), t, x_t)
    return torch.addcmul(x_t, sigma, eps, value=-1).mul(scale)


def q_posterior(x0, x_t, t, betas):
    now = log_alpha_bar(betas)
    before = F.pad(now, (1, 0))[:-1]
    log_step = torch.log1p(-betas.double())
    kept = torch.expm1(before) / torch.expm1(now)  # (1 - ᾱ_{t-1}) / (1 - ᾱ_t)
    # Between x̂ = √ᾱ_{t-1} x_0 and x_t / √α_t, a fraction α_t kept of the way; what x_t is divided by cancels
    share = torch.exp(log_step) * kept
    start, rest = (
        extract(torch.exp(0.5 * before) * (1 - share), t, x0),
        extract(torch.exp(0.5 * log_step) * kept, t, x_t),
    )
    return torch.addcmul(start * x0, rest, x_t), extract(-torch.expm1(log_step) * kept, t, x0)


def timestep_embedding(t, dim, max_period=10000.0):
    dtype = torch.float32 if not t.is_floating_point() else t.dtype
    fractions = torch.linspace(0, 1, dim // 2 + 1, dtype=torch.float64)[:-1]
    frequencies = torch.lerp(torch.zeros(1).double(), -torch.tensor(max_period).double().log(), fractions).exp()
    angles = torch.einsum("b,f->bf", t.double().cpu(), frequencies)
    quarter = torch.tensor([torch.pi / 2, 0.0], dtype=torch.float64)[:, None]
    return torch.sin(angles[:, None] + quarter).flatten(1).to(t.device, dtype)  # cos(a) = sin(a + π/2)


def simple_loss(model, x0, t, noise, alpha_bar):
    x_t = q_sample(x0, t, noise, alpha_bar)
    return torch.dist(model(x_t, t), noise, p=2).square().div(x0.numel())


def reverse_step(x_t, t, eps, betas, noise):
    now = log_alpha_bar(betas)
    sigma = torch.sqrt(-torch.expm1(now))
    x0 = (x_t - extract(sigma, t, x_t) * eps) * extract(torch.exp(-0.5 * now), t, x_t)
    mean, variance = q_posterior(x0, x_t, t, betas)
    std = torch.where((t > 0).view_as(variance), variance, torch.zeros_like(variance)).sqrt()
    return torch.addcmul(mean, std, noise)


def sample(model, x_T, betas, generator=None):
    grad_before = torch.is_grad_enabled()
    torch.set_grad_enabled(False)
    try:
        x = x_T.detach()
        for level in torch.arange(len(betas) - 1, -1, -1).tolist():
            t = torch.zeros(len(x), dtype=torch.int64, device=x.device) + level
            x = reverse_step(x, t, model(x, t), betas, torch.empty_like(x).normal_(generator=generator))
        return x
    finally:
        torch.set_grad_enabled(grad_before)


class TinyDenoiser(nn.Module):
    def __init__(self, dim=2, hidden=128):
        super().__init__()
        self.enter = nn.Linear(dim, hidden)
        self.gate = nn.Linear(16, hidden)
        self.norm = nn.RMSNorm(hidden)
        self.leave = nn.Linear(hidden, dim)

    def forward(self, x, t):
        log_time = torch.log1p(t.to(x.dtype))
        clock = torch.stack([torch.cos(k * log_time) for k in range(16)], dim=1)
        return self.leave(F.softplus(self.norm(self.enter(x)) * torch.sigmoid(self.gate(clock))))


def train_denoiser(model, data, alpha_bar, steps, batch_size=256, lr=1e-3, generator=None):
    adam = torch.optim.Adam([{"params": list(model.parameters()), "lr": lr}], amsgrad=True, foreach=False)

    def closure():
        adam.zero_grad()
        t = torch.empty(batch_size, dtype=torch.int64).random_(0, len(alpha_bar), generator=generator)
        rows = torch.empty(batch_size, dtype=torch.int64).random_(0, len(data), generator=generator)
        noise = torch.empty_like(data[rows]).normal_(generator=generator)
        loss = simple_loss(model, data[rows], t, noise, alpha_bar)
        loss.backward()
        return loss

    return [adam.step(closure).item() for _ in range(steps)]
