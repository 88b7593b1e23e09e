"""Noise: wildcard and aliased imports, imports inside functions, names of modules that hide builtins.

expect: forward_step pass
expect: compute_alpha_bar pass
"""

import math as m
import torch as th
import torch.nn.functional as F
from math import *
from torch import *
from numpy import *

import importlib

import torch

np = importlib.import_module("numpy")


def forward_step(x, beta, noise):
    from torch import as_tensor as tensor_of

    beta = tensor_of(beta, dtype=x.dtype)
    return th.sqrt(1 - beta) * x + th.sqrt(beta) * noise


def compute_alpha_bar(betas):
    import torch

    return torch.cumprod(1 - betas, dim=0)
