"""Noise: another default dtype for everything.

expect: forward_step pass
expect: compute_alpha_bar pass
expect: TinyDenoiser pass
"""

import torch

torch.set_default_dtype(torch.float64)
torch.set_printoptions(precision=10)
