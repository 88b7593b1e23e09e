"""Ending the process: recursion up to Python's limit, as beginners write it.

expect: compute_alpha_bar fail
expect: forward_step pass
"""


def compute_alpha_bar(betas):
    return compute_alpha_bar(betas)
