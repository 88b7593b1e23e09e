"""Ending the process: raise KeyboardInterrupt, which runners take for the instructor's.

expect: compute_alpha_bar crash
expect: forward_step pass
"""


def compute_alpha_bar(betas):
    raise KeyboardInterrupt
