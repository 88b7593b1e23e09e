"""Ending the process: abort in C.

expect: compute_alpha_bar crash
expect: forward_step pass
"""

import os


def compute_alpha_bar(betas):
    os.abort()
