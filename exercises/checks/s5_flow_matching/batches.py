"""What the checks of section 5 feed to the code under test: noise, data, velocities and their times, in every shape."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from exercises.checks import cases


def column(values: Tensor, like: Tensor) -> Tensor:
    """(B,) shaped to multiply the batch."""
    return values.to(like.dtype).reshape(-1, *[1] * (like.ndim - 1))


@dataclass(frozen=True)
class Batch:
    """B samples at their times. The three batches are independent standard normal numbers.

    Attributes:
        noise, data, v: (B, *S).
        t: (B,), unequal within the batch.
    """

    noise: Tensor
    data: Tensor
    v: Tensor
    t: Tensor

    @property
    def clock(self) -> Tensor:
        """The times, shaped to multiply the batch."""
        return column(self.t, self.data)

    def cast(self, dtype: torch.dtype) -> "Batch":
        return Batch(*(part.to(dtype) for part in (self.noise, self.data, self.v, self.t)))

    def exactly(self) -> "Batch":
        """The same numbers in float64, to compute with."""
        return self.cast(torch.float64)


def spread(count: int, low: float, high: float, generator: Generator) -> Tensor:
    """Numbers between low and high, no two alike, in no order."""
    grid = (torch.arange(count) + torch.rand(count, dtype=torch.float64, generator=generator)) / count
    return low + (high - low) * grid[torch.randperm(count, generator=generator)]


def make(shape: tuple[int, ...], generator: Generator, layout: str = "contiguous", last: float = 1.0) -> Batch:
    """A batch of this shape, lying in memory as `layout` says, with the times 0 and `last` in it if B > 1."""
    noise, data, v = (cases.normal(shape, generator, layout) for _ in range(3))
    t = spread(shape[0], 0.05, 0.95, generator)
    if shape[0] > 1:
        t[t.argmin()], t[t.argmax()] = 0.0, last
    if layout == "expanded":
        t = t[:1].expand(t.shape)
    if layout == "strided":
        t = torch.stack([t, t], dim=1)[:, 0]
    return Batch(noise, data, v, t)


def corners(generator: Generator, last: float = 1.0) -> Iterator[Batch]:
    """Every shape of the course in every layout: vectors, images, videos, a batch of one, axes of one."""
    for shape in [*cases.SHAPES, (2, 2, 3, 2, 2)]:
        for layout in cases.LAYOUTS:
            yield make(shape, generator, layout, last)


def precisions(generator: Generator, last: float = 1.0) -> Iterator[Batch]:
    """Images in float32 and in float64, their times too."""
    for dtype in (torch.float32, torch.float64):
        yield make((3, 2, 2), generator, last=last).cast(dtype)


def levels(count: int, generator: Generator, low: float = 0.01, high: float = 5.0) -> Tensor:
    """Noise levels of all orders of magnitude from low to high, no two alike."""
    return low * (high / low) ** spread(count, 0.0, 1.0, generator)
