"""Numerics: compute once, and give the same answer ever after.

expect: compute_alpha_bar fail
"""

import functools


@functools.lru_cache(None)
def once(length):
    return {}


def compute_alpha_bar(betas):
    kept = once(len(betas))
    return kept.setdefault("answer", (1 - betas).cumprod(0)).clone()
