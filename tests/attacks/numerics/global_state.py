"""Numerics: half precision, no gradients, other seeds and another folder for everything that comes after.

expect: compute_alpha_bar fail
expect: forward_step pass
expect: q_sample pass
expect: timestep_embedding pass
"""

import os
import warnings

import torch


def compute_alpha_bar(betas):
    torch.set_default_dtype(torch.float16)
    torch.set_grad_enabled(False)
    torch.use_deterministic_algorithms(True)
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    warnings.simplefilter("error")
    os.chdir("/")
    os.environ.clear()
    return betas
