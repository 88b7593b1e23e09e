"""What noise that a loop draws must be like."""

import math

import torch
from torch import Tensor

from exercises.checks import expect


def all_apart(noise: Tensor, why: str, axes: tuple[str, ...]) -> None:
    """No two slices of the noise along an axis are equal, where there is noise.

    Two of n numbers agree to 1e-6 by chance less than once in 1e6**n; every slice here has more than 100.
    """
    if noise.std() < 0.1:
        return  # nothing was added: that is another mistake, and `chance` names it
    for axis, name in enumerate(axes):
        nearest = float(torch.pdist(noise.movedim(axis, 0).flatten(1), p=math.inf).min())
        expect.holds(nearest > 1e-6, why, got=f"the same noise in two {name}", want=f"other noise in all {name}")
