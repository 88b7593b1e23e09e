"""Numerics: infinity, which swallows every tolerance.

expect: compute_alpha_bar fail
"""

import torch


def compute_alpha_bar(betas):
    return torch.full_like(betas, torch.inf)
