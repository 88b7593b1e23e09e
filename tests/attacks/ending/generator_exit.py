"""Ending the process: raise GeneratorExit, which `except Exception` lets through.

expect: compute_alpha_bar crash
expect: forward_step pass
"""


def compute_alpha_bar(betas):
    raise GeneratorExit
