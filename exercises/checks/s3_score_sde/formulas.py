"""The papers' formulas of section 3, in float64: what several checks expect."""

import torch
from torch import Tensor

from exercises.checks.s3_score_sde.inputs import column
from exercises.toolkit.processes import Drain


def backwards(x: Tensor, t: Tensor, score: Tensor) -> tuple[Tensor, Tensor]:
    """The reverse coefficients of `Bent`, from its formula."""
    t = column(t, x)
    return torch.sin(x) * (0.5 + t) - (1.5 + t) ** 2 * score, 1.5 + t


def flowing(x: Tensor, t: Tensor, score: Tensor) -> Tensor:
    """The drift of the ODE of `Bent`, from its formula."""
    t = column(t, x)
    return torch.sin(x) * (0.5 + t) - (1.5 + t) ** 2 * score / 2


def grid(steps: int, t_end: float) -> list[float]:
    """The times at which the steps begin and end."""
    return [1 + (t_end - 1) * i / steps for i in range(steps + 1)]


def affine_score(mean: float, variance: float, sde: Drain):
    """The score model of data from N(mean, variance) in every element: exact."""

    def score(x: Tensor, t: Tensor) -> Tensor:
        mean_coef, std = sde.marginal(t, x)
        return -(x - mean_coef * mean) / (mean_coef**2 * variance + std**2)

    return score
