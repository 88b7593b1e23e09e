"""Resources: more memory than there is, in one piece.

expect: compute_alpha_bar memory
expect: forward_step pass
"""

import torch


def compute_alpha_bar(betas):
    return torch.empty(1 << 40).sum()
