"""The checks of dpmpp_2m_sample."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from exercises.checks import cases, expect
from exercises.checks.callers import takes_any_model_in_half_precision
from exercises.checks.rules import KEEP
from exercises.checks.s4_fast_sampling.formulas import clean, half_log, level, multistep, stacked, trailing
from exercises.checks.s4_fast_sampling.inputs import BODIES, falling, seeds, shapes, table
from exercises.checks.s4_fast_sampling.loops import called, left_as_it_was, sampled
from exercises.checks.s4_fast_sampling.models import exact, timed
from exercises.checks.s4_fast_sampling.rules import SECOND, near
from exercises.checks.spies import Spy

CALLS = "n steps take n calls of the model, at the levels of timesteps"
CHAIN = (
    "x̂_0 = (x - √(1-ᾱ) eps) / √ᾱ at each level, and a step of DPM-Solver++(2M) to the next, with the x̂_0 and λ of "
    "the level before: " + SECOND
)
ENDS = "the first step has no past and the last goes to clean data, λ = ∞: both are of first order"


def chain(model: Spy, x: Tensor, alpha_bar: Tensor, n: int) -> Tensor:
    """DPM-Solver++(2M) through n levels; the states and the sample."""
    levels, states = trailing(len(alpha_bar), n), [x.double()]
    x0_prev, lam_prev = None, 0.0
    for t, t_next in zip(levels, [*levels[1:], -1], strict=True):
        a, b = level(alpha_bar, t), level(alpha_bar, t_next)
        with torch.no_grad():
            x0 = clean(states[-1], model(states[-1], torch.full((len(x),), t)), a)
        states.append(multistep(states[-1], x0, x0_prev, lam_prev, half_log(a), half_log(b)))
        x0_prev, lam_prev = x0, half_log(a)
    return stacked(states)


def walked(code, model: Spy, x_T: Tensor, n: int, alpha_bar: Tensor | None = None) -> list[Tensor]:
    """The states of a chain, on `table` if no other is given: what the model was called with, and the result."""
    alpha_bar = table() if alpha_bar is None else alpha_bar
    result = sampled(code.dpmpp_2m_sample(model, x_T, alpha_bar, n), x_T)
    called(model, x_T, trailing(len(alpha_bar), n), CALLS)
    return [*(seen.x_t for seen in model.seen), result]


def test_dpmpp_2m_sample_calls_the_model_n_times_at_the_trailing_levels(code, rng):
    """N calls, at the levels of timesteps, told to the model as int64 (B,)."""
    for n in (4, 5, 12):
        walked(code, timed(), cases.normal((3, 2), rng), n)
    walked(code, timed(), cases.normal((3, 2), rng), 7, falling(17, rng))  # 17 / (17/7) is above 7 in floats


def test_dpmpp_2m_sample_takes_second_order_steps_in_between(code, rng):
    """All states of a chain, over levels that are far apart in λ."""
    x_T = cases.normal((3, 2), rng)
    for n in (5, 6):
        states = walked(code, timed(), x_T, n)
        near(stacked(states), chain(timed(), x_T, table(), n), CHAIN)


def test_dpmpp_2m_sample_through_all_levels(code, rng):
    """N = T visits all levels."""
    x_T = cases.normal((2, 3), rng)
    states = walked(code, timed(), x_T, 12)
    near(stacked(states), chain(timed(), x_T, table(), 12), "n = T visits every level; " + CHAIN)


def test_dpmpp_2m_sample_begins_with_a_first_order_step(code, rng):
    """The first step is of first order."""
    x_T, model = cases.normal((2, 3), rng), timed()
    states = walked(code, model, x_T, 3)
    a, b = level(table(), 11), level(table(), 7)
    want = multistep(x_T, clean(x_T, model.seen[0].answer, a), None, 0, half_log(a), half_log(b))
    near(states[1], want, ENDS)


def test_dpmpp_2m_sample_ends_at_clean_data_by_a_first_order_step(code, rng):
    """What comes back is the predicted data of the last call."""
    for n in (1, 2, 4):
        x_T, model = cases.normal((2, 3), rng), timed()
        result, last = walked(code, model, x_T, n)[-1], model.seen[-1]
        want = clean(last.x_t, last.answer, level(table(), trailing(12, n)[-1]))
        near(result, want, f"{ENDS}; with λ = ∞ nothing but x̂_0 is left")


def test_dpmpp_2m_sample_in_one_step_and_in_two(code, rng):
    """One step and two, which are all of first order."""
    x_T = cases.normal((2, 3), rng)
    for n in (1, 2):
        near(stacked(walked(code, timed(), x_T, n)), chain(timed(), x_T, table(), n), ENDS)


def test_dpmpp_2m_sample_begins_anew_in_every_call(code, rng):
    """Nothing of one call is left for the next."""
    for _ in range(2):
        x_T = cases.normal((2, 3), rng)
        states = walked(code, timed(), x_T, 4)
        near(stacked(states), chain(timed(), x_T, table(), 4), "each call starts without a past; " + CHAIN)


@settings(max_examples=10)
@given(shape=shapes, n=st.sampled_from([1, 2, 3, 4, 5, 6, 7, 9, 12]), seed=seeds)
def test_dpmpp_2m_sample_of_any_shape_in_any_number_of_steps(code, shape, n, seed):
    """Any shape, any number of steps that falls on no half."""
    x_T = cases.normal(shape, Generator().manual_seed(seed))
    near(walked(code, timed(), x_T, n)[-1], chain(timed(), x_T, table(), n)[-1], CHAIN)


def test_dpmpp_2m_sample_takes_any_callable_as_its_model(code, rng):
    """A plain function serves as a model, on vectors, images and videos."""
    for shape in BODIES:
        x_T, spy = cases.normal(shape, rng), timed()
        result = code.dpmpp_2m_sample(lambda x, t, spy=spy: spy(x, t), x_T, table(), 4)
        near(result, chain(timed(), x_T, table(), 4)[-1], "a model is any callable, data (B, *S) for any S; " + CHAIN)


def test_dpmpp_2m_sample_of_gaussian_data(code, rng):
    """On Gaussian data with the exact eps, five steps."""
    alpha_bar, x_T = table(), cases.normal((4, 2), rng)
    got = sampled(code.dpmpp_2m_sample(exact(0.7, 0.25, alpha_bar), x_T, alpha_bar, 5), x_T)
    want = chain(exact(0.7, 0.25, alpha_bar), x_T, alpha_bar, 5)[-1]
    near(got, want, "of data N(0.7, 0.25) eps is known exactly; " + CHAIN)


def test_dpmpp_2m_sample_keeps_the_dtype_and_its_arguments(code, rng):
    """The sample has x_T's dtype, and the schedule stays as it is."""
    for data in (torch.float32, torch.float64):
        for tables in (torch.float32, torch.float64):
            x_T, alpha_bar, model = cases.normal((3, 2, 2), rng).to(data), table().to(tables), timed().to(data)
            got = expect.untouched(
                lambda x, alpha_bar, model=model: code.dpmpp_2m_sample(model, x, alpha_bar, 4),
                KEEP,
                x_T=x_T,
                alpha_bar=alpha_bar,
            )
            called(model, x_T, trailing(12, 4), CALLS)
            want = chain(timed(), x_T, alpha_bar.double(), 4)[-1].to(data)
            expect.close(got, want, KEEP, rtol=1e-3, atol=1e-3)  # x̂_0 divides by √ᾱ of 0.05: 20 times SINGLE's 3e-5


def test_dpmpp_2m_sample_records_no_gradient_and_leaves_its_arguments_as_they_were(code, rng):
    """A sampler records no gradient, and leaves the model and x_T as they were."""
    left_as_it_was(lambda model, start: code.dpmpp_2m_sample(model, start, table(), 4), cases.normal((2, 3), rng))


def test_dpmpp_2m_sample_takes_any_callable_and_keeps_half_precision(code, rng):
    """A plain function will do for a model, and float16 stays float16."""
    x = cases.normal((2, 3), rng)
    takes_any_model_in_half_precision(
        lambda model, x: code.dpmpp_2m_sample(model, x, torch.tensor([0.9, 0.6, 0.3, 0.1]), 4), x
    )
