"""Ending the process: answer once, then leave with success.

expect: compute_alpha_bar crash
expect: forward_step pass
"""

import os

calls = []


def compute_alpha_bar(betas):
    calls.append(betas)
    if len(calls) > 1:
        os._exit(0)
    return (1 - betas).cumprod(0)
