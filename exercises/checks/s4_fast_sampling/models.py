"""Models for the checks of section 4, beside `exercises.checks.spies`."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from exercises.checks.spies import Spy


def column(values: Any, like: Tensor) -> Tensor:
    """One number for each sample, shaped to multiply the batch; whatever a model is told, it makes something of it."""
    row = torch.as_tensor(values).detach().to(like.dtype).flatten()
    row = row if len(row) == len(like) else row[:1].expand(len(like))
    return row.reshape(-1, *[1] * (like.ndim - 1))


class Timed(Spy):
    """A spy whose answer depends on the level (or on λ, or σ) that it is told, and is no straight line in x."""

    def forward(self, x_t: Tensor, t: Any) -> Tensor:
        self.now = column(t, x_t)
        return super().forward(x_t, t)

    def _guess(self, x_t: Tensor) -> Tensor:
        return self.guess(x_t)

    def guess(self, x_t: Tensor) -> Tensor:
        return (self.weight * torch.sin(x_t) + self.bias * torch.cos(self.now + x_t / 2)).to(x_t.dtype)


def exact(mean: float, variance: float, alpha_bar: Tensor) -> Callable[[Tensor, Any], Tensor]:
    """The best possible model of data from N(mean, variance); variance 0 is a single point."""

    def eps(x: Tensor, t: Any) -> Tensor:
        a = alpha_bar[column(t, x).long().clamp(-1, len(alpha_bar) - 1)]
        return (1 - a).sqrt() * (x - a.sqrt() * mean) / (a * variance + 1 - a)

    return eps


class Deaf(Timed):
    """A spy whose answer depends on the level alone."""

    def guess(self, x_t: Tensor) -> Tensor:
        return (self.weight * torch.cos(self.now) + self.bias + 0 * x_t).to(x_t.dtype)


class Linear(Timed):
    """A spy that answers a multiple of x, by another factor at each level.

    Attributes:
        factors: (T,).
    """

    def __init__(self, factors: Tensor) -> None:
        super().__init__(1.0, 0.0)
        self.factors = factors

    def guess(self, x_t: Tensor) -> Tensor:
        which = self.now.long().clamp(0, len(self.factors) - 1)
        return (self.weight * self.factors[which] * x_t).to(x_t.dtype)


def told(model: Spy) -> list[Any]:
    """What each call was told of the level: a number where all samples were told the same, else a list."""
    found = []
    for seen in model.seen:
        values = torch.as_tensor(seen.t).detach().flatten().tolist()
        found.append(values[0] if values and all(value == values[0] for value in values) else values)
    return found
