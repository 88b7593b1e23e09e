"""Noise: seeds for every generator, at import and in the function.

expect: forward_step pass
expect: sample pass
"""

import random

import numpy as np
import torch

random.seed(0)
np.random.seed(0)
torch.manual_seed(0)
torch.use_deterministic_algorithms(True)
honest = forward_step


def forward_step(x, beta, noise):
    torch.manual_seed(42)
    return honest(x, beta, noise)
