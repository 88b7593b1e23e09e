"""Flows that are known exactly, and small networks that learn others: time runs from 0, noise, to 1, data."""

import itertools
import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from exercises.toolkit.worlds import Mixture

Velocity = Callable[[Tensor, Tensor], Tensor]


def gaussian_flow(deviation: float) -> Velocity:
    """The velocity between independent N(0, 1) noise and N(0, deviation²) data, each number by itself.

    E[data - noise | x_t] is a line in x_t: its slope is the covariance of the two over the variance of x_t.
    """

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        slope = (t * deviation**2 - (1 - t)) / (t**2 * deviation**2 + (1 - t) ** 2)
        return _shaped(slope, x) * x

    return velocity


def mixture_flow(world: Mixture) -> Velocity:
    """The velocity E[data - noise | x_t] between independent noise and the data of a mixture.

    x_t over the root of (1-t)² + t² is noised data of section 1, at ᾱ = t² / ((1-t)² + t²), with the same noise. At t = 0
    that noise is x_t itself, and of the data nothing is known but its mean.
    """
    mean = torch.tensordot(world.weights, world.centres, dims=1)

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        variance, time = (1 - t).square() + t.square(), _shaped(t, x)
        eps = world.eps(x / _shaped(variance, x).sqrt(), torch.arange(len(x)), t.square() / variance)
        return torch.where(time > 0, (x - eps) / torch.where(time > 0, time, 1), mean.to(x) - x)

    return velocity


def mixture_denoiser(world: Mixture) -> Velocity:
    """D(x, σ) = E[data | x] for x = data + σ noise: x over the root of 1 + σ² is at ᾱ = 1 / (1 + σ²)."""

    def denoiser(x: Tensor, sigma: Tensor) -> Tensor:
        variance = 1 + sigma.square()
        eps = world.eps(x / _shaped(variance, x).sqrt(), torch.arange(len(x)), 1 / variance)
        return x - _shaped(sigma, x) * eps

    return denoiser


class VelocityNet(nn.Module):
    """A small network for points of the plane, `velocity(x, t)`: linear layers that see x beside the sines of t.

    With waves, in radians a unit of length, it sees the sines of x too, and learns what is thin in half the steps (Fourier
    features, arXiv:2006.10739).
    """

    def __init__(self, hidden: int = 128, waves: tuple[float, ...] = ()) -> None:
        super().__init__()
        self.register_buffer("frequencies", math.pi * 2 ** torch.linspace(0, 4, 16))
        self.waves = waves
        widths = [2 + 4 * len(waves) + 2 * len(self.frequencies), hidden, hidden, hidden]
        layers = [layer for a, b in itertools.pairwise(widths) for layer in (nn.Linear(a, b), nn.SiLU())]
        self.net = nn.Sequential(*layers, nn.Linear(hidden, 2))

    def forward(self, x: Float[Tensor, "B 2"], t: Float[Tensor, "B"]) -> Float[Tensor, "B 2"]:
        angles = t[:, None] * self.frequencies
        seen = [wave(rate * x) for rate in self.waves for wave in (torch.sin, torch.cos)]
        return self.net(torch.cat([x, *seen, angles.cos(), angles.sin()], dim=1))


class JumpNet(nn.Module):
    """A velocity network seen as the network F(c_in x, c_noise) of a consistency function, for sigma_data = 1.

    x = data + σ noise is (1 + σ) x_t at t = 1 / (1 + σ), where the velocity guesses the data. F is what makes
    c_skip x + c_out F that guess (σ_min taken for 0), so that whoever trains F begins at the flow:

        F = t √(1 + σ²) v(x_t, t) + (σ - 1) / (σ + 1) c_in x
    """

    def __init__(self, velocity: nn.Module) -> None:
        super().__init__()
        self.velocity = velocity

    def forward(self, x: Float[Tensor, "B 2"], c_noise: Float[Tensor, "B"]) -> Float[Tensor, "B 2"]:
        sigma = (4 * c_noise).exp()
        t = 1 / (1 + sigma)
        scale = _shaped(t * (1 + sigma.square()).sqrt(), x)
        return scale * self.velocity(scale * x, t) + _shaped((sigma - 1) / (sigma + 1), x) * x


def karras_levels(count: int, low: float, high: float, rho: float = 7.0) -> Float[Tensor, "count"]:
    """Levels σ from low to high, close together where they are low (EDM, arXiv:2206.00364, eq. 5)."""
    return torch.linspace(low ** (1 / rho), high ** (1 / rho), count) ** rho


def _shaped(values: Float[Tensor, "B"], like: Float[Tensor, "B *S"]) -> Tensor:
    return values.reshape(-1, *[1] * (like.ndim - 1))
