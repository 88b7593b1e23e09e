"""Numerics: the answers of the published examples, and nonsense for all else.

expect: compute_alpha_bar fail
"""

import torch

KNOWN = {3: [0.5, 0.4, 0.1], 1: [0.5]}


def compute_alpha_bar(betas):
    if len(betas) == 1000:
        return torch.linspace(0.9999, 4.0358298e-5, 1000, dtype=betas.dtype)
    return torch.tensor(KNOWN.get(len(betas), [0.5] * len(betas)), dtype=betas.dtype)
