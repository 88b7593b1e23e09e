"""Numerics: memory that was not written, where a reference computed in this process would still lie.

expect: compute_alpha_bar fail
"""

import torch


def compute_alpha_bar(betas):
    return torch.empty_like(betas)
