"""The checks of heun_sample."""

import math
from itertools import pairwise
from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from exercises.checks import cases, expect
from exercises.checks.callers import takes_any_model_in_half_precision
from exercises.checks.cases import numbers
from exercises.checks.rules import KEEP
from exercises.checks.s4_fast_sampling.formulas import order, stacked
from exercises.checks.s4_fast_sampling.inputs import BODIES, seeds, shapes
from exercises.checks.s4_fast_sampling.loops import left_as_it_was, sampled
from exercises.checks.s4_fast_sampling.models import column, timed, told
from exercises.checks.s4_fast_sampling.rules import SHOWN, SINGLE, close
from exercises.checks.spies import Spy

HEUN = "x + (σ' - σ) (d + d')/2, with d = (x - D(x, σ))/σ and d' the same at the end of the Euler step, with σ'"
CALLS = "two calls a step, with σ and with σ', and one on the step to 0: 2 (len(sigmas) - 1) - 1 in all"
LEVEL = "the denoiser is told σ in a tensor of shape (B,)"
UNEVEN = [9.0, 4.0, 2.5, 0.8, 0.3, 0.0]


def asked(sigmas: list[float]) -> list[float]:
    """The levels that the denoiser is told, in order."""
    found = []
    for sigma, after in pairwise(sigmas):
        found += [sigma, after] if after > 0 else [sigma]
    return found


def chain(model: Spy, x: Tensor, sigmas: list[float]) -> Tensor:
    """The states that the denoiser sees, and the sample."""
    x, states = x.double(), []

    def slope(x: Tensor, sigma: float) -> Tensor:
        states.append(x)
        with torch.no_grad():
            return (x - model(x, torch.full((len(x),), sigma, dtype=torch.float64))) / sigma

    for sigma, after in pairwise(sigmas):
        first = slope(x, sigma)
        ahead = x + (after - sigma) * first
        x = ahead if after == 0 else x + (after - sigma) * (first + slope(ahead, after)) / 2
    return stacked([*states, x])


def walked(code, model: Spy, x: Tensor, sigmas: Any) -> list[Tensor]:
    """What the denoiser was called with, and the result."""
    result = sampled(code.heun_sample(model, x, sigmas), x)
    found, want = told(model), asked([float(sigma) for sigma in sigmas])
    what = f"{len(want)} calls, at {want}"
    expect.holds(len(found) == len(want), CALLS, got=found, want=what, told=f"{len(found)} calls, at {found}")
    for seen in model.seen:
        expect.tensor(seen.x_t, SHOWN, shape=x.shape, dtype=x.dtype)
        expect.tensor(seen.t, LEVEL, shape=x.shape[:1])
        floating = seen.t.dtype in (torch.float32, torch.float64)
        expect.holds(floating, "σ is a float", got=str(seen.t.dtype), want="a floating dtype")
    near = all(
        isinstance(one, float) and abs(one - other) <= 1e-6 * other for one, other in zip(found, want, strict=True)
    )
    expect.holds(near, CALLS, got=found, want=what, told=f"{len(found)} calls, at {found}")
    return [*(seen.x_t for seen in model.seen), result]


def test_heun_sample_by_hand(code):
    """By hand: σ = 2, 1, 0 from x = 2, with D = x / (1 + σ²): 0.65."""
    x = numbers(2.0)[None]
    got = code.heun_sample(lambda x, sigma: x / (1 + column(sigma, x) ** 2), x, [2.0, 1.0, 0.0])
    why = "d = 0.8, an Euler step to 1.2, d' = 0.6, so 2 - 0.7 = 1.3; then Euler to 0: 1.3 - 0.65; " + HEUN
    close(got, 0.325 * x, why)


def test_heun_sample_calls_the_denoiser_twice_a_step_and_once_on_the_last(code, rng):
    """2 (len(sigmas) - 1) - 1 calls, at σ and σ' of each step, told as (B,)."""
    for sigmas in ([3.0, 0.0], [5.0, 1.0, 0.0], UNEVEN, [80.0, 1.0, 0.02, 0.002, 0.0]):
        walked(code, timed(), cases.normal((3, 2), rng), sigmas)


def test_heun_sample_averages_two_slopes(code, rng):
    """All that the denoiser sees on an uneven grid, and the sample."""
    x = 9 * cases.normal((3, 2), rng)
    close(stacked(walked(code, timed(), x, UNEVEN)), chain(timed(), x, UNEVEN), HEUN)


def test_heun_sample_ends_with_an_euler_step(code, rng):
    """The step to 0 is Euler's: it ends at what the denoiser says; with two levels it is the only one."""
    for sigmas in ([3.0, 0.0], [2.0, 0.5, 0.0]):
        x, model = cases.normal((2, 3), rng), timed()
        result = walked(code, model, x, sigmas)[-1]
        why = "the step to 0 is Euler's, x - σ (x - D)/σ = D: the last answer of the denoiser"
        close(result, model.seen[-1].answer, why)


def test_heun_sample_takes_x_as_it_is(code, rng):
    """X is at level sigmas[0] already: the denoiser's first look is at x itself."""
    x = cases.normal((2, 3), rng)
    states = walked(code, timed(), x, [4.0, 1.0, 0.0])
    close(states[0], x, "x comes with noise of standard deviation sigmas[0], and is not scaled again")


@settings(max_examples=10)
@given(shape=shapes, seed=seeds, shares=st.lists(st.floats(0.2, 0.95), min_size=0, max_size=5))
def test_heun_sample_of_any_shape_on_any_grid(code, shape, seed, shares):
    """Any shape, any descending levels."""
    sigmas = [5.0]
    for share in shares:
        sigmas.append(sigmas[-1] * share)
    x, sigmas = 5 * cases.normal(shape, Generator().manual_seed(seed)), [*sigmas, 0.0]
    close(walked(code, timed(), x, sigmas)[-1], chain(timed(), x, sigmas)[-1], HEUN)


def test_heun_sample_is_of_second_order(code, rng):
    """On Gaussian data with the exact denoiser, half the step makes a quarter of the error."""
    x, errors = 20 * cases.normal((4, 2), rng), []

    def best(x: Tensor, sigma: Tensor) -> Tensor:
        square = column(sigma, x) ** 2
        return 0.7 + 0.25 / (0.25 + square) * (x - 0.7)

    def last(x: Tensor, sigma: float) -> Tensor:  # the Euler step to 0 from the exact flow
        at = 0.7 + math.sqrt((0.25 + sigma**2) / (0.25 + 400)) * (x - 0.7)
        return 0.7 + 0.25 / (0.25 + sigma**2) * (at - 0.7)

    for count in (16, 32):
        sigmas = [(20 ** (1 / 3) + i / count * (0.1 ** (1 / 3) - 20 ** (1 / 3))) ** 3 for i in range(count + 1)]
        errors.append(sampled(code.heun_sample(best, x, [*sigmas, 0.0]), x) - last(x, sigmas[-1]))
    found = order(errors)
    expect.holds(
        1.7 < found < 2.6,
        "Heun's method is of order 2: half the step, a quarter of the error",
        got=found,
        want="an order of about 2",
        told=f"an order of {found:.2f}",
    )


def test_heun_sample_takes_its_levels_as_a_list_or_a_tensor(code, rng):
    """Sigmas may be a list, or a tensor in either precision."""
    x = cases.normal((2, 3), rng)
    levels = [4.0, 1.5, 0.25, 0.0]
    for sigmas in (levels, numbers(*levels), numbers(*levels).float()):
        states = walked(code, timed(), x, sigmas)
        close(stacked(states), chain(timed(), x, levels), "sigmas is a list or a tensor; " + HEUN)


def test_heun_sample_takes_any_callable_as_its_denoiser(code, rng):
    """A plain function serves as a denoiser, on vectors, images and videos."""
    for shape in BODIES:
        x, spy = cases.normal(shape, rng), timed()
        result = code.heun_sample(lambda x, sigma, spy=spy: spy(x, sigma), x, UNEVEN)
        close(result, chain(timed(), x, UNEVEN)[-1], "a denoiser is any callable, data (B, *S) for any S; " + HEUN)


def test_heun_sample_keeps_the_dtype_and_its_arguments(code, rng):
    """The sample has x's dtype, whatever the levels' is, and arguments stay as they are."""
    for data in (torch.float32, torch.float64):
        for levels in (torch.float32, torch.float64):
            x, sigmas, model = cases.normal((3, 2, 2), rng).to(data), numbers(*UNEVEN).to(levels), timed().to(data)
            got = expect.untouched(
                lambda x, sigmas, model=model: sampled(code.heun_sample(model, x, sigmas), x), KEEP, x=x, sigmas=sigmas
            )
            want = chain(timed(), x, [float(sigma) for sigma in sigmas])[-1].to(data)
            expect.close(got, want, KEEP, **SINGLE)


def test_heun_sample_records_no_gradient_and_leaves_its_arguments_as_they_were(code, rng):
    """A sampler records no gradient, and leaves the denoiser and x as they were."""
    left_as_it_was(lambda model, start: code.heun_sample(model, start, [3.0, 1.0, 0.0]), cases.normal((2, 3), rng))


def test_heun_sample_takes_any_callable_and_keeps_half_precision(code, rng):
    """A plain function will do for a model, and float16 stays float16."""
    x = cases.normal((2, 3), rng)
    takes_any_model_in_half_precision(
        lambda model, x: code.heun_sample(model, x, torch.tensor([3.0, 1.0, 0.3, 0.0])), x
    )
