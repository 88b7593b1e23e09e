"""Noise: functions compiled by torch.jit.script and torch.jit.trace.

expect: compute_alpha_bar pass
"""

import warnings

import torch

warnings.simplefilter("ignore")


@torch.jit.script
def compute_alpha_bar(betas: torch.Tensor) -> torch.Tensor:
    return torch.cumprod(1 - betas, 0)
