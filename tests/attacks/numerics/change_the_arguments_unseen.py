"""Numerics: the same behind autograd's back, by address.

expect: q_sample fail
"""

import ctypes


def q_sample(x0, t, noise, alpha_bar):
    for tensor in (x0, noise):
        if tensor.is_contiguous():
            ctypes.memset(tensor.data_ptr(), 0, tensor.numel() * tensor.element_size())
    return x0 * 0
