"""Patching the referee: builtins that say yes.

expect: compute_alpha_bar fail|crash|tamper
"""

import builtins

import torch

builtins.all = builtins.any = lambda *args: True
builtins.abs = lambda value: 0
builtins.print = lambda *args, **kwargs: None


def compute_alpha_bar(betas):
    return torch.zeros_like(betas)
