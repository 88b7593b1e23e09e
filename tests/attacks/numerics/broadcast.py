"""Numerics: a shape that broadcasts with the right one.

expect: compute_alpha_bar fail
"""


def compute_alpha_bar(betas):
    return (1 - betas).cumprod(0)[None]
