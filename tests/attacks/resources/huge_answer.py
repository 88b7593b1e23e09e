"""Resources: an answer of half a gigabyte, as a wrong broadcast gives it.

expect: compute_alpha_bar fail
expect: forward_step pass
"""

import torch


def compute_alpha_bar(betas):
    return torch.zeros(1 << 13, 1 << 13, dtype=torch.float64)
