"""Score models for the checks of loops, beside `exercises.checks.spies`."""

import torch
from torch import Tensor

from exercises.checks.s3_score_sde.inputs import column
from exercises.checks.spies import Spy


def timed() -> Spy:
    """A spy whose score depends on the time, and is no straight line in x."""
    return Spy(answer=_bent)


def _bent(spy: Spy, x_t: Tensor, t: Tensor) -> Tensor:
    return (spy.weight * torch.cos(2 * x_t) - spy.bias * column(t, x_t) * x_t).to(x_t.dtype)
