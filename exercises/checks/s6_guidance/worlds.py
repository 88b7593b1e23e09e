"""Toy worlds that several checks of section 6 share."""

import torch
from torch import Generator

from exercises.checks import cases
from exercises.toolkit.worlds import Labelled, Mixture


def labelled(rng: Generator, *shape: int) -> Labelled:
    """Seven wide centres of samples of this shape, with three labels: no label is ever ruled out."""
    variances = 0.8 + torch.rand(7, dtype=torch.float64, generator=rng)
    weights = torch.softmax(cases.normal((7,), rng), dim=0)
    order = torch.randperm(7, generator=rng)
    mixture = Mixture(0.7 * cases.normal((7, *shape), rng), variances, weights)
    return Labelled(mixture, torch.tensor([0, 0, 1, 1, 2, 2, 2])[order])
