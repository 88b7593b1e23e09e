"""Every sampler of the course, as a line of the dial: what it needs, and how it is run for a number of calls."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from exercises.dial.taught import SIGMA_MAX, SIGMA_MIN, Models
from exercises.dial.views import ALPHA_BAR, CLOCK, T, rng

DOUBLINGS = (1, 2, 4, 8, 16, 32, 64, 128)
EVEN = DOUBLINGS[1:]
LONG = (*DOUBLINGS, T)
STOPS = {1: [SIGMA_MAX], 2: [SIGMA_MAX, 0.6], 4: [SIGMA_MAX, 2.0, 0.6, 0.2]}
"""The levels of consistency sampling, by the number of calls."""


@dataclass(frozen=True)
class Sampler:
    """One line of the dial.

    Attributes:
        name: what it is called.
        section: the number of its section, or of those either of which will do.
        needs: the learner's functions that it calls; one of each tuple is enough.
        counts: how many calls of the model to try.
        draw: samples in n calls, or as many as it can below: `draw(code, model, static, n)`.
        taught: which of `Models` it asks, if it has networks of its own; then it is not tried on the exact score.
    """

    name: str
    section: str
    needs: tuple[tuple[str, ...], ...]
    counts: tuple[int, ...]
    draw: Callable[[Any, Models, Tensor, int], Tensor]
    taught: str = ""


def thinned(n: int) -> Tensor:
    """The ᾱ, ascending in noise, of a chain of n of the levels."""
    levels = torch.tensor([round(T - i * T / n) - 1 for i in reversed(range(n))])
    return ALPHA_BAR[levels]


def ancestral(code: Any, models: Models, static: Tensor, n: int) -> Tensor:
    alpha_bar = thinned(n)
    betas = 1 - alpha_bar / torch.cat([torch.ones(1, dtype=alpha_bar.dtype), alpha_bar[:-1]])
    sampler = getattr(code, "sample", None) or code.ancestral_sample
    return sampler(models.seen.at_levels(alpha_bar), static, betas, generator=rng(5))


def euler_maruyama(code: Any, models: Models, static: Tensor, n: int) -> Tensor:
    sde = code.VPSDE()
    return code.euler_maruyama(sde, models.seen.score(sde), static, n, generator=rng(5))


def ode_heun(code: Any, models: Models, static: Tensor, n: int) -> Tensor:
    sde = code.VPSDE()
    return code.ode_sample(sde, models.seen.score(sde), static, n // 2)


def ddim(code: Any, models: Models, static: Tensor, n: int) -> Tensor:
    return code.ddim_sample(models.seen.at_levels(ALPHA_BAR), static, ALPHA_BAR, n)


def dpm_solver2(code: Any, models: Models, static: Tensor, n: int) -> Tensor:
    """From the noisiest level to the cleanest, in equal steps of λ."""
    x, grid = static, torch.linspace(CLOCK[-1].item(), CLOCK[0].item(), n // 2 + 1, dtype=torch.float64).tolist()
    for lam_s, lam_t in pairwise(grid):
        x = code.dpm_solver2_step(models.seen.on_clock, x, lam_s, lam_t)
    return x


def dpmpp_2m(code: Any, models: Models, static: Tensor, n: int) -> Tensor:
    return code.dpmpp_2m_sample(models.seen.at_levels(ALPHA_BAR), static, ALPHA_BAR, n)


def edm_heun(code: Any, models: Models, static: Tensor, n: int) -> Tensor:
    sigmas = code.karras_sigmas((n + 1) // 2)
    return code.heun_sample(models.seen.denoiser, float(sigmas[0]) * static, sigmas)


def flow_euler(code: Any, models: Models, static: Tensor, n: int) -> Tensor:
    return code.euler_sample(models.seen.velocity, static, n)


def flow_midpoint(code: Any, models: Models, static: Tensor, n: int) -> Tensor:
    return code.midpoint_sample(models.seen.velocity, static, n // 2)


def distilled(code: Any, models: Models, static: Tensor, n: int) -> Tensor:
    return code.ddim_sample(models.counted(models.students[n]), static, ALPHA_BAR, n)


def reflowed(code: Any, models: Models, static: Tensor, n: int) -> Tensor:
    return code.euler_sample(models.counted(models.straightened), static, n)


def consistency(code: Any, models: Models, static: Tensor, n: int) -> Tensor:
    def jump(x: Tensor, sigma: Tensor) -> Tensor:
        return code.consistency_function(models.jumper, x, sigma, 1.0, SIGMA_MIN)

    sigmas = torch.tensor(STOPS[n])
    x = SIGMA_MAX * static
    return code.consistency_sample(models.counted(jump), x, sigmas, SIGMA_MIN, generator=rng(5)).detach()


SAMPLERS = (
    Sampler("ancestral", "1, 2", (("sample", "ancestral_sample"),), LONG, ancestral),
    Sampler("Euler-Maruyama", "3", (("VPSDE",), ("euler_maruyama",)), LONG, euler_maruyama),
    Sampler("ODE, Heun", "3", (("VPSDE",), ("ode_sample",)), EVEN, ode_heun),
    Sampler("DDIM", "4", (("ddim_sample",),), DOUBLINGS, ddim),
    Sampler("DPM-Solver-2", "4", (("dpm_solver2_step",),), EVEN, dpm_solver2),
    Sampler("DPM-Solver++(2M)", "4", (("dpmpp_2m_sample",),), DOUBLINGS, dpmpp_2m),
    Sampler("EDM, Heun", "4", (("karras_sigmas",), ("heun_sample",)), DOUBLINGS[2:], edm_heun),
    Sampler("flow, Euler", "5", (("euler_sample",),), DOUBLINGS, flow_euler),
    Sampler("flow, midpoint", "5", (("midpoint_sample",),), EVEN, flow_midpoint),
    Sampler("distilled", "4", (("ddim_sample",), ("distill",)), (1, 2, 4, 8, 16), distilled, taught="students"),
    Sampler(
        "reflowed",
        "5",
        (("euler_sample",), ("cfm_loss",), ("reflow_pairs",)),
        (1, 2, 4, 8, 16),
        reflowed,
        taught="straightened",
    ),
    Sampler(
        "consistency",
        "5",
        (("consistency_function",), ("consistency_distillation_loss",), ("consistency_sample",)),
        (1, 2, 4),
        consistency,
        taught="jumper",
    ),
)
