"""Text: an exception with a message of many megabytes.

expect: compute_alpha_bar fail
"""


def compute_alpha_bar(betas):
    raise ValueError("pass " * (4 << 20))
