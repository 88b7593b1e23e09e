"""Toy worlds that several checks of section 3 share."""

import torch
from torch import Generator

from exercises.checks import cases
from exercises.toolkit.worlds import Correlated


def turned(rng: Generator, dims: int) -> Correlated:
    """Gaussian data whose axes know of each other."""
    axes, _ = torch.linalg.qr(cases.normal((dims, dims), rng))
    return Correlated(cases.normal((dims,), rng), axes, torch.linspace(0.2, 2.0, dims, dtype=torch.float64))
