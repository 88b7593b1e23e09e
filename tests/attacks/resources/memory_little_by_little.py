"""Resources: memory piece by piece, until there is no more, and then on without it.

expect: compute_alpha_bar fail|memory
expect: forward_step pass
"""

import torch

kept = []


def compute_alpha_bar(betas):
    try:
        while True:
            kept.append(torch.empty(1 << 24))
    except (MemoryError, RuntimeError):
        return torch.zeros_like(betas)
