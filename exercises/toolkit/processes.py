"""Processes of neither of the learner's two kinds, for the checks: what is tested is that their coefficients are used, not what they are.

Each is given by its numbers alone and notes nothing, so that a check hands it over by value (`grader.rpc.given`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Drain:
    """A linear process: mean_coef = exp(-(k t + l t²)), std² = c t + d t², and the coefficients that belong to them.

    With k = l = 0 the data stays, and noise is only added; else it fades, and variance is not preserved.
    """

    k: float
    l: float
    c: float
    d: float

    def marginal(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        t = _column(t, like)
        return torch.exp(-(self.k * t + self.l * t**2)), (self.c * t + self.d * t**2).sqrt()

    def coefficients(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        t = _column(t, x)
        rate = -(self.k + 2 * self.l * t)
        return rate * x, (self.c + 2 * self.d * t - 2 * rate * (self.c * t + self.d * t**2)).sqrt()


@dataclass(frozen=True)
class Bent:
    """A process whose drift is no straight line in x, so that nothing but evaluating it at the right place will do."""

    def marginal(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        t = _column(t, like)
        return 1 / (1 + t), 0.1 + t

    def coefficients(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        t = _column(t, x)
        return torch.sin(x) * (0.5 + t), 1.5 + t


def _column(values: Tensor, like: Tensor) -> Tensor:
    """(B,) shaped to multiply the batch."""
    return values.to(like.dtype).reshape(-1, *[1] * (like.ndim - 1))


FADING, GROWING = Drain(0.8, 0.5, 0.3, 1.2), Drain(0, 0, 1.0, 8.0)
"""Two processes that end at std² = 1.5 and 9: their priors are not N(0, 1)."""
