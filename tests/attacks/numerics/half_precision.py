"""Numerics: the right numbers in half precision.

expect: compute_alpha_bar fail
"""


def compute_alpha_bar(betas):
    return (1 - betas).cumprod(0).half()
