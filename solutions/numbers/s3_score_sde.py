"""What lesson 3 quotes, measured on the code it is given: the reference, or a learner's module.

Nothing is trained here: the data is Gaussian or a few Gaussians, and the scores are exact. `exact(code)` follows from
formulas alone; `measured(code)` is of random samples. Both give each number as the lesson writes it, by its meaning.
"""

import math
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import torch
from torch import Generator, Tensor

from exercises.toolkit.worlds import Mixture

CLOUDS = Mixture(
    torch.tensor([[-1.3, -0.7], [1.3, -0.7], [0.0, 1.3]], dtype=torch.float64),
    torch.tensor([0.03, 0.08, 0.15], dtype=torch.float64),
    torch.tensor([0.3, 0.4, 0.3], dtype=torch.float64),
)
"""Data of the plane whose score and density are known at all times."""
TWO = Mixture(
    torch.tensor([[-1.0], [1.0]], dtype=torch.float64),
    torch.tensor([0.04, 0.04], dtype=torch.float64),
    torch.tensor([0.5, 0.5], dtype=torch.float64),
)
"""Data on a line: near -1 or near 1."""
NARROW = 0.25
"""The variance of the Gaussian data on which errors are measured."""
MATRIX = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)


def rng(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def at(t: float, like: Tensor) -> Tensor:
    return torch.full((len(like),), t, dtype=like.dtype)


def score_of(world: Mixture, sde: Any) -> Callable[[Tensor, Tensor], Tensor]:
    """The exact score model of a mixture under a variance-preserving sde, where a level is ᾱ = mean_coef²."""

    def score(x: Tensor, t: Tensor) -> Tensor:
        mean_coef, _ = sde.marginal(t, x)
        return world.score(x, torch.arange(len(x)), mean_coef.flatten().square())

    return score


def gaussian_score(sde: Any, mean: float = 0.0, variance: float = NARROW) -> Callable[[Tensor, Tensor], Tensor]:
    """The exact score model of N(mean, variance) under any sde."""

    def score(x: Tensor, t: Tensor) -> Tensor:
        mean_coef, std = sde.marginal(t, x)
        return -(x - mean_coef * mean) / (mean_coef**2 * variance + std**2)

    return score


def end_variance(code: ModuleType, steps: int) -> float:
    """The variance that euler_maruyama ends with on N(0, NARROW): each step scales by a factor and adds noise."""
    sde, one, dt = code.VPSDE(), torch.ones(1, 1, dtype=torch.float64), (1e-3 - 1) / steps
    score, variance = gaussian_score(sde), 1.0
    for step in range(steps):
        t = at(1 + step * dt, one)
        drift, diffusion = code.reverse_coefficients(sde, score(one, t), one, t)
        variance *= (1 + dt * drift.item()) ** 2
        variance += diffusion.item() ** 2 * abs(dt) if step < steps - 1 else 0.0
    return variance


def flow_errors(code: ModuleType, steps: int) -> tuple[float, float]:
    """How far Euler's method and ode_sample end from where the ODE carries x = 2, for N(0, NARROW)."""
    sde, x = code.VPSDE(), torch.tensor([[2.0]], dtype=torch.float64)
    score = gaussian_score(sde)
    spread = []
    for t in (1e-3, 1.0):
        mean_coef, std = sde.marginal(at(t, x), x)
        spread.append(mean_coef**2 * NARROW + std**2)
    want = x * (spread[0] / spread[1]).sqrt()
    dt, euler = (1e-3 - 1) / steps, x
    for step in range(steps):
        t = at(1 + step * dt, x)
        euler = euler + dt * code.probability_flow_drift(sde, score(euler, t), euler, t)
    heun = code.ode_sample(sde, score, x, steps)
    return abs(euler - want).item(), abs(heun - want).item()


@cache
def likelihood_parts(code: ModuleType) -> tuple[float, float]:
    """(log p, log prior at the path's end) of x = 1.1 under N(0.7, 0.25), variance-preserving."""
    sde, x = code.VPSDE(), torch.tensor([[1.1]], dtype=torch.float64)
    log_p = code.log_likelihood(sde, gaussian_score(sde, 0.7), x, 1000, torch.ones_like(x))
    (start, small), (end, std) = (sde.marginal(at(t, x), x) for t in (1e-5, 1.0))
    spread = [coef**2 * NARROW + level**2 for coef, level in ((start, small), (end, std))]
    x_1 = end * 0.7 + (spread[1] / spread[0]).sqrt() * (x - start * 0.7)
    return log_p.item(), torch.distributions.Normal(0, std).log_prob(x_1).item()


def half_way(code: ModuleType) -> float:
    """When the variance-preserving process is half data, half noise."""
    t = torch.linspace(0, 1, 100_001, dtype=torch.float64)
    mean_coef, _ = code.VPSDE().marginal(t, t[:, None])
    return t[int((mean_coef.flatten().square() > 0.5).sum())].item()


def exact(code: ModuleType) -> dict[str, str]:
    t, like = torch.tensor([1.0, 1e-3], dtype=torch.float64), torch.zeros(2, 1, dtype=torch.float64)
    vp_mean, vp_std = code.VPSDE().marginal(t, like)
    _, ve_diffusion = code.VESDE().coefficients(like, t)
    log_p, log_prior = likelihood_parts(code)
    symmetric = (MATRIX + MATRIX.T) / 2
    off_diagonal = symmetric - symmetric.diag().diag()
    std = 50.0
    return {
        "VP: mean_coef at 1": f"{vp_mean[0].item():.4f}",
        "VP: std at 0.001": f"{vp_std[1].item():.4f}",
        "VP: half data, half noise at": f"{half_way(code):.3f}",
        "VE: diffusion at 1": f"{ve_diffusion[0].item():.0f}",
        "VE: what the derivative of σ² brings down": f"{2 * math.log(5000):.1f}",
        **{f"variance by {n} steps of Euler-Maruyama": f"{end_variance(code, n):.4f}" for n in (50, 1000)},
        **{f"Euler's error in {n} steps": f"{flow_errors(code, n)[0]:.4f}" for n in (20, 40)},
        **{f"Heun's error in {n} steps": f"{flow_errors(code, n)[1]:.4f}" for n in (20, 40)},
        "log p of 1.1": f"{log_p:.4f}",
        "log p of 1.1, the divergence subtracted": f"{2 * log_prior - log_p:.3f}",
        "nats a dimension lost by a unit prior for VE": f"{std**2 / 2 - 0.5 - math.log(std):.0f}",
        "variance of the estimate, signs": f"{2 * off_diagonal.square().sum().item():.0f}",
        "variance of the estimate, normal": f"{2 * symmetric.square().sum().item():.0f}",
    }


def corrected(code: ModuleType, steps: int, count: int = 2000) -> Tensor:
    """Points shrunk by a quarter from data at t = 0.1, after some corrector steps at that time."""
    sde, generator = code.VPSDE(), rng(1)
    x = CLOUDS.sample(count, generator)
    t, score = at(0.1, x), score_of(CLOUDS, sde)
    mean_coef, std = sde.marginal(t, x)
    x = 0.75 * (mean_coef * x + std * torch.randn(x.shape, dtype=x.dtype, generator=generator))
    for _ in range(steps):
        x = code.langevin_correct(x, score(x, t), 0.16, torch.randn(x.shape, dtype=x.dtype, generator=generator))
    return x


def estimates(code: ModuleType, probes: Tensor) -> Tensor:
    """Hutchinson's estimate of the trace of MATRIX, 5, with each probe (n, 2)."""
    return code.hutchinson_divergence(lambda x: x @ MATRIX.T, torch.zeros_like(probes), probes)


def measured(code: ModuleType) -> dict[str, str]:
    before, after = (corrected(code, steps).std(dim=0).mean().item() for steps in (0, 100))
    return {"spread before the corrector": f"{before:.1f}", "spread after 100 steps of it": f"{after:.1f}"}
