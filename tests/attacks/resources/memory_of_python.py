"""Resources: Python's own objects without an end.

expect: compute_alpha_bar memory|crash|timeout
expect: forward_step pass
"""


def compute_alpha_bar(betas):
    kept = b"x"
    while True:
        kept += kept
