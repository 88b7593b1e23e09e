"""Ending the process: raise StopIteration, which ends a loop of the caller's without a word.

expect: compute_alpha_bar fail
expect: forward_step pass
"""


def compute_alpha_bar(betas):
    raise StopIteration
