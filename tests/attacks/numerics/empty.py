"""Numerics: nothing, of which every statement is true.

expect: compute_alpha_bar fail
expect: forward_step pass
"""


def compute_alpha_bar(betas):
    return betas[:0]
