"""Different: DDPM's first code, in which every coefficient is a table made in the schedule's dtype and then indexed."""

from collections import namedtuple

import torch
from torch import nn

Tables = namedtuple("Tables", "signal noise posterior_x0 posterior_x_t posterior_variance eps_weight scale")


def expand(values, x):
    return values.type_as(x)[(...,) + (None,) * (x.ndim - 1)]


def tables(betas):
    betas = betas.to(torch.float64)
    alphas = 1 - betas
    alphas_cumprod = torch.cumprod(alphas, 0)
    alphas_cumprod_prev = torch.cat((betas.new_ones(1), alphas_cumprod[:-1]))
    return Tables(
        signal=alphas_cumprod.sqrt(),
        noise=(1 - alphas_cumprod).sqrt(),
        posterior_x0=betas * alphas_cumprod_prev.sqrt() / (1 - alphas_cumprod),
        posterior_x_t=alphas.sqrt() * (1 - alphas_cumprod_prev) / (1 - alphas_cumprod),
        posterior_variance=betas * (1 - alphas_cumprod_prev) / (1 - alphas_cumprod),
        eps_weight=betas / (1 - alphas_cumprod).sqrt(),
        scale=alphas.rsqrt(),
    )


def forward_step(x, beta, noise):
    return x * (1 - beta) ** 0.5 + noise * beta**0.5


def compute_alpha_bar(betas):
    products = [1 - betas[0]]
    for beta in betas[1:]:
        products.append(products[-1] * (1 - beta))
    return torch.stack(products)


def q_sample(x0, t, noise, alpha_bar):
    sqrt_alphas_cumprod = torch.sqrt(alpha_bar)
    sqrt_one_minus_alphas_cumprod = torch.sqrt(1.0 - alpha_bar)
    return expand(sqrt_alphas_cumprod[t], x0) * x0 + expand(sqrt_one_minus_alphas_cumprod[t], x0) * noise


def predict_x0(x_t, t, eps, alpha_bar):
    sqrt_recip_alphas_cumprod = torch.sqrt(1.0 / alpha_bar)
    sqrt_recipm1_alphas_cumprod = torch.sqrt(1.0 / alpha_bar - 1)
    return expand(sqrt_recip_alphas_cumprod[t], x_t) * x_t - expand(sqrt_recipm1_alphas_cumprod[t], x_t) * eps


def q_posterior(x0, x_t, t, betas):
    table = tables(betas)
    mean = expand(table.posterior_x0[t], x0) * x0 + expand(table.posterior_x_t[t], x_t) * x_t
    return mean, expand(table.posterior_variance[t], x_t)


def timestep_embedding(t, dim, max_period=10000.0):
    half = dim // 2
    log_period = torch.log(torch.tensor(float(max_period), dtype=torch.float64))
    freqs = torch.exp(-log_period * torch.arange(half, dtype=torch.float64) / half)
    args = t.to(torch.float64)[:, None] * freqs.to(t.device)[None]
    return torch.cat([torch.cos(args), torch.sin(args)], dim=-1).to(t.dtype if t.is_floating_point() else torch.float32)


def simple_loss(model, x0, t, noise, alpha_bar):
    error = model(q_sample(x0, t, noise, alpha_bar), t) - noise
    return (error**2).flatten(1).mean(1).mean(0)


def reverse_step(x_t, t, eps, betas, noise):
    table = tables(betas)
    mean = expand(table.scale[t], x_t) * (x_t - expand(table.eps_weight[t], x_t) * eps)
    nonzero_mask = expand((t != 0).float(), x_t)
    log_variance = expand(table.posterior_variance.clamp(min=1e-20).log()[t], x_t)
    return mean + nonzero_mask * torch.exp(0.5 * log_variance) * noise


def sample(model, x_T, betas, generator=None):
    batch = x_T.shape[0]
    img = x_T
    for i in torch.arange(len(betas)).flip(0):
        with torch.no_grad():
            t = i.expand(batch)
            noise = torch.randn(img.shape, generator=generator).to(img)
            img = reverse_step(img, t, model(img, t), betas, noise)
    return img


class TinyDenoiser(nn.Module):
    def __init__(self, dim=2, hidden=128):
        super().__init__()
        self.hidden = hidden + hidden % 2
        self.time_mlp = nn.Sequential(
            nn.Linear(self.hidden, hidden),
            nn.GELU(),
            nn.Linear(hidden, hidden),
        )
        self.first = nn.Linear(dim, hidden)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(hidden), nn.GELU(), nn.Linear(hidden, hidden)) for _ in "ab"
        )
        self.last = nn.Linear(hidden, dim)

    def forward(self, x, t):
        emb = self.time_mlp(timestep_embedding(t, self.hidden).type_as(x))
        h = self.first(x)
        for block in self.blocks:
            h = h + block(h + emb)
        return self.last(h)


def train_denoiser(model, data, alpha_bar, steps, batch_size=256, lr=1e-3, generator=None):
    optim = torch.optim.NAdam(model.parameters(), lr=lr)
    losses = torch.zeros(steps, dtype=torch.float64)
    for step in range(steps):
        choice = torch.rand(batch_size, dtype=torch.float64, generator=generator)
        x0 = data[(choice * len(data)).long()]
        t = torch.floor(torch.rand(batch_size, dtype=torch.float64, generator=generator) * len(alpha_bar)).long()
        noise = torch.randn(x0.size(), generator=generator).to(x0)
        model.zero_grad()
        for piece in torch.arange(batch_size).split(48):  # gradients add up: a piece at a time takes less memory
            share = len(piece) / batch_size
            loss = share * simple_loss(model, x0[piece], t[piece], noise[piece], alpha_bar)
            loss.backward()
            losses[step] += loss.detach()
        optim.step()
    return losses.tolist()
