"""What the checks feed to the code under test: batches of every shape and layout, at unequal levels of odd schedules.

All in float64, and never twice the same number in two roles: a formula that mixes up its inputs gives another answer.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import Generator, Tensor

SHAPES = [(2, 3), (3, 3), (1, 4), (4, 1), (5, 2, 3), (2, 3, 4, 5), (3, 3, 3, 3), (1, 1, 2, 3), (4, 2, 1, 4)]
"""Vectors and images, a batch of one, axes of one, no two axes alike and all alike: there wrong broadcasting shows."""
LAYOUTS = ["contiguous", "strided", "expanded"]
"""How the same numbers may lie in memory: in order, in another order of the axes, one row for the whole batch."""


@dataclass(frozen=True)
class Case:
    """A batch of B samples at the levels t of a schedule. The four batches are independent standard normal numbers.

    Attributes:
        x0, x_t, eps, noise: (B, *S).
        t: (B,), int64, different within the batch, with the first and last level in it if B > 1.
        betas, alpha_bar: (T,).
    """

    x0: Tensor
    x_t: Tensor
    eps: Tensor
    noise: Tensor
    t: Tensor
    betas: Tensor
    alpha_bar: Tensor

    def __repr__(self) -> str:
        return f"Case(shape={tuple(self.x0.shape)}, t={self.t.tolist()}, betas={self.betas.tolist()})"

    def at(self, table: Tensor) -> Tensor:
        """`table[t]`, shaped to multiply the batch."""
        return table[self.t].reshape(-1, *[1] * (self.x0.ndim - 1))

    def cast(self, data: torch.dtype, tables: torch.dtype) -> "Case":
        """The same case in other precisions; alpha_bar goes with the betas as they are then."""
        batches = [batch.to(data) for batch in (self.x0, self.x_t, self.eps, self.noise)]
        betas = self.betas.to(tables)
        return Case(*batches, self.t, betas, alpha_bar_of(betas))


def schedule(levels: int, generator: Generator, smallest: float = 1e-3) -> Tensor:
    """Betas in no order, spread evenly over the orders of magnitude from `smallest` to 1/2."""
    return smallest * (0.5 / smallest) ** torch.rand(levels, dtype=torch.float64, generator=generator)


def alpha_bar_of(betas: Tensor) -> Tensor:
    """ᾱ_t = Π_{s ≤ t} (1 - β_s), one factor after the other."""
    products, level = [], 1.0
    for beta in betas.tolist():
        level *= 1 - beta
        products.append(level)
    return torch.tensor(products, dtype=betas.dtype)


def normal(shape: tuple[int, ...], generator: Generator, layout: str = "contiguous") -> Tensor:
    """Standard normal numbers of this shape, lying in memory as `layout` says."""
    if layout == "strided":
        return torch.randn(shape[::-1], dtype=torch.float64, generator=generator).permute(*reversed(range(len(shape))))
    if layout == "expanded":
        return torch.randn((1, *shape[1:]), dtype=torch.float64, generator=generator).expand(shape)
    return torch.randn(shape, dtype=torch.float64, generator=generator)


def make(
    shape: tuple[int, ...], levels: int, generator: Generator, layout: str = "contiguous", smallest: float = 1e-3
) -> Case:
    """A case of this shape."""
    betas = schedule(levels, generator, smallest)
    t = torch.randint(levels, shape[:1], generator=generator)
    if len(t) > 1:
        t[:2] = torch.tensor([0, levels - 1])
        t = t[torch.randperm(len(t), generator=generator)]
    batches = [normal(shape, generator, layout) for _ in range(4)]
    return Case(*batches, t, betas, alpha_bar_of(betas))


def of_step(x_t: Tensor, eps: Tensor, level: int, betas: Tensor) -> Case:
    """The case of one step back from x_t, all at this level, for which the model answered eps."""
    t = torch.full((len(x_t),), level)
    return Case(x_t, x_t, eps, eps, t, betas, alpha_bar_of(betas))


def corners(generator: Generator) -> Iterator[Case]:
    """Every shape of `SHAPES` in every layout: what no check may leave to chance."""
    for shape in SHAPES:
        for layout in LAYOUTS:
            yield make(shape, 5, generator, layout)


def precisions(generator: Generator) -> Iterator[Case]:
    """Data and tables in float32 and float64, together and mixed; betas from 0.1, where 1 - ᾱ keeps its digits."""
    for data in (torch.float32, torch.float64):
        for tables in (torch.float32, torch.float64):
            yield make((3, 2, 2), 4, generator, smallest=0.1).cast(data, tables)


def shapes(most: int = 4) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes (B, *S) with one to three axes after the batch."""
    return st.lists(st.integers(1, most), min_size=2, max_size=4).map(tuple)


def batches(most_levels: int = 6) -> st.SearchStrategy[Case]:
    """Cases of any shape, on schedules of one to `most_levels` levels."""
    return st.builds(
        lambda shape, levels, seed: make(shape, levels, Generator().manual_seed(seed)),
        shapes(),
        st.integers(1, most_levels),
        st.integers(0, 2**32 - 1),
    )
