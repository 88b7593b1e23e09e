"""Numerics: the right numbers with a gradient of its own making.

expect: q_sample fail
"""

import torch


class Forged(torch.autograd.Function):
    @staticmethod
    def forward(ctx, value, x0, noise):
        return value.clone()

    @staticmethod
    def backward(ctx, grad):
        return None, grad, grad


def q_sample(x0, t, noise, alpha_bar):
    a = extract(alpha_bar, t, x0)
    return Forged.apply((a.sqrt() * x0 + (1 - a).sqrt() * noise).detach(), x0, noise)
