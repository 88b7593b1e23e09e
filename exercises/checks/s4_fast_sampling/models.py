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


def timed(weight: float = 0.75, bias: float = 0.25) -> Spy:
    """A spy whose answer depends on the level (or on λ, or σ) that it is told, and is no straight line in x."""
    return Spy(weight, bias, _bent)


def _bent(spy: Spy, x_t: Tensor, t: Any) -> Tensor:
    return (spy.weight * torch.sin(x_t) + spy.bias * torch.cos(column(t, x_t) + x_t / 2)).to(x_t.dtype)


def exact(mean: float, variance: float, alpha_bar: Tensor) -> Callable[[Tensor, Any], Tensor]:
    """The best possible model of data from N(mean, variance); variance 0 is a single point."""

    def eps(x: Tensor, t: Any) -> Tensor:
        a = alpha_bar[column(t, x).long().clamp(-1, len(alpha_bar) - 1)]
        return (1 - a).sqrt() * (x - a.sqrt() * mean) / (a * variance + 1 - a)

    return eps


def deaf() -> Spy:
    """A spy whose answer depends on the level alone."""
    return Spy(answer=lambda spy, x, t: (spy.weight * torch.cos(column(t, x)) + spy.bias + 0 * x).to(x.dtype))


def linear(factors: Tensor) -> Spy:
    """A spy that answers a multiple of x, by another of the factors (T,) at each level."""

    def multiple(spy: Spy, x_t: Tensor, t: Any) -> Tensor:
        which = column(t, x_t).long().clamp(0, len(factors) - 1)
        return (spy.weight * factors[which] * x_t).to(x_t.dtype)

    return Spy(1.0, 0.0, multiple)


def told(model: Spy) -> list[Any]:
    """What each call was told of the level: a number where all samples were told the same, else a list."""
    found = []
    for seen in model.seen:
        values = torch.as_tensor(seen.t).detach().flatten().tolist()
        found.append(values[0] if values and all(value == values[0] for value in values) else values)
    return found
