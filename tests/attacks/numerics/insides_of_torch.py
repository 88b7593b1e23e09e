"""Numerics: tensors that torch has for itself: of a transform that is over, without memory, negated in name only.

expect: compute_alpha_bar fail|crash
expect: forward_step pass
"""

import torch

kept = []


def compute_alpha_bar(betas):
    count = len(betas)
    if count == 3:
        torch.func.grad(lambda x: (kept.append(x), x.sum())[1])(betas.clone())
        return kept[-1]
    if count == 1000:
        torch.func.vmap(lambda x: (kept.append(x), x)[1])(betas.clone())
        return kept[-1]
    return torch._efficientzerotensor((count,), dtype=betas.dtype) if count % 2 else torch._neg_view(betas)
