"""Resources: an integer of a million digits.

expect: compute_alpha_bar fail
expect: forward_step pass
"""


def compute_alpha_bar(betas):
    return 1 << 3_300_000
