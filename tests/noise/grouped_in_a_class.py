"""Noise: everything in a class of static methods, with names of its own at the top.

expect: compute_alpha_bar pass
expect: forward_step pass
"""

import torch


class Diffusion:
    scale = 1.0

    @staticmethod
    def table(betas):
        return torch.exp(torch.log1p(-betas).cumsum(0))

    @classmethod
    def step(cls, x, beta, noise):
        beta = torch.as_tensor(beta, dtype=x.dtype)
        return cls.scale * ((1 - beta) ** 0.5 * x + beta**0.5 * noise)


compute_alpha_bar = Diffusion.table
forward_step = Diffusion.step
