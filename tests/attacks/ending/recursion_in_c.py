"""Ending the process: recursion without Python's limit, until the stack ends.

expect: compute_alpha_bar crash|fail
expect: forward_step pass
"""

import sys


class Deeper:
    def __repr__(self):
        return repr([self])


def compute_alpha_bar(betas):
    sys.setrecursionlimit(1 << 30)
    return repr(Deeper())
