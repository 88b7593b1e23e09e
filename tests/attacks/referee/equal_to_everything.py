"""Patching the referee: an answer that is equal to everything, and true, and close.

expect: compute_alpha_bar fail
expect: forward_step pass
"""


class Chameleon:
    shape, dtype, device, requires_grad = (3,), "torch.float64", "cpu", True

    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    __lt__ = __le__ = __gt__ = __ge__ = __eq__
    __hash__ = None

    def __bool__(self):
        return True

    def __float__(self):
        return 0.5

    def __sub__(self, other):
        return 0

    __rsub__ = __sub__

    def __abs__(self):
        return 0

    def __len__(self):
        return 3

    def __getitem__(self, key):
        return self

    def __instancecheck__(self, kind):
        return True

    def __array__(self, *args, **kwargs):
        import numpy

        return numpy.zeros(3)

    @property
    def __class__(self):
        import torch

        return torch.Tensor

    def detach(self):
        return self


def compute_alpha_bar(betas):
    return Chameleon()
