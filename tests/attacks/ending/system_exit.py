"""Ending the process: raise SystemExit, which runners take for a normal end.

expect: compute_alpha_bar crash
expect: forward_step pass
"""


def compute_alpha_bar(betas):
    raise SystemExit(0)
