"""Ending the process: read address 0.

expect: compute_alpha_bar crash
expect: forward_step pass
"""

import ctypes


def compute_alpha_bar(betas):
    ctypes.string_at(0)
