"""The checks of ddim_invert."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from exercises.checks import cases, expect
from exercises.checks.callers import takes_any_model_in_half_precision
from exercises.checks.cases import numbers
from exercises.checks.rules import KEEP
from exercises.checks.s4_fast_sampling.formulas import ddim, level, stacked, trailing
from exercises.checks.s4_fast_sampling.inputs import BODIES, COSINE_END, falling, seeds, shapes, table
from exercises.checks.s4_fast_sampling.loops import called, left_as_it_was, sampled
from exercises.checks.s4_fast_sampling.models import column, deaf, timed
from exercises.checks.s4_fast_sampling.rules import CLEAN, SINGLE, close
from exercises.checks.spies import Spy

CALLS = "n steps take n calls, each told the level that it goes to: those of timesteps, ascending, up to T-1"
UP = (
    "each upward step keeps x̂_0 and eps and mixes them again at the level above, x_next = √ᾱ_next x̂_0 + √(1-ᾱ_next) eps"
)


def climb(model: Spy, x: Tensor, alpha_bar: Tensor, n: int) -> Tensor:
    """DDIM upwards through n levels; the states and the result."""
    levels, states = trailing(len(alpha_bar), n)[::-1], [x.double()]
    for t, t_next in zip([-1, *levels[:-1]], levels, strict=True):
        with torch.no_grad():
            eps = model(states[-1], torch.full((len(x),), t_next))
        states.append(ddim(states[-1], eps, level(alpha_bar, t), level(alpha_bar, t_next)))
    return stacked(states)


def walked(code, model: Spy, x0: Tensor, n: int, alpha_bar: Tensor | None = None) -> list[Tensor]:
    """The states on the way up: what the model was called with, and the result."""
    alpha_bar = table() if alpha_bar is None else alpha_bar
    result = sampled(code.ddim_invert(model, x0, alpha_bar, n), x0)
    called(model, x0, trailing(len(alpha_bar), n)[::-1], CALLS)
    return [*(seen.x_t for seen in model.seen), result]


def test_ddim_invert_by_hand(code):
    """By hand: two steps up through four levels."""
    alpha_bar, x0 = numbers(0.9, 0.7, 0.5, 0.3), numbers(1.0)[None]
    got = code.ddim_invert(lambda x, t: torch.zeros_like(x) + column(t, x) / 10, x0, alpha_bar, 2)
    one = math.sqrt(0.7) + math.sqrt(0.3) * 0.1
    want = math.sqrt(0.3) * (one - math.sqrt(0.3) * 0.3) / math.sqrt(0.7) + math.sqrt(0.7) * 0.3
    why = (
        "levels 1 and 3, and a model that says t/10: up to ᾱ = 0.7 with eps = 0.1, then up to 0.3 with eps = 0.3; " + UP
    )
    close(got, want * x0, why)


def test_ddim_invert_calls_the_model_n_times_at_the_levels_it_goes_to(code, rng):
    """N calls, at the levels it goes to, ascending, told to the model as int64 (B,)."""
    for n in (4, 5, 12):
        walked(code, timed(), cases.normal((3, 2), rng), n)
    walked(code, timed(), cases.normal((3, 2), rng), 7, falling(17, rng))  # 17 / (17/7) is above 7 in floats


def test_ddim_invert_goes_up_from_level_to_level(code, rng):
    """Each step up lands where its formula says, over levels that are far apart."""
    x0 = cases.normal((3, 2), rng)
    for n in (5, 3):
        close(stacked(walked(code, timed(), x0, n)), climb(timed(), x0, table(), n), UP)


def test_ddim_invert_starts_from_clean_data(code, rng):
    """The first step starts at t = -1, where ᾱ is 1; n = 1 is that step alone."""
    x0, model = cases.normal((2, 3), rng), timed()
    result = walked(code, model, x0, 1)[-1]
    a = level(table(), 11)
    why = f"{CLEAN}: one step goes from there up to T-1, √ᾱ x_0 + √(1-ᾱ) eps"
    close(result, math.sqrt(a) * x0 + math.sqrt(1 - a) * model.seen[0].answer, why)


def test_ddim_invert_through_all_levels(code, rng):
    """N = T visits all levels."""
    x0 = cases.normal((2, 3), rng)
    states = walked(code, timed(), x0, 12)
    close(stacked(states), climb(timed(), x0, table(), 12), "n = T visits every level; " + UP)


def test_ddim_invert_is_undone_by_sampling_where_the_model_looks_at_the_level_alone(code, rng):
    """With a model that looks at the level alone, DDIM's way down undoes the way up exactly."""
    x0, levels, alpha_bar = cases.normal((3, 2), rng), trailing(12, 4), table()
    x = walked(code, deaf(), x0, 4)[-1]
    for t, t_prev in zip(levels, [*levels[1:], -1], strict=True):
        with torch.no_grad():
            x = ddim(x, deaf()(x, torch.full((3,), t)), level(alpha_bar, t), level(alpha_bar, t_prev))
    close(x, x0, "the way up asks at the levels at which the way down will ask, and so is its inverse; " + UP)


@settings(max_examples=10)
@given(shape=shapes, n=st.sampled_from([1, 2, 3, 4, 5, 6, 7, 9, 12]), seed=seeds)
def test_ddim_invert_of_any_shape_in_any_number_of_steps(code, shape, n, seed):
    """Any shape, any number of steps that falls on no half."""
    x0 = cases.normal(shape, Generator().manual_seed(seed))
    close(walked(code, timed(), x0, n)[-1], climb(timed(), x0, table(), n)[-1], UP)


def test_ddim_invert_up_to_nearly_pure_noise(code, rng):
    """Where the last ᾱ is that of the cosine schedule, 2e-9, the result is all but the last eps."""
    alpha_bar, x0 = numbers(0.9, 0.7, 0.5, 0.2, 0.05, COSINE_END), cases.normal((2, 3), rng)
    got = walked(code, timed(), x0, 3, alpha_bar)[-1]
    close(got, climb(timed(), x0, alpha_bar, 3)[-1], "as little of x̂_0 is left at T-1 as ᾱ says; " + UP)


def test_ddim_invert_takes_any_callable_as_its_model(code, rng):
    """A plain function serves as a model, on vectors, images and videos."""
    for shape in BODIES:
        x0, spy = cases.normal(shape, rng), timed()
        result = code.ddim_invert(lambda x, t, spy=spy: spy(x, t), x0, table(), 3)
        close(result, climb(timed(), x0, table(), 3)[-1], "a model is any callable, data (B, *S) for any S; " + UP)


def test_ddim_invert_keeps_the_dtype_and_its_arguments(code, rng):
    """The result has x0's dtype, and the schedule stays as it is."""
    for data in (torch.float32, torch.float64):
        for tables in (torch.float32, torch.float64):
            x0, alpha_bar, model = cases.normal((3, 2, 2), rng).to(data), table().to(tables), timed().to(data)
            got = expect.untouched(
                lambda x, alpha_bar, model=model: code.ddim_invert(model, x, alpha_bar, 3),
                KEEP,
                x0=x0,
                alpha_bar=alpha_bar,
            )
            called(model, x0, trailing(12, 3)[::-1], CALLS)
            want = climb(timed(), x0, alpha_bar.double(), 3)[-1].to(data)
            expect.close(got, want, KEEP, **SINGLE)


def test_ddim_invert_records_no_gradient_and_leaves_its_arguments_as_they_were(code, rng):
    """A sampler records no gradient, and leaves the model and x0 as they were."""
    left_as_it_was(lambda model, start: code.ddim_invert(model, start, table(), 3), cases.normal((2, 3), rng))


def test_ddim_invert_takes_any_callable_and_keeps_half_precision(code, rng):
    """A plain function will do for a model, and float16 stays float16."""
    x = cases.normal((2, 3), rng)
    takes_any_model_in_half_precision(
        lambda model, x: code.ddim_invert(model, x, torch.tensor([0.9, 0.6, 0.3, 0.1]), 4), x
    )
