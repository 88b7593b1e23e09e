"""Resources: a thousand threads for torch.

expect: compute_alpha_bar fail|crash|timeout
expect: forward_step pass
"""

import torch


def compute_alpha_bar(betas):
    torch.set_num_threads(999)
    torch.randn(1 << 20).exp().sum()
    return betas
