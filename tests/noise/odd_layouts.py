"""Noise: results that are expanded, transposed, strided, parameters or views of something larger.

expect: compute_alpha_bar pass
expect: forward_step pass
expect: q_sample pass
"""

import torch
from torch import nn

honest_step, honest_jump = forward_step, q_sample


def compute_alpha_bar(betas):
    answer = (1 - betas).cumprod(0)
    return nn.Parameter(torch.stack([answer, answer], dim=1)[:, 0])


def forward_step(x, beta, noise):
    answer = honest_step(x, beta, noise)
    return torch.stack([answer] * 3, dim=-1)[..., 1]


def q_sample(x0, t, noise, alpha_bar):
    return honest_jump(x0, t, noise, alpha_bar).mT.contiguous().mT
