"""The moons under noise, as each sampler wants to see them: by levels, by λ, by times of an SDE, by σ, by times of a flow."""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Generator, Tensor

from exercises.toolkit import beaded_moons, extract
from exercises.toolkit.plane import PlaneNet

MOONS = beaded_moons()
T = 1000
ALPHA_BAR = torch.cumprod(1 - torch.linspace(1e-4, 0.02, T, dtype=torch.float64), dim=0)
"""DDPM's schedule."""
CLOCK = (ALPHA_BAR.log() - (1 - ALPHA_BAR).log()) / 2
"""Its λ."""


def rng(seed: int) -> Generator:
    return Generator().manual_seed(seed)


class View(Protocol):
    """What is known of the moons under noise: both guesses at x = α x_0 + σ ε, λ = log(α/σ), given for each sample."""

    def eps(self, x: Tensor, lam: Tensor) -> Tensor: ...

    def x0(self, x: Tensor, lam: Tensor) -> Tensor: ...


class Exact:
    """The formula, of beads that all have one size: then the responsibilities are a softmax of a product of matrices."""

    def eps(self, x: Tensor, lam: Tensor) -> Tensor:
        (alpha, sigma), (middle, spread) = _amplitudes(lam, x), self._beads(x, lam)
        return sigma * (x - alpha * middle) / spread

    def x0(self, x: Tensor, lam: Tensor) -> Tensor:
        (alpha, _), (middle, spread) = _amplitudes(lam, x), self._beads(x, lam)
        return middle + alpha * MOONS.variances[0].item() * (x - alpha * middle) / spread

    def _beads(self, x: Tensor, lam: Tensor) -> tuple[Tensor, Tensor]:
        """The mean of the beads that x may have come from, and the variance of each under this noise."""
        (alpha, sigma), centres = _amplitudes(lam, x), MOONS.centres.to(x)
        spread = alpha**2 * MOONS.variances[0].item() + sigma**2
        likely = (alpha * x @ centres.T - alpha**2 * centres.square().sum(1) / 2) / spread
        return torch.softmax(likely, dim=1) @ centres, spread


class Learned:
    """A network that has seen samples."""

    def __init__(self, net: PlaneNet) -> None:
        self.net = net

    def eps(self, x: Tensor, lam: Tensor) -> Tensor:
        alpha, sigma = _amplitudes(lam, x)
        return sigma * x + alpha * self.net(x, lam)

    def x0(self, x: Tensor, lam: Tensor) -> Tensor:
        alpha, sigma = _amplitudes(lam, x)
        return alpha * x - sigma * self.net(x, lam)


def _amplitudes(lam: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    rows = torch.arange(len(x))
    return extract(torch.sigmoid(2 * lam).sqrt(), rows, x), extract(torch.sigmoid(-2 * lam).sqrt(), rows, x)


class Counted:
    """A view as each sampler wants to see it; counts how often it is asked."""

    def __init__(self, view: View) -> None:
        self.view, self.calls = view, 0

    def at_levels(self, alpha_bar: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        """As `model(x_t, t)`, which answers eps."""
        clock = (alpha_bar.log() - (1 - alpha_bar).log()) / 2
        return lambda x, t: self._eps(x, clock[t])

    def on_clock(self, x: Tensor, lam: float | Tensor) -> Tensor:
        """As DPM-Solver's eps_fn."""
        return self._eps(x, torch.as_tensor(lam, dtype=x.dtype).expand(len(x)))

    def score(self, sde: Any) -> Callable[[Tensor, Tensor], Tensor]:
        """As the score model of a variance-preserving sde."""

        def score(x: Tensor, t: Tensor) -> Tensor:
            mean_coef, std = sde.marginal(t, x)
            return -self._eps(x, (mean_coef.log() - std.log()).flatten()) / std

        return score

    def denoiser(self, x: Tensor, sigma: Tensor) -> Tensor:
        """As EDM's, where noise is added and nothing shrinks."""
        rows = torch.arange(len(x))
        scaled = x * extract((1 + sigma**2).rsqrt(), rows, x)
        return x - extract(sigma, rows, x) * self._eps(scaled, -sigma.log())

    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        """As a flow's, where t goes from noise, 0, to data, 1: x_t = t data + (1 - t) noise."""
        self.calls += 1
        rows = torch.arange(len(x))
        scaled = x * extract((t**2 + (1 - t) ** 2).rsqrt(), rows, x)
        return (self.view.x0(scaled, t.log() - (1 - t).log()) - x) / extract(1 - t, rows, x)

    def _eps(self, x: Tensor, lam: Tensor) -> Tensor:
        self.calls += 1
        return self.view.eps(x, lam)
