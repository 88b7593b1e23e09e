"""Ending the process: raise a group of exceptions that holds nothing of use.

expect: compute_alpha_bar fail|crash
expect: forward_step pass
"""


def compute_alpha_bar(betas):
    raise BaseExceptionGroup("", [ExceptionGroup("", [NotImplementedError()]), SystemExit(0)])
