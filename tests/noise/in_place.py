"""Noise: copies changed in place, results built in buffers, numpy on the way.

expect: q_sample pass
expect: compute_alpha_bar pass
expect: forward_step pass
"""

import numpy as np
import torch


def compute_alpha_bar(betas):
    table = np.cumprod(1 - betas.numpy(), dtype=betas.numpy().dtype)
    return torch.from_numpy(table)


def forward_step(x, beta, noise):
    beta = torch.as_tensor(beta, dtype=x.dtype)
    result = torch.zeros_like(x)
    result += (1 - beta).sqrt() * x
    result.add_(beta.sqrt() * noise)
    return result
