"""Numerics: the right numbers with an imaginary part beside them.

expect: compute_alpha_bar fail
"""

import torch


def compute_alpha_bar(betas):
    return torch.complex((1 - betas).cumprod(0).double(), torch.ones_like(betas, dtype=torch.float64)).conj()
