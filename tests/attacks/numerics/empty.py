"""Numerics: nothing, of which every statement is true.

expect: compute_alpha_bar fail
"""


def compute_alpha_bar(betas):
    return betas[:0]
