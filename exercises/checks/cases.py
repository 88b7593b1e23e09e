"""What the checks feed to the code under test: batches of every shape and layout, at unequal levels of odd schedules.

All in float64, and never the same numbers in two roles: a formula that mixes up its inputs gives another answer.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from hypothesis import strategies as st
from torch import Generator, Tensor

SHAPES = [(2, 3), (3, 3), (1, 4), (4, 1), (5, 2, 3), (2, 3, 4, 5), (3, 3, 3, 3), (1, 1, 2, 3), (4, 2, 1, 4)]
"""Vectors and images, a batch of one, axes of one, no two axes alike and all alike: there wrong broadcasting shows."""
LAYOUTS = ["contiguous", "strided", "expanded"]
"""How numbers may lie in memory: in order, in another order of the axes, one row for the whole batch."""
STEEP = (1e-4, 0.02, 0.3, 0.9, 0.999)
"""Betas that leave 7e-5 of the variance: what is clamped, shows."""
FADED = (0.02, 0.9, 0.99, 0.999, 0.999)
"""Betas that leave 1e-9 of the variance, about as little as the cosine schedule's 1000: what is held above 1e-8 or 1e-6, shows."""


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

    def exactly(self) -> "Case":
        """The same numbers in float64, to compute with."""
        return self.cast(torch.float64, torch.float64)


def numbers(*values: float, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.tensor(values, dtype=dtype)


def tracked(*batches: Tensor) -> list[Tensor]:
    """Copies that gradients are taken with respect to."""
    return [batch.detach().clone().requires_grad_() for batch in batches]


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


def make(shape: tuple[int, ...], betas: Tensor, generator: Generator, layout: str = "contiguous") -> Case:
    """A case of this shape on this schedule."""
    levels = len(betas)
    t = torch.randint(levels, shape[:1], generator=generator)
    if len(t) > 1:
        t[:2] = torch.tensor([0, levels - 1])
        t = t[torch.randperm(len(t), generator=generator)]
    batches = [normal(shape, generator, layout) for _ in range(4)]
    case = Case(*batches, t, betas, alpha_bar_of(betas))
    if layout == "strided":
        return replace(case, t=_strided(t), betas=_strided(betas), alpha_bar=_strided(case.alpha_bar))
    return replace(case, t=t[:1].expand(t.shape)) if layout == "expanded" else case


def _strided(row: Tensor) -> Tensor:
    return torch.stack([row, row], dim=1)[:, 0]


def of_step(x_t: Tensor, eps: Tensor, level: int, betas: Tensor) -> Case:
    """The case of one step back from x_t, all at this level, for which the model answered eps."""
    t = torch.full((len(x_t),), level)
    return Case(x_t, x_t, eps, eps, t, betas, alpha_bar_of(betas))


def corners(generator: Generator) -> Iterator[Case]:
    """Every shape of `SHAPES` in every layout, on steep schedules: what no check may leave to chance."""
    for shape in SHAPES:
        for layout in LAYOUTS:
            order = torch.randperm(len(STEEP), generator=generator)
            yield make(shape, torch.tensor(STEEP, dtype=torch.float64)[order], generator, layout)


def faded(generator: Generator) -> Case:
    """A case at the two ends of a schedule that leaves next to nothing of the data."""
    case = make((2, 3), numbers(*FADED), generator)
    return replace(case, t=torch.tensor([len(FADED) - 1, 0]))


def precisions(generator: Generator) -> Iterator[Case]:
    """Data and tables in float32 and float64, together and mixed; betas from 0.1, where 1 - ᾱ keeps its digits."""
    for data in (torch.float32, torch.float64):
        for tables in (torch.float32, torch.float64):
            yield make((3, 2, 2), schedule(4, generator, smallest=0.1), generator).cast(data, tables)


def at_both_ends(shape: tuple[int, ...], generator: Generator) -> Case:
    """Half of the samples where ᾱ is 1e-4 below 1, and half where it is 2e-9."""
    case = make(shape, torch.tensor([1e-4, 1 - 2.43e-9], dtype=torch.float64), generator)
    return replace(case, t=torch.arange(shape[0]) % 2)


def gradual(generator: Generator) -> Case:
    """A small case to take gradients of: images, three of four levels."""
    return make((3, 2, 2), schedule(4, generator), generator)


def batches(most_levels: int = 6) -> st.SearchStrategy[Case]:
    """Cases with one to three axes after the batch, on schedules of one to `most_levels` levels."""

    def build(shape: list[int], levels: int, seed: int) -> Case:
        generator = Generator().manual_seed(seed)
        return make(tuple(shape), schedule(levels, generator), generator)

    shapes = st.lists(st.integers(1, 4), min_size=2, max_size=4)
    return st.builds(build, shapes, st.integers(1, most_levels), st.integers(0, 2**32 - 1))
