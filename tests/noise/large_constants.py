"""Noise: large tables at import, caches, and a fine recursion limit.

expect: forward_step pass
expect: compute_alpha_bar pass
"""

import functools
import sys

import torch

TABLE = torch.randn(1 << 22)
LIST = list(range(300_000))
sys.setrecursionlimit(20_000)
honest = compute_alpha_bar


@functools.lru_cache(maxsize=None)
def square(n):
    return n * n


def depth(n):
    return 0 if n == 0 else 1 + depth(n - 1)


def compute_alpha_bar(betas):
    assert depth(3000) == 3000
    assert sum(square(n % 10) for n in range(3000)) == 85_500
    return honest(betas)
