"""What lesson 1 quotes, measured on the code it is given: the reference, or a learner's module.

`exact(code)` follows from formulas alone; `measured(code)` comes of a training of half a minute, and its last digit may
differ between machines. Both give each number as the lesson writes it, by its meaning.
"""

from collections.abc import Callable
from copy import deepcopy
from functools import cache
from types import ModuleType

import torch
from torch import Generator, Tensor, nn

from exercises.toolkit import sliced_wasserstein, two_moons

LONG = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
"""DDPM's schedule."""
UNSCALED = torch.linspace(1e-4, 0.02, 100, dtype=torch.float64)
"""DDPM's schedule on a tenth of the steps: too little noise."""
SHORT = 10 * UNSCALED
"""The schedule of the two moons: a tenth of the steps, each with ten times the variance."""
STAGES = (100, 1000, 10_000)
"""After how many steps the training is looked at."""

VARIANCE_RULES: dict[str, Callable[[float, float], float]] = {
    "√(1-β) x + √β ε": lambda v, beta: (1 - beta) * v + beta,
    "x + √β ε": lambda v, beta: v + beta,
    "(1-β) x + √β ε": lambda v, beta: (1 - beta) ** 2 * v + beta,
    "√(1-β) x + β ε": lambda v, beta: (1 - beta) * v + beta**2,
}
"""Rules for one step, the right one first, and what each does to the variance."""


def rng(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def levels(t: int, like: Tensor) -> Tensor:
    return torch.full((len(like),), t)


def variances(rule: Callable[[float, float], float]) -> list[float]:
    """The variance after 0, 1, ..., 1000 steps of DDPM's schedule, from data of variance 1."""
    v = [1.0]
    for beta in LONG.tolist():
        v.append(rule(v[-1], beta))
    return v


def posterior(code: ModuleType, betas: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The weights of x0 and of x_t in the posterior's mean, and its variance, at each level."""
    one, t = torch.ones(len(betas), 1, dtype=betas.dtype), torch.arange(len(betas))
    weight_x0, variance = code.q_posterior(one, 0 * one, t, betas)
    weight_x_t, _ = code.q_posterior(0 * one, one, t, betas)
    return weight_x0.flatten(), weight_x_t.flatten(), variance.flatten()


def bound_weights(code: ModuleType) -> Tensor:
    """What the bound multiplies each level's squared error of eps by, in DDPM's schedule; infinite at t = 0."""
    *_, variance = posterior(code, LONG)
    return LONG**2 / (2 * variance * (1 - LONG) * (1 - code.compute_alpha_bar(LONG)))


def best_variances(code: ModuleType, std: float) -> Tensor:
    """The variance of x_{t-1} given x_t for normal data: the posterior's, plus what is unknown about x0."""
    alpha_bar = code.compute_alpha_bar(LONG)
    weight_x0, _, variance = posterior(code, LONG)
    unknown = std**2 * (1 - alpha_bar) / (alpha_bar * std**2 + 1 - alpha_bar)
    return variance + weight_x0**2 * unknown


def end_variance(code: ModuleType, step_variances: Tensor) -> float:
    """The variance that T steps back end with on unit normal data, with its exact denoiser: ε = √(1-ᾱ) x."""
    alpha_bar, one, v = code.compute_alpha_bar(LONG), torch.ones(1, 1, dtype=LONG.dtype), 1.0
    for t in reversed(range(len(LONG))):
        shrink = code.reverse_step(one, torch.tensor([t]), (1 - alpha_bar[t]).sqrt() * one, LONG, 0 * one)
        v = shrink.item() ** 2 * v + (step_variances[t].item() if t > 0 else 0)
    return v


def clueless_end(code: ModuleType) -> float:
    """The deviation of what static becomes in the steps of `SHORT` if the model always says 0."""
    one, zero, v = torch.ones(1, 1, dtype=SHORT.dtype), torch.zeros(1, 1, dtype=SHORT.dtype), 1.0
    for t in reversed(range(len(SHORT))):
        level = torch.tensor([t])
        kept, added = (code.reverse_step(x, level, zero, SHORT, z).item() for x, z in ((one, zero), (zero, one)))
        v = kept**2 * v + added**2
    return v**0.5


def exact(code: ModuleType) -> dict[str, str]:
    alpha_bar = code.compute_alpha_bar(LONG)
    *_, variance = posterior(code, LONG)
    embedding, weight, error = code.timestep_embedding(torch.arange(1000), 64), bound_weights(code), 1 / alpha_bar - 1
    short, unscaled = code.compute_alpha_bar(SHORT), code.compute_alpha_bar(UNSCALED)
    return {
        **{f"variance after 1000 steps of {name}": f"{variances(f)[-1]:.3g}" for name, f in VARIANCE_RULES.items()},
        **{f"ᾱ[{t}]": f"{alpha_bar[t]:.4g}" for t in (0, 499)},
        "√ᾱ[999]": f"{alpha_bar[999].sqrt():.4f}",
        "√ᾱ[99], T = 100, scaled": f"{short[-1].sqrt():.4f}",
        "√ᾱ[99], T = 100, unscaled": f"{unscaled[-1].sqrt():.3f}",
        "first t with more noise than signal": f"{int((alpha_bar > 0.5).sum())}",
        "√ᾱ[499]": f"{alpha_bar[499].sqrt():.3f}",
        "√(1-ᾱ[499])": f"{(1 - alpha_bar[499]).sqrt():.3f}",
        "√(1-β) at 499": f"{(1 - LONG[499]).sqrt():.3f}",
        "√β at 499": f"{LONG[499].sqrt():.3f}",
        "variance at 499 without roots": f"{alpha_bar[499] ** 2 + (1 - alpha_bar[499]) ** 2:.3f}",
        **{f"error of x0 per error of ε at {t}": f"{error[t].sqrt():.3g}" for t in (0, 100, 600, 999)},
        "growth of static in T = 100 steps if ε = 0": f"{1 / short[-1].sqrt():.0f}",
        "the same, with fresh noise": f"{clueless_end(code):.0f}",
        **{f"β̃/β at {t}": f"{variance[t] / LONG[t]:.3f}" for t in (1, 10, 100)},
        "likeness of neighbours, dim 64": f"{embedding[500] @ embedding[501] / 32:.3f}",
        **{f"bound's weight at {t}": f"{weight[t]:.2g}" for t in (1, 10, 500)},
        "end variance with β̃": f"{end_variance(code, variance):.4f}",
        "end variance with β": f"{end_variance(code, LONG):.4f}",
    }


@cache
def trained(code: ModuleType) -> tuple[dict[int, nn.Module], list[float]]:
    """The denoiser of the moons at each of `STAGES`, and the loss of each step."""
    torch.manual_seed(0)
    model, generator = code.TinyDenoiser(), rng()
    data, alpha_bar = two_moons(8000, rng(1)), code.compute_alpha_bar(SHORT).float()
    stages: dict[int, nn.Module] = {}
    losses: list[float] = []
    for stop in STAGES:
        steps = stop - len(losses)
        losses += code.train_denoiser(model, data, alpha_bar, steps, batch_size=512, generator=generator)
        stages[stop] = deepcopy(model)
    return stages, losses


def best_model(code: ModuleType) -> nn.Module:
    return trained(code)[0][STAGES[-1]]


def losses_by_level(code: ModuleType) -> Tensor:
    """The trained denoiser's loss at each level of `SHORT`, on 4000 new points."""
    model, x0 = best_model(code), two_moons(4000, rng(2))
    noise, alpha_bar = torch.randn(x0.shape, generator=rng(3)), code.compute_alpha_bar(SHORT).float()
    with torch.no_grad():
        return torch.stack([code.simple_loss(model, x0, levels(t, x0), noise, alpha_bar) for t in range(len(SHORT))])


def snapshots(code: ModuleType, model: nn.Module, n: int) -> list[Tensor]:
    """Where n samples are with 0, 1, ..., T steps left: what `sample` passes through, as its model sees it."""
    seen = []

    def spy(x: Tensor, t: Tensor) -> Tensor:
        seen.append(x)
        return model(x, t)

    end = code.sample(spy, torch.randn(n, 2, generator=rng(5)), SHORT.float(), rng(6))
    return [end, *reversed(seen)]


def measured(code: ModuleType) -> dict[str, str]:
    stages, losses = trained(code)
    by_level, real = losses_by_level(code), two_moons(4000, rng(7))
    clouds = {f"after {step} steps": snapshots(code, model, n=4000)[0] for step, model in stages.items()}
    clouds |= {"another draw of the data": two_moons(4000, rng(8)), "static": torch.randn(4000, 2, generator=rng(9))}
    return {
        **{f"loss at level {t}": f"{by_level[t]:.2f}" for t in (0, 50)},
        "mean of the loss over levels": f"{by_level.mean():.2f}",
        "loss, first step": f"{losses[0]:.2f}",
        "loss, steps 901 to 1000": f"{sum(losses[900:1000]) / 100:.2f}",
        "loss, last 100 steps": f"{sum(losses[-100:]) / 100:.2f}",
        **{
            f"distance of {name}": f"{sliced_wasserstein(x, real, generator=rng(10)):.2f}" for name, x in clouds.items()
        },
    }
