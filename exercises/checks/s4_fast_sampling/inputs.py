"""What several checks of section 4 feed to the code, beside `exercises.checks.cases`."""

from hypothesis import strategies as st
from torch import Generator, Tensor

from exercises.checks import cases
from exercises.checks.cases import numbers

seeds = st.integers(0, 2**32 - 1)
shapes = st.lists(st.integers(1, 3), min_size=2, max_size=4).map(tuple)
LEVELS = (0.98, 0.9, 0.77, 0.6, 0.45, 0.3, 0.18, 0.1, 0.05, 0.02, 0.008, 0.003)
"""ᾱ of twelve levels, unevenly spaced: no step of n of them falls on a half, but for n = 8."""
COSINE_END = 2.428767e-9
"""The last ᾱ of the cosine schedule: whatever is added to it under a root shows."""
BODIES = ((3, 2), (1, 4), (2, 3, 4), (2, 1, 2, 3), (3, 3, 3, 3), (2, 3, 2, 1, 2))
"""Vectors, images, videos, a batch of one, and axes that could be taken for one another."""


def table() -> Tensor:
    return numbers(*LEVELS)


def falling(count: int, generator: Generator, smallest: float = 0.01) -> Tensor:
    """ᾱ (count,), falling unevenly from below 1 to above `smallest`."""
    shares = 0.2 + cases.normal((count + 1,), generator).abs()
    return 1 - (1 - smallest) * shares.cumsum(0)[:-1] / shares.sum()
