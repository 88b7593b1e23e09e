"""What lesson 5 quotes, measured on the code it is given: the reference, or a learner's module.

Where it can be, the data is Gaussian or a few Gaussians, whose velocity is known; two moons are learned once. `exact(code)`
follows from formulas alone; `measured(code)` is of random samples and trainings. Both give each number as the lesson
writes it, by its meaning.
"""

import copy
import math
from collections.abc import Callable
from functools import cache
from types import ModuleType

import torch
from torch import Generator, Tensor, nn

from exercises.toolkit import two_moons, two_moons_log_density
from exercises.toolkit.flows import JumpNet, Velocity, VelocityNet, gaussian_flow, karras_levels, mixture_flow
from exercises.toolkit.training import training
from exercises.toolkit.worlds import Mixture

CLOUDS = Mixture(
    torch.tensor([[-1.3, -0.7], [1.3, -0.7], [0.0, 1.3]], dtype=torch.float64),
    torch.tensor([0.03, 0.08, 0.15], dtype=torch.float64),
    torch.tensor([0.3, 0.4, 0.3], dtype=torch.float64),
)
"""Data of the plane whose density is known, blurred by any noise."""
TWO = Mixture(
    torch.tensor([[-1.0], [1.0]], dtype=torch.float64),
    torch.tensor([0.04, 0.04], dtype=torch.float64),
    torch.tensor([0.5, 0.5], dtype=torch.float64),
)
"""Data on a line: near -1 or near 1."""
NARROW = 0.5
"""The standard deviation of the Gaussian data on which errors are measured."""
SIGMA_MIN, SIGMA_MAX, LEVELS = 0.01, 20.0, 18
"""The levels of the trained consistency function, and how many."""
JUDGED = 4000
"""Samples that a trained flow is judged by."""


def rng(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def at(t: float, like: Tensor) -> Tensor:
    return torch.full((len(like),), t, dtype=like.dtype)


def static(count: int, dim: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(count, dim, dtype=dtype, generator=rng(seed))


# -------------------------------------------------------------------------------------------------- known velocities


def quantile_map(x: Tensor, sigma: float, to: float, world: Mixture = TWO) -> Tensor:
    """Where the ODE dx/dσ = (x - D) / σ carries points of a line: paths keep their order, so shares below stay equal."""
    grid = torch.linspace(-8, 8, 20_001, dtype=torch.float64) * (1 + max(sigma, to))

    def below(at: Tensor, level: float) -> Tensor:
        spread = (world.variances + level**2).sqrt()
        return (world.weights * torch.special.ndtr((at[:, None] - world.centres.flatten()) / spread)).sum(1)

    shares = below(grid, to)
    place = torch.searchsorted(shares, below(x.flatten().double(), sigma)).clamp(1, len(grid) - 1)
    low, high = shares[place - 1], shares[place]
    part = (below(x.flatten().double(), sigma) - low) / (high - low).clamp(min=1e-300)
    return (grid[place - 1] + part * (grid[place] - grid[place - 1])).reshape(x.shape)


def path_of(code: ModuleType, velocity: Velocity, noise: Tensor, steps: int) -> Tensor:
    """The places (steps + 1, B, *S) that euler_sample visits on its way."""
    seen: list[Tensor] = []

    def spy(x: Tensor, t: Tensor) -> Tensor:
        seen.append(x)
        return velocity(x, t)

    end = code.euler_sample(spy, noise, steps)
    return torch.stack([*seen, end])


def reflowed(code: ModuleType, velocity: Velocity) -> Velocity:
    """The exact velocity after one reflow on a line: the straight lines from z to its end keep their order, so one is at x."""
    ends = torch.linspace(-6, 6, 4001, dtype=torch.float64)[:, None]
    noise, data = code.reflow_pairs(velocity, ends, 400)

    def straight(x: Tensor, t: Tensor) -> Tensor:
        places = ((1 - t) * noise + t * data).T.contiguous()  # (B, 4001), rising along a row
        index = torch.searchsorted(places, x).clamp(1, len(noise) - 1)
        low, high = places.gather(1, index - 1), places.gather(1, index)
        part = (x - low) / (high - low)
        rates = (data - noise).flatten()
        return (1 - part) * rates[index - 1] + part * rates[index]

    return straight


# -------------------------------------------------------------------------------------------------------- exact numbers


def scales(code: ModuleType, steps: tuple[int, ...], velocity: Velocity | None = None) -> list[float]:
    """What Euler's method makes of 1, in so many steps: the standard deviation of its samples where data has NARROW."""
    one = torch.ones(1, 1, dtype=torch.float64)
    return [code.euler_sample(velocity or gaussian_flow(NARROW), one, count).item() for count in steps]


@cache
def errors(code: ModuleType, steps: int) -> tuple[float, float]:
    """How far Euler's method and the midpoint method end from the flow to `CLOUDS`: root mean square over 500 starts."""
    noise, velocity = static(500, 2), mixture_flow(CLOUDS)
    want = arrived(code)
    found = (sampler(velocity, noise, steps) for sampler in (code.euler_sample, code.midpoint_sample))
    return tuple((end - want).square().sum(1).mean().sqrt().item() for end in found)


@cache
def arrived(code: ModuleType) -> Tensor:
    """Where the flow to `CLOUDS` carries those starts, by 2000 steps of the midpoint method."""
    return code.midpoint_sample(mixture_flow(CLOUDS), static(500, 2), 2000)


def floor(t: Tensor, deviation: float = NARROW) -> Tensor:
    """The loss of the exact velocity at time t, Gaussian ends: the variance of data - noise that x_t leaves open."""
    return deviation**2 / (t**2 * deviation**2 + (1 - t) ** 2)


def exact_straightness(code: ModuleType, deviation: float, steps: int = 20_000) -> float:
    """In one dimension, averaged over the static: paths of a linear flow scale with where they begin, S with its square."""
    return code.straightness(gaussian_flow(deviation), torch.ones(1, 1, dtype=torch.float64), steps).item()


def shrunk(code: ModuleType, sigmas: tuple[float, ...], count: int = 1_000_000) -> float:
    """The deviation that jumps end with, data N(0, NARROW²), where f is right below σ = 1 and halves all above."""

    def f(x: Tensor, sigma: Tensor) -> Tensor:
        right = ((NARROW**2 + 0.002**2) / (NARROW**2 + sigma.square())).sqrt()
        return (right * torch.where(sigma > 1, 0.5, 1.0))[:, None] * x

    return code.consistency_sample(f, sigmas[0] * static(count, 1), sigmas, generator=rng(1)).std().item()


def low_sides(code: ModuleType, start: float, sigma_hi: float, sigma_lo: float) -> float:
    """Where the teacher's step of consistency_distillation_loss goes from `start`, data N(0, NARROW²): read by a spy."""
    seen: list[Tensor] = []

    def spy(x: Tensor, c_noise: Tensor) -> Tensor:
        seen.append(x)
        return torch.zeros_like(x)

    def denoiser(x: Tensor, sigma: Tensor) -> Tensor:
        return x * (NARROW**2 / (NARROW**2 + sigma.square()))[:, None]

    hi, lo = (torch.tensor([level], dtype=torch.float64) for level in (sigma_hi, sigma_lo))
    data = torch.full((1, 1), start, dtype=torch.float64)
    code.consistency_distillation_loss(nothing, spy, denoiser, data, torch.zeros_like(data), lo, hi)
    return (seen[0] * (lo**2 + 0.5**2).sqrt()).item()  # the spy sees c_in x


def nothing(x: Tensor, c_noise: Tensor) -> Tensor:
    return torch.zeros_like(x)


def exact(code: ModuleType) -> dict[str, str]:
    half, one = torch.tensor([0.5], dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    times = (torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000
    x_t, _ = code.gaussian_path(one, 0 * one, half, 0.1)
    sigma = torch.tensor([1.0, 0.002, 0.5], dtype=torch.float64)
    c_skip, c_out = code.consistency_coefficients(sigma)
    spread = NARROW**2 + torch.tensor([1.0, 0.9], dtype=torch.float64).square()
    shift = [code.shift_times(half, count).item() for count in (1.0, 3.0, 6.0)]
    return {
        "deviation of the mixture half-way": f"{math.hypot(code.interpolate(one, 0 * one, half), code.interpolate(0 * one, one, half)):.3f}",
        "gaussian_path: deviation half-way for σ_min = 0.1": f"{x_t.item():.2f}",
        "floor of the loss, all times": f"{floor(times).mean().item():.3f}",
        "loss of a model that says 0": f"{1 + NARROW**2:.2f}",
        "largest floor of the loss": f"{floor(times).max().item():.2f}",
        "at the time": f"{times[floor(times).argmax()].item():.1f}",
        **{
            f"deviation by {n} steps of Euler": f"{s:.3f}"
            for n, s in zip((2, 4, 64), scales(code, (2, 4, 64)), strict=True)
        },
        **{f"Euler's error in {n} steps": f"{errors(code, n)[0]:.4f}" for n in (20, 40)},
        **{f"midpoint's error in {n} steps": f"{errors(code, n)[1]:.4f}" for n in (20, 40)},
        "share of logit-normal times in the middle half": f"{math.erf(math.log(3) / 2**0.5):.3f}",
        "shift 3 of 1/2": f"{shift[1]:.2f}",
        "shift 6 of 1/2": f"{shift[2]:.3f}",
        "shift 3, twice, of 1/2": f"{code.shift_times(code.shift_times(half, 3.0), 3.0).item():.1f}",
        "error of the score per error of the velocity, t = 0.9": f"{abs(code.velocity_to_score(one, 0 * one, torch.tensor([0.9]).double()).item()):.0f}",
        "straightness of Gaussian ends": f"{exact_straightness(code, NARROW):.3f}",
        "straightness of static to static": f"{exact_straightness(code, 1.0):.3f}",
        "static to static, half-way": f"{path_of(code, gaussian_flow(1.0), one, 2000)[1000].item():.3f}",
        "c_skip at 1": f"{c_skip[0].item():.3f}",
        "c_out at 1": f"{c_out[0].item():.3f}",
        "c_skip at 0.002 without the shift": f"{0.25 / (0.002**2 + 0.25):.6f}",
        "c_out at 0.002 without the shift": f"{0.5 * 0.002 / math.hypot(0.002, 0.5):.3f}",
        "the ODE from σ = 1 to 0.9, per x": f"{(spread[1] / spread[0]).sqrt().item():.4f}",
        "the same noise, on average": f"{((NARROW**2 + 0.9) / spread[0]).item():.4f}",
        "fresh noise, on average": f"{(NARROW**2 / spread[0]).item():.1f}",
        "Heun from σ = 1 to 0.5, x = 1": f"{low_sides(code, 1.0, 1.0, 0.5):.4f}",
        "the ODE there": f"{(0.5 / (NARROW**2 + 1)) ** 0.5:.4f}",
        "Euler there": f"{1 - 0.5 / (NARROW**2 + 1):.4f}",
    }


# ---------------------------------------------------------------------------------------------------- trained on moons


def flow_denoiser(code: ModuleType, velocity: nn.Module) -> Velocity:
    """The flow as a teacher: D(x, σ), by `velocity_to_data` at the time and place where x = data + σ noise lies on it."""

    def denoiser(x: Tensor, sigma: Tensor) -> Tensor:
        t = 1 / (1 + sigma)
        x_t = t[:, None] * x
        return code.velocity_to_data(velocity(x_t, t), x_t, t)

    return denoiser


def learn(code: ModuleType, pairs: Callable[[Generator], tuple[Tensor, Tensor]], model: nn.Module, steps: int):
    """Train the model in place with `cfm_loss` on pairs of noise and data; gives the losses."""

    def loss_of(generator: Generator) -> Tensor:
        noise, data = pairs(generator)
        return code.cfm_loss(model, noise, data, torch.rand(len(data), generator=generator))

    return [loss for _, loss in training(model, loss_of, steps, generator=rng(1), lr=5e-3)]


def drawn(source: Tensor, count: int, generator: Generator) -> Tensor:
    """So many rows of the source."""
    return source[torch.randint(len(source), (count,), generator=generator)]


@cache
def trained(code: ModuleType) -> tuple[nn.Module, nn.Module, list[float], list[float]]:
    """A flow to two moons, the flow after one reflow, and the losses of both trainings."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        first, data = VelocityNet(), two_moons(8000, rng())

    def independent(generator: Generator) -> tuple[Tensor, Tensor]:
        batch = drawn(data, 512, generator)
        return torch.randn(batch.shape, generator=generator), batch

    losses = learn(code, independent, first, 2000)
    ends = torch.stack(code.reflow_pairs(first, static(20_000, 2, 3, torch.float32), 50), dim=1)
    second = copy.deepcopy(first)
    after = learn(code, lambda generator: drawn(ends, 512, generator).unbind(1), second, 2000)
    return first, second, losses, after


@cache
def distilled(code: ModuleType, steps: int = 2000) -> nn.Module:
    """A consistency network that the flow has taught: `consistency_distillation_loss`, beginning at the flow itself."""
    first, data, generator = trained(code)[0], two_moons(8000, rng()), rng(2)
    network, levels = JumpNet(copy.deepcopy(first)), karras_levels(LEVELS, SIGMA_MIN, SIGMA_MAX)
    slow, teacher = copy.deepcopy(network), flow_denoiser(code, first)

    def loss_of(generator: Generator) -> Tensor:
        batch, k = drawn(data, 512, generator), torch.randint(LEVELS - 1, (512,), generator=generator)
        noise = torch.randn(batch.shape, generator=generator)
        return code.consistency_distillation_loss(
            network, slow, teacher, batch, noise, levels[k], levels[k + 1], 1.0, SIGMA_MIN
        )

    for _ in training(network, loss_of, steps, generator=generator, lr=3e-3):
        with torch.no_grad():
            for kept, new in zip(slow.parameters(), network.parameters(), strict=True):
                kept.lerp_(new, 0.1)
    return network


def jump(code: ModuleType) -> Velocity:
    """The consistency function of that network."""
    network = distilled(code)
    return lambda x, sigma: code.consistency_function(network, x, sigma, 1.0, SIGMA_MIN)


def off(points: Tensor) -> float:
    """The share of points where moons are hardly ever: log density below -3."""
    return (two_moons_log_density(points.double()) < -3).double().mean().item()


def crookedness(code: ModuleType, batch: int, paired: bool, steps: int = 600) -> float:
    """Straightness of a flow to two moons that was trained a little, with the batch paired by optimal transport or not."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, data = VelocityNet(), two_moons(8000, rng())

    def pairs(generator: Generator) -> tuple[Tensor, Tensor]:
        chosen = drawn(data, batch, generator)
        noise = torch.randn(chosen.shape, generator=generator)
        return noise, code.ot_pairing(noise, chosen) if paired else chosen

    learn(code, pairs, model, steps)
    return code.straightness(model, static(JUDGED, 2, 5, torch.float32), 50).item()


def paired_distance(code: ModuleType, batch: int, rounds: int) -> float:
    """Mean squared distance of partners, static and moons paired by optimal transport in batches."""
    generator = rng(4)
    found = []
    for _ in range(rounds):
        noise, data = torch.randn(batch, 2, generator=generator), two_moons(batch, generator)
        found.append((code.ot_pairing(noise, data) - noise).square().sum(1).mean())
    return torch.stack(found).mean().item()


def measured(code: ModuleType) -> dict[str, str]:
    first, second, losses, after = trained(code)
    noise, f = static(JUDGED, 2, 5, torch.float32), jump(code)
    levels = {"one": (SIGMA_MAX,), "two": (SIGMA_MAX, 1.0)}
    times = code.logit_normal_times(1_000_000, generator=rng())
    return {
        "moons: loss of the flow at the end": f"{sum(losses[-200:]) / 200:.2f}",
        "moons: loss on reflow's pairs at the end": f"{sum(after[-200:]) / 200:.4f}",
        "moons: straightness of the flow": f"{code.straightness(first, noise, 50).item():.2f}",
        "moons: straightness after reflow": f"{code.straightness(second, noise, 50).item():.4f}",
        "moons: off, data": f"{off(two_moons(100_000, rng(7))):.3f}",
        "moons: off, 50 steps of the flow": f"{off(code.euler_sample(first, noise, 50)):.2f}",
        "moons: off, one step of the flow": f"{off(code.euler_sample(first, noise, 1)):.2f}",
        "moons: off, one step after reflow": f"{off(code.euler_sample(second, noise, 1)):.2f}",
        **{
            f"moons: off, {name} jump": f"{off(code.consistency_sample(f, SIGMA_MAX * noise, sigmas, SIGMA_MIN, rng(8))):.2f}"
            for name, sigmas in levels.items()
        },
        "squared distance, independent": f"{(static(200_000, 2, 1, torch.float32) - two_moons(200_000, rng())).square().sum(1).mean().item():.1f}",
        **{f"squared distance, batches of {n}": f"{paired_distance(code, n, 8192 // n):.1f}" for n in (8, 64, 512)},
        "S, 600 steps, independent": f"{crookedness(code, 256, False):.2f}",
        **{f"S, 600 steps, batches of {n}": f"{crookedness(code, n, True):.2f}" for n in (16, 256)},
        "logit-normal times in the middle half": f"{((times > 0.25) & (times < 0.75)).double().mean().item():.2f}",
        "one jump of the bad f": f"{shrunk(code, (80.0,)):.2f}",
        "two jumps of it": f"{shrunk(code, (80.0, 0.5)):.2f}",
        "three jumps of it": f"{shrunk(code, (80.0, 0.5, 0.5)):.2f}",
    }
