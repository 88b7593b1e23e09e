"""The papers' formulas of section 6, in float64: what several checks expect."""

from torch import Tensor

from exercises.checks.cases import Case
from exercises.checks.s6_guidance.inputs import column


def jump(case: Case) -> Tensor:
    a = case.at(case.alpha_bar)
    return a.sqrt() * case.x0 + (1 - a).sqrt() * case.noise


def between(start: Tensor, end: Tensor, scale: float | Tensor) -> Tensor:
    """The point of the line through both that is `start` at scale 0 and `end` at scale 1."""
    if isinstance(scale, Tensor):
        scale = column(scale, start)
    return (1 - scale) * start + scale * end
