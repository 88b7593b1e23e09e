"""What several checks of section 3 feed to the code, beside `exercises.checks.cases`."""

import torch
from hypothesis import strategies as st
from torch import Generator, Tensor

from exercises.checks import cases

seeds = st.integers(0, 2**32 - 1)
shapes = st.lists(st.integers(1, 3), min_size=2, max_size=4).map(tuple)


def column(values: Tensor, like: Tensor) -> Tensor:
    """(B,) shaped to multiply the batch."""
    return values.to(like.dtype).reshape(-1, *[1] * (like.ndim - 1))


def times(count: int, generator: Generator, smallest: float = 0.05) -> Tensor:
    """Times in (smallest, 1), no two alike, in no order."""
    grid = (torch.arange(count) + torch.rand(count, dtype=torch.float64, generator=generator)) / count
    return smallest + (1 - smallest) * grid[torch.randperm(count, generator=generator)]


def moments(case: cases.Case, generator: Generator) -> Tensor:
    """Times for the samples of a case, lying in memory as its levels do."""
    t = times(len(case.x0), generator)
    if case.t.stride() == (0,):
        return t[:1].expand(t.shape)
    return t if case.t.is_contiguous() else torch.stack([t, t], dim=1)[:, 0]


def sizes(count: int, generator: Generator, like: Tensor, smallest: float = 1e-3) -> Tensor:
    """Numbers (B, 1, ..., 1) between `smallest` and 2, no two alike, spread over the orders of magnitude."""
    return column(smallest * (2 / smallest) ** times(count, generator, 0.0), like)
