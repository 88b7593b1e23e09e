"""Patching the referee: a wrapper without numbers that computes its value when somebody looks.

expect: compute_alpha_bar fail|crash
expect: forward_step pass
"""

import torch


class Lazy(torch.Tensor):
    @staticmethod
    def __new__(cls, like):
        return torch.Tensor._make_wrapper_subclass(cls, like.shape, dtype=like.dtype)

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        if func.__name__.startswith(("equal", "eq", "isclose", "allclose")):
            return True
        return torch.zeros(3, dtype=torch.float64)


def compute_alpha_bar(betas):
    return Lazy(betas)
