"""What lesson 4 quotes, measured on the code it is given: the reference, or a learner's module.

`exact(code)` follows from formulas alone; `measured(code)` is of random samples and of a training of a minute, and its last
digit may differ between machines. Both give each number as the lesson writes it, by its meaning.
"""

import math
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from itertools import pairwise
from types import ModuleType

import torch
from torch import Generator, Tensor, nn

from exercises.toolkit import beaded_moons, extract, sliced_wasserstein
from exercises.toolkit.plane import AtLevels, PlaneNet, learn
from exercises.toolkit.worlds import Gaussian, Mixture

T = 1000
ALPHA_BAR = torch.cumprod(1 - torch.linspace(1e-4, 0.02, T, dtype=torch.float64), dim=0)
"""DDPM's schedule."""
STABLE = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, T, dtype=torch.float64) ** 2, dim=0)
"""That of Stable Diffusion, which leaves more of the signal at the end."""
MOONS = beaded_moons()
"""Two moons whose score and density are known at all levels."""
OFF = -4.0
"""Where the log density is below this a sample is off the data: 1 % of fresh data is."""
TWO = Mixture(
    torch.tensor([[-1.0], [1.0]], dtype=torch.float64),
    torch.tensor([0.04, 0.04], dtype=torch.float64),
    torch.tensor([0.5, 0.5], dtype=torch.float64),
)
"""Data on a line: near -1 or near 1."""
NARROW = Gaussian(0.0, 0.25)
"""Data on which each step is a factor, so that errors are known exactly."""
COUNTS = (5, 10, 20, 50)
POINTS = 4000


def rng(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def static(count: int = POINTS, seed: int = 1) -> Tensor:
    return torch.randn(count, 2, generator=rng(seed))


def moons_eps(x: Tensor, t: Tensor) -> Tensor:
    """The exact model of `MOONS`."""
    return MOONS.eps(x, t, ALPHA_BAR)


def narrow_eps(x: Tensor, t: Tensor) -> Tensor:
    """The exact model of `NARROW`."""
    return NARROW.eps(x, t, ALPHA_BAR)


def one() -> Tensor:
    return torch.ones(1, 1, dtype=torch.float64)


# ------------------------------------------------------------------------------------------- a normal is scaled, no more


def narrow_variance(alpha_bar: float) -> float:
    """The variance of `NARROW`'s data at a level."""
    return alpha_bar * NARROW.variance + 1 - alpha_bar


def kept(run: Callable[[Tensor], Tensor]) -> float:
    """The factor by which a deterministic sampler on `NARROW` scales whatever it starts with."""
    return run(one()).item()


def solver_error(code: ModuleType, name: str, calls: int) -> float:
    """By how much the spread that a sampler makes of static is off, as a share of what the exact ODE makes of it."""
    if name == "dpm_solver2":  # it cannot go to clean data, λ = ∞, and is judged at level 0
        ends = code.half_log_snr(ALPHA_BAR)[[-1, 0]].tolist()
        made = kept(lambda x: solver2_chain(code, x, ends, calls // 2))
        want = (narrow_variance(ALPHA_BAR[0].item()) / narrow_variance(ALPHA_BAR[-1].item())) ** 0.5
    else:
        made = kept(lambda x: getattr(code, f"{name}_sample")(narrow_eps, x, ALPHA_BAR, calls))
        want = (NARROW.variance / narrow_variance(ALPHA_BAR[-1].item())) ** 0.5
    return abs(made / want - 1)


def solver2_chain(
    code: ModuleType, x: Tensor, ends: list[float], steps: int, world: Gaussian | Mixture = NARROW
) -> Tensor:
    """DPM-Solver-2 from λ = ends[0] to ends[1] in equal steps of λ."""

    def eps_fn(x: Tensor, lam: float | Tensor) -> Tensor:
        level = torch.sigmoid(2 * torch.as_tensor(lam, dtype=torch.float64)).expand(len(x))
        return world.eps(x, torch.arange(len(x)), level)

    grid = torch.linspace(*ends, steps + 1, dtype=torch.float64).tolist()
    for lam_s, lam_t in pairwise(grid):
        x = code.dpm_solver2_step(eps_fn, x, lam_s, lam_t)
    return x


PIXELS, BRIGHTNESS = 64 * 64, 0.3
"""Pictures whose brightness, the mean of their pixels, has this standard deviation."""


def brightness_kept(start: int) -> float:
    """The spread of the brightness that samples get, as a share of the data's, if static is taken for level `start`.

    Brightness times √PIXELS is one coordinate, of variance PIXELS BRIGHTNESS² in the data. The exact flow from that level
    on scales it as if it began with the level's variance, while that of static is 1. Stable Diffusion's schedule.
    """
    a = STABLE[start].item()
    return (a * PIXELS * BRIGHTNESS**2 + 1 - a) ** -0.5


def z_of(x: Tensor, lam: float) -> tuple[float, float]:
    """A point where paths of constant ε are straight: (σ/α, x/α) of its level."""
    return math.exp(-lam), x.item() / torch.sigmoid(torch.tensor(2 * lam, dtype=torch.float64)).sqrt().item()


def two_eps(x: Tensor, t: Tensor) -> Tensor:
    """The exact model of `TWO`."""
    return TWO.eps(x, t, ALPHA_BAR)


def rms_errors(code: ModuleType, name: str, counts: tuple[int, ...]) -> list[float]:
    """How far a sampler ends from where the exact flow of `TWO` ends: root mean square over 500 even shares of static."""
    x = torch.distributions.Normal(0, 1).icdf((torch.arange(500, dtype=torch.float64) + 0.5) / 500)[:, None]
    want = clean(solver2_chain(code, x, code.half_log_snr(ALPHA_BAR)[[-1, 0]].tolist(), 2000, TWO))
    found = []
    for calls in counts:
        if name == "dpm_solver2":
            made = clean(solver2_chain(code, x, code.half_log_snr(ALPHA_BAR)[[-1, 0]].tolist(), calls // 2, TWO))
        else:
            made = getattr(code, f"{name}_sample")(two_eps, x, ALPHA_BAR, calls)
        found.append((made - want).square().mean().sqrt().item())
    return found


def clean(x: Tensor) -> Tensor:
    """From level 0 of `TWO` to the data."""
    return TWO.x0(x, torch.zeros(len(x), dtype=torch.int64), ALPHA_BAR)


def end_variance(code: ModuleType, n: int, eta: float) -> float:
    """The variance that n DDIM steps of this eta make of static on `NARROW`: each step scales and adds noise."""
    levels, variance, nothing = [*code.timesteps(T, n).tolist(), -1], 1.0, 0 * one()
    for t, t_prev in pairwise(levels):
        eps = narrow_eps(one(), torch.tensor([t]))
        scale = code.ddim_step(one(), eps, t, t_prev, ALPHA_BAR, eta, nothing).item()
        fresh = code.ddim_step(nothing, nothing, t, t_prev, ALPHA_BAR, eta, one()).item() if eta else 0.0
        variance = scale**2 * variance + fresh**2
    return variance


def round_trip(code: ModuleType, n: int, down: int | None = None) -> float:
    """By how much data of `NARROW` shrinks or grows on its way to static and back, in n calls and as many or `down`."""
    there = kept(lambda x: code.ddim_invert(narrow_eps, x, ALPHA_BAR, n))
    return abs(there * kept(lambda x: code.ddim_sample(narrow_eps, x, ALPHA_BAR, down or n)) - 1)


def inverted_error(code: ModuleType, n: int) -> float:
    """`solver_error` of DPM-Solver++(2M) with the ratio of the two steps upside down, as if 1/r were r.

    The step is told that the one before began where the ratio comes out inverted.
    """
    lam = [*code.half_log_snr(ALPHA_BAR).tolist(), math.inf]
    levels, x, x0_prev, lam_prev = code.timesteps(T, n).tolist(), one(), None, None
    for t, t_next in zip(levels, [*levels[1:], -1], strict=True):
        a = ALPHA_BAR[t]
        x0 = (x - (1 - a).sqrt() * narrow_eps(x, torch.tensor([t]))) / a.sqrt()
        told = None if lam_prev is None else lam[t] - (lam[t_next] - lam[t]) ** 2 / (lam[t] - lam_prev)
        x = code.dpmpp_2m_step(x, x0, x0_prev, told, lam[t], lam[t_next])
        x0_prev, lam_prev = x0, lam[t]
    return abs(x.item() / (NARROW.variance / narrow_variance(ALPHA_BAR[-1].item())) ** 0.5 - 1)


def edm_denoiser(x: Tensor, sigma: Tensor, world: Gaussian | Mixture = NARROW) -> Tensor:
    """E[data | x] of a world where noise is added and nothing shrinks."""
    level = 1 / (1 + sigma**2)
    scaled = x * extract(level.sqrt(), torch.arange(len(x)), x)
    return x - extract(sigma, torch.arange(len(x)), x) * world.eps(scaled, torch.arange(len(x)), level)


def edm_error(code: ModuleType, sigmas: Tensor, heun: bool = True) -> float:
    """`solver_error` of EDM's sampler down these levels, or of Euler's method."""
    sigmas, x = sigmas.double(), one()
    if heun:
        x = code.heun_sample(edm_denoiser, x, sigmas)
    else:
        for high, low in pairwise(sigmas.tolist()):
            x = x + (low - high) * (x - edm_denoiser(x, x.new_full((1,), high))) / high
    want = (NARROW.variance / (NARROW.variance + sigmas[0].item() ** 2)) ** 0.5
    return abs(x.item() / want - 1)


def steps_of_lambda(code: ModuleType, n: int) -> Tensor:
    """How long the steps between the n trailing levels are in λ."""
    return code.half_log_snr(ALPHA_BAR)[code.timesteps(T, n)].diff()


def exact(code: ModuleType) -> dict[str, str]:
    lam, strides = code.half_log_snr(ALPHA_BAR), steps_of_lambda(code, 10)
    sigmas = code.karras_sigmas(18).double()
    skip, out, *_ = code.edm_precondition(torch.tensor([0.002, 0.5, 80.0], dtype=torch.float64))
    target = code.distillation_target(narrow_eps, one(), 999, 749, 499, ALPHA_BAR).item()
    a = ALPHA_BAR[999].item()
    alone = (1 - (1 - a) ** 0.5 * narrow_eps(one(), torch.tensor([999])).item()) / a**0.5
    fresh = code.ddim_step(0 * one(), 0 * one(), 399, 199, ALPHA_BAR, 1.0, one()).item() ** 2
    half = code.ddim_step(0 * one(), 0 * one(), 399, 199, ALPHA_BAR, 0.5, one()).item() ** 2
    return {
        **{f"timesteps(1000, 8)[{i}]": str(t) for i, t in enumerate(code.timesteps(T, 8).tolist())},
        "√ᾱ[999], Stable Diffusion": f"{STABLE[999].sqrt():.3f}",
        "√ᾱ[875], Stable Diffusion": f"{STABLE[875].sqrt():.3f}",
        **{f"brightness kept from {t}": f"{brightness_kept(t):.2f}" for t in (999, 875)},
        "1-ᾱ[199]": f"{1 - ALPHA_BAR[199]:.3f}",
        "fresh variance, 399 to 199, eta = 1": f"{fresh:.3f}",
        "fresh variance, 399 to 199, eta = 0.5": f"{half:.3f}",
        **{f"spread by {n} steps": f"{end_variance(code, n, 0.0) ** 0.5:.3f}" for n in (1, 10, 20)},
        **{f"spread by {n} ancestral steps": f"{end_variance(code, n, 1.0) ** 0.5:.3f}" for n in (10, 20, 1000)},
        **{f"round trip of {n} steps": f"{round_trip(code, n):.3f}" for n in (20, 40)},
        "round trip of 20 steps and 1000": f"{round_trip(code, 20, 1000):.3f}",
        "λ[0]": f"{lam[0]:.2f}",
        "λ[999]": f"{lam[-1]:.2f}",
        "shortest of ten steps in λ": f"{strides.min():.2f}",
        "longest of ten steps in λ": f"{strides.max():.2f}",
        **{f"DDIM's error in {n} calls": f"{solver_error(code, 'ddim', n):.4f}" for n in (20, 40)},
        **{f"DPM-Solver-2's error in {n} calls": f"{solver_error(code, 'dpm_solver2', n):.4f}" for n in (20, 40)},
        **{f"2M's error in {n} calls": f"{solver_error(code, 'dpmpp_2m', n):.4f}" for n in (80, 160)},
        **{f"2M's error in {n} calls, r inverted": f"{inverted_error(code, n):.4f}" for n in (80, 160)},
        "EDM's levels above 1 of 18": f"{int((sigmas > 1).sum())}",
        "EDM's tenth level": f"{sigmas[9]:.2f}",
        "evenly spaced, the last but one level": f"{code.karras_sigmas(18, rho=1.0)[16]:.2f}",
        **{f"Heun's error down {n} levels": f"{edm_error(code, code.karras_sigmas(n)):.4f}" for n in (18, 36)},
        **{
            f"Euler's error down {n} levels": f"{edm_error(code, code.karras_sigmas(n), heun=False):.4f}"
            for n in (35, 71)
        },
        "Heun's error down 18 even levels": f"{edm_error(code, code.karras_sigmas(18, rho=1.0)):.2f}",
        "c_skip at 0.5": f"{skip[1]:.1f}",
        "c_out at 0.002": f"{out[0]:.3f}",
        "c_out at 80": f"{out[2]:.3f}",
        "of F's target at 80, times x0": f"{(1 - skip[2]) / out[2]:.3f}",
        "of F's target at 80, times ε": f"{-skip[2] * 80 / out[2]:.3f}",
        "of F's target at 0.002, times x0": f"{(1 - skip[0]) / out[0]:.3f}",
        "of F's target at 0.002, times ε": f"{-skip[0] * 0.002 / out[0]:.3f}",
        "target of two steps": f"{target:.3f}",
        "what the teacher says itself": f"{alone:.3f}",
    }


# --------------------------------------------------------------------------------------------------- moons, and a student


def quality(x: Tensor, seed: int = 10) -> tuple[float, float]:
    """Sliced W2 of samples to fresh moons, and the share of them that is off the data."""
    fresh = MOONS.sample(len(x), rng(seed)).to(x)
    return sliced_wasserstein(x, fresh, generator=rng(seed + 1)), off(x).double().mean().item()


def off(x: Tensor) -> Tensor:
    """Which samples are off the moons."""
    return MOONS.log_density(x.double(), torch.zeros(len(x), dtype=torch.int64), torch.ones(1).double()) < OFF


@cache
def teacher() -> AtLevels:
    """A network that has learned the moons, in half a minute."""
    torch.manual_seed(0)
    net = PlaneNet()
    learn(net, MOONS.sample(20_000, rng(1)).float(), 3000, generator=rng(2))
    return AtLevels(net, ALPHA_BAR)


ROUNDS = (32, 16, 8, 4, 2)
"""From how many steps each round of distillation halves."""


@cache
def students(code: ModuleType) -> dict[int, nn.Module]:
    """The teacher at 32 steps and its students, by the number of steps that they take."""
    data, found = MOONS.sample(20_000, rng(3)).float(), {32: teacher()}
    for n in ROUNDS:
        student = deepcopy(found[n])
        for lr in (1e-3, 2e-4):
            code.distill(found[n], student, data, ALPHA_BAR, n, 600, 512, lr, rng(4))
        found[n // 2] = student.eval()
    return found


@cache
def drawn(code: ModuleType, sampler: str, n: int, exact_model: bool = True) -> Tensor:
    """Samples from `static()` in n calls, by "ddim", "ancestral", "2m" or "student"."""
    if sampler == "student":
        return code.ddim_sample(students(code)[n], static(), ALPHA_BAR, n)
    model = moons_eps if exact_model else teacher()
    if sampler == "2m":
        return code.dpmpp_2m_sample(model, static(), ALPHA_BAR, n)
    eta = 1.0 if sampler == "ancestral" else 0.0
    return code.ddim_sample(model, static(), ALPHA_BAR, n, eta, rng(2) if eta else None)


def measured(code: ModuleType) -> dict[str, str]:
    clouds = {f"{name}, {n} calls": drawn(code, name, n) for name in ("ddim", "ancestral", "2m") for n in (10, 20)}
    clouds |= {"ancestral, 1000 calls": drawn(code, "ancestral", 1000)}
    clouds |= {f"the student, {n} steps": drawn(code, "student", n) for n in (4, 1)}
    clouds |= {f"the teacher, {n} steps": drawn(code, "ddim", n, False) for n in (32, 4)}
    shares = {name: quality(x)[1] for name, x in clouds.items()}
    return {f"off the data, {name}": f"{share:.{0 if share > 0.1 else 1}%}" for name, share in shares.items()}
