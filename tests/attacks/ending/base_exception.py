"""Ending the process: raise an exception of its own that is no Exception.

expect: compute_alpha_bar crash
expect: forward_step pass
"""


class Quiet(BaseException):
    pass


def compute_alpha_bar(betas):
    raise Quiet
