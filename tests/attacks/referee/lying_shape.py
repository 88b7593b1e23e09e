"""Patching the referee: a Tensor subclass that lies about its shape and dtype.

expect: compute_alpha_bar fail
expect: forward_step pass
"""

import torch


class Liar(torch.Tensor):
    shape = property(lambda self: torch.Size([3]))
    dtype = property(lambda self: torch.float64)
    layout = property(lambda self: torch.strided)

    def detach(self):
        return self

    def cpu(self):
        return self

    def numel(self):
        return 3

    def stride(self, *dims):
        return 1

    def is_contiguous(self):
        return True


def compute_alpha_bar(betas):
    return torch.zeros(100, 100, dtype=torch.float16).as_subclass(Liar)
