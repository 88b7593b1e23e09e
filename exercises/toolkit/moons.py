"""Toy data in the plane: two interleaved half circles."""

from math import log, pi, sqrt

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from exercises.toolkit.worlds import Mixture

CENTRE = (0.5, 0.25)
"""The mean of the two half circles, (cos θ, sin θ) and (1 - cos θ, 1/2 - sin θ) for θ in [0, π]."""
VARIANCE = (3 / 4, 9 / 16 - 1 / pi)
"""Their variance along each axis, before noise is added."""


def two_moons(n: int, generator: Generator | None = None, noise: float = 0.05) -> Float[Tensor, "n 2"]:
    """Draw n points from two noisy moons, taking turns, of mean 0 and variance 1 along each axis.

    The points are standardised by the distribution's own mean and variance, not by those of the n points: two draws of
    any size come from the same distribution.

    Args:
        n: how many points.
        generator: where the randomness comes from.
        noise: standard deviation of the noise, before standardising; the moons have radius 1.
    """
    theta = pi * torch.rand(n, dtype=torch.float32, generator=generator)
    upper = torch.arange(n) % 2 == 0
    x = torch.where(upper, theta.cos(), 1 - theta.cos())
    y = torch.where(upper, theta.sin(), 0.5 - theta.sin())
    points = torch.stack([x, y], dim=1) + noise * torch.randn(n, 2, dtype=torch.float32, generator=generator)
    std = torch.tensor([sqrt(variance + noise**2) for variance in VARIANCE], dtype=torch.float32)
    return (points - torch.tensor(CENTRE, dtype=torch.float32)) / std


def two_moons_log_density(points: Float[Tensor, "n 2"], noise: float = 0.05) -> Float[Tensor, "n"]:
    """Log of the density that `two_moons` draws from, in nats, by a sum over 1000 places on each moon."""
    std = torch.tensor([sqrt(variance + noise**2) for variance in VARIANCE], dtype=points.dtype)
    theta = pi * (torch.arange(1000, dtype=points.dtype) + 0.5) / 1000
    upper = torch.stack([theta.cos(), theta.sin()], dim=1)
    moons = torch.cat([upper, torch.tensor([1.0, 0.5], dtype=points.dtype) - upper])
    offsets = torch.cdist(points * std + torch.tensor(CENTRE, dtype=points.dtype), moons) / noise
    log_mass = torch.logsumexp(-offsets.square() / 2, dim=1) - log(len(moons)) - log(2 * pi * noise**2)
    return log_mass + std.log().sum()


def nearer_moon(points: Float[Tensor, "n 2"]) -> Int[Tensor, "n"]:
    """0 or 1 for each point: whether the upper or the lower moon is nearer, before both are standardised."""
    theta = torch.linspace(0, pi, 200)
    upper = torch.stack([theta.cos() - CENTRE[0], theta.sin() - CENTRE[1]], dim=1)
    unscaled = points.detach().to(upper) * torch.tensor(VARIANCE).sqrt()
    return (torch.cdist(unscaled, -upper).amin(dim=1) < torch.cdist(unscaled, upper).amin(dim=1)).long()


def beaded_moons(beads: int = 40, std: float = 0.07) -> Mixture:
    """Two moons of which all is known: round clouds in a row along each half circle, mean 0 and variance 1 along each axis.

    Where `two_moons` has noise that is stretched with the moons, a bead is round, so that score and density are formulas
    at every level of noise.

    Args:
        beads: how many on each moon; with fewer than 30 or so the gaps show.
        std: of a bead.
    """
    theta = pi * (torch.arange(beads, dtype=torch.float64) + 0.5) / beads
    upper = torch.stack([theta.cos() - CENTRE[0], theta.sin() - CENTRE[1]], dim=1)
    upper = upper * ((1 - std**2) / upper.square().mean(0)).sqrt()
    return Mixture(
        torch.cat([upper, -upper]),
        torch.full((2 * beads,), std**2, dtype=torch.float64),
        torch.full((2 * beads,), 0.5 / beads, dtype=torch.float64),
    )
