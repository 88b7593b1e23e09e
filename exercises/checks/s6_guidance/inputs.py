"""What several checks of section 6 feed to the code, beside `exercises.checks.cases`."""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from exercises.checks import cases
from exercises.checks.cases import Case, numbers

NULLS = (5, 11, -1)
"""What stands for "no label", none of them one of `labels`: it may be any number."""


def corners(rng: Generator) -> Iterator[Case]:
    """The corners of `cases`, and a batch of videos: data may have any number of axes."""
    yield from cases.corners(rng)
    yield cases.make((2, 3, 2, 3, 2), numbers(*cases.STEEP), rng)


def column(values: Tensor, like: Tensor) -> Tensor:
    """(B,) shaped to multiply the batch."""
    return values.to(like.dtype).reshape(-1, *[1] * (like.ndim - 1))


def laid_like(values: Tensor, row: Tensor) -> Tensor:
    """These values (B,), lying in memory as `row` does; the first of them for all if `row` holds one for all."""
    if len(row) > 1 and row.stride() == (0,):
        return values[:1].expand(values.shape)
    return values if row.is_contiguous() else torch.stack([values, values], dim=1)[:, 0]


def labels(case: Case, rng: Generator, classes: int = 5) -> Tensor:
    """A label for each sample of a case, 0 to classes - 1, neighbours unlike."""
    count = len(case.x0)
    first = int(torch.randint(classes, (), generator=rng))
    return laid_like((first + 2 * torch.arange(count)) % classes, case.t)


def scales(case: Case, rng: Generator, dtype: torch.dtype = torch.float64) -> Tensor:
    """A scale for each sample of a case, from -1 to 8, no two alike, in no order; exact in float32, too."""
    count = len(case.x0)
    grid = (torch.arange(count) + torch.rand(count, generator=rng)) / count
    return laid_like((9 * grid - 1)[torch.randperm(count, generator=rng)].to(dtype), case.t)
