"""Patching the referee: methods of torch.Tensor itself that always agree.

expect: compute_alpha_bar fail|crash
"""

import torch

torch.Tensor.__eq__ = torch.Tensor.__le__ = lambda self, other: torch.ones(self.shape, dtype=torch.bool)
torch.Tensor.allclose = torch.Tensor.equal = lambda *args, **kwargs: True
torch.Tensor.__sub__ = torch.Tensor.sub = lambda self, other: torch.zeros(self.shape, dtype=self.dtype)


def compute_alpha_bar(betas):
    return torch.zeros_like(betas)
