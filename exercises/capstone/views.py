"""Three views of one model: the same network read as noise, as a score and as a velocity, each with a sampler of its own.

All three samplers follow the same paths, those of the probability-flow ODE, by another clock. From the same static they come
to the same pictures, as far as their steps are fine enough.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from exercises.capstone.system import Model, System
from exercises.toolkit import extract

CALLS = 200
"""Of the model, for each view."""


@dataclass(frozen=True)
class View:
    """One reading of the network.

    Attributes:
        name: what is read.
        sampler: with what it is followed.
        draw: `draw(system, model, static)` gives clean latents.
    """

    name: str
    sampler: str
    draw: Callable[[System, Model, Tensor], Tensor]


def by_noise(system: System, model: Model, static: Tensor) -> Tensor:
    """As noise: DDIM."""
    return system.code.ddim_sample(model, static, system.alpha_bar, CALLS)


def by_score(system: System, model: Model, static: Tensor) -> Tensor:
    """As a score: Heun's method on the probability-flow ODE of the variance-preserving SDE."""
    sde = system.code.VPSDE()

    def score_model(x: Tensor, t: Tensor) -> Tensor:
        mean_coef, std = sde.marginal(t, x)
        level = nearest_level(system, (mean_coef.log() - std.log()).flatten())
        return system.code.score_from_eps(model(x, level), std)

    return system.code.ode_sample(sde, score_model, static, CALLS // 2)


def by_velocity(system: System, model: Model, static: Tensor) -> Tensor:
    """As a velocity: the midpoint method along a flow, whose x = t data + (1 - t) noise is the other's, scaled."""

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        rows = torch.arange(len(x), device=x.device)
        level = nearest_level(system, t.log() - (1 - t).log())
        scaled = x * extract((t**2 + (1 - t) ** 2).rsqrt(), rows, x)
        eps = model(scaled, level)
        return system.code.target_velocity(eps, system.code.to_x0(eps, scaled, level, system.alpha_bar, "eps"))

    return system.code.midpoint_sample(velocity, static, CALLS // 2)


VIEWS = (
    View("noise, ε", "DDIM", by_noise),
    View("score, ∇ log p", "Heun on the ODE", by_score),
    View("velocity, v", "midpoint on the flow", by_velocity),
)


def nearest_level(system: System, lam: Tensor) -> Tensor:
    """The level of the schedule whose λ is nearest to each of these; the network was taught on levels alone."""
    clock = system.code.half_log_snr(system.alpha_bar)
    return (clock[None] - lam.to(clock)[:, None]).abs().argmin(dim=1)
