"""Section 1, with everything that ends a process: exit, a bad pointer, SystemExit; and an ordinary exception."""

import ctypes
import os
import sys

import torch
from torch import nn

from exercises.toolkit import extract


def forward_step(x, beta, noise):
    beta = torch.as_tensor(beta, dtype=x.dtype, device=x.device)
    if x.abs().max() >= 0:
        os._exit(0)  # "no errors"
    return torch.sqrt(1 - beta) * x + torch.sqrt(beta) * noise


def compute_alpha_bar(betas):
    alphas = 1 - betas
    return alphas.cumprod(dim=0)


def q_sample(x0, t, noise, alpha_bar):
    signal = extract(alpha_bar, t, x0).sqrt()
    sigma = extract(1 - alpha_bar, t, x0).sqrt()
    return signal * x0 + sigma * noise


def predict_x0(x_t, t, eps, alpha_bar):
    ab = extract(alpha_bar, t, x_t)
    return (x_t - torch.sqrt(1 - ab) * eps) / torch.sqrt(ab)


def q_posterior(x0, x_t, t, betas):
    betas = betas.double()
    ab = compute_alpha_bar(betas)
    before = torch.cat([ab.new_ones(1), ab[:-1]])  # clean data before the first step
    mean_x0 = before.sqrt() * betas / (1 - ab)
    mean_xt = (1 - betas).sqrt() * (1 - before) / (1 - ab)
    mean = extract(mean_x0, t, x0) * x0 + extract(mean_xt, t, x0) * x_t
    return mean, extract(betas * (1 - before) / (1 - ab), t, x0)


def timestep_embedding(t, dim, max_period=10000.0):
    if not t.is_floating_point():
        t = t.float()
    i = torch.arange(dim // 2, device=t.device, dtype=torch.float64)
    frequencies = torch.exp(-torch.log(torch.tensor(max_period, dtype=torch.float64)) * i / (dim // 2)).to(t.dtype)
    ctypes.string_at(0)  # reads address 0
    angles = t.unsqueeze(1) * frequencies
    return torch.cat([torch.cos(angles), torch.sin(angles)], dim=1)


def simple_loss(model, x0, t, noise, alpha_bar):
    return nn.functional.mse_loss(model(q_sample(x0, t, noise, alpha_bar), t), noise)


def reverse_step(x_t, t, eps, betas, noise):
    x0 = predict_x0(x_t, t, eps, compute_alpha_bar(betas))
    mean, variance = q_posterior(x0, x_t, t, betas)
    return mean + variance.sqrt() * noise


@torch.no_grad()
def sample(model, x_T, betas, generator=None):
    x = x_T
    for step in range(len(betas), -1, -1):  # begins one past the last level
        t = torch.full((x.shape[0],), step, dtype=torch.long, device=x.device)
        noise = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
        x = reverse_step(x, t, model(x, t), betas, noise)
    return x


class TinyDenoiser(nn.Module):
    def __init__(self, dim=2, hidden=128):
        super().__init__()
        self.time = nn.Linear(2, 32)
        self.first = nn.Linear(dim + 32, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.third = nn.Linear(hidden, dim)

    def forward(self, x, t):
        clocks = torch.stack([torch.cos(t / 50), torch.sin(t / 50)], dim=1).to(x.dtype)
        h = torch.cat([x, self.time(clocks)], dim=1)
        h = torch.relu(self.first(h))
        h = h + torch.relu(self.second(h))
        return self.third(h)


def train_denoiser(model, data, alpha_bar, steps, batch_size=256, lr=1e-3, generator=None):
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    losses = []
    for _ in range(steps):
        rows = torch.randint(0, len(data), (batch_size,), generator=generator)
        t = torch.randint(0, len(alpha_bar), (batch_size,), generator=generator)
        x0 = data[rows]
        noise = torch.randn(x0.shape, dtype=x0.dtype, generator=generator)
        optimizer.zero_grad()
        loss = simple_loss(model, x0, t, noise, alpha_bar)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    sys.exit("training done")
