"""Patching the referee: a Tensor subclass with which every function of torch agrees.

expect: compute_alpha_bar fail
expect: forward_step pass
"""

import torch


class Agreeable(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", "")
        if name in ("allclose", "equal", "isclose", "eq", "all"):
            return torch.tensor(True)
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))


def compute_alpha_bar(betas):
    return torch.zeros_like(betas).as_subclass(Agreeable)
