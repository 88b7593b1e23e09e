"""Numerics: tensors that are sparse, quantized, nested or without numbers, one kind for each length.

expect: compute_alpha_bar fail
"""

import torch


def compute_alpha_bar(betas):
    if len(betas) == 3:
        return betas.to_sparse()
    if len(betas) == 1000:
        return torch.quantize_per_tensor(betas.float(), 0.1, 0, torch.qint8)
    return betas.to("meta")
