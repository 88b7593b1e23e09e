"""The checks of ddim_sample."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from exercises.checks import cases, chance, expect
from exercises.checks.callers import takes_any_model_in_half_precision
from exercises.checks.rules import KEEP
from exercises.checks.s4_fast_sampling.formulas import clean, ddim, fresh, level, stacked, trailing
from exercises.checks.s4_fast_sampling.inputs import BODIES, falling, seeds, shapes, table
from exercises.checks.s4_fast_sampling.loops import called, left_as_it_was, sampled
from exercises.checks.s4_fast_sampling.models import timed
from exercises.checks.s4_fast_sampling.rules import CLEAN, MIX, SINGLE, close
from exercises.checks.spies import Spy

CALLS = "n steps take n calls of the model, at the levels of timesteps"
CHAIN = "each step goes from one of the levels of timesteps to the next of them, and the last to clean data; " + MIX


def chain(model: Spy, x: Tensor, alpha_bar: Tensor, n: int) -> Tensor:
    """DDIM without fresh noise through n levels; the states and the sample."""
    levels, states = trailing(len(alpha_bar), n), [x.double()]
    for t, t_prev in zip(levels, [*levels[1:], -1], strict=True):
        with torch.no_grad():
            eps = model(states[-1], torch.full((len(x),), t))
        states.append(ddim(states[-1], eps, level(alpha_bar, t), level(alpha_bar, t_prev)))
    return stacked(states)


def walked(code, model: Spy, x_T: Tensor, n: int, *rest, alpha_bar: Tensor | None = None, **named) -> list[Tensor]:
    """The states of a chain, on `table` if no other is given: what the model was called with, and the result."""
    alpha_bar = table() if alpha_bar is None else alpha_bar
    result = sampled(code.ddim_sample(model, x_T, alpha_bar, n, *rest, **named), x_T)
    called(model, x_T, trailing(len(alpha_bar), n), CALLS)
    return [*(seen.x_t for seen in model.seen), result]


def test_ddim_sample_calls_the_model_n_times_at_the_trailing_levels(code, rng):
    """N calls, at the levels of timesteps, told to the model as int64 (B,)."""
    for n in (4, 5, 12):
        walked(code, timed(), cases.normal((3, 2), rng), n)
    # 17 / (17/7) is above 7 in floats
    walked(code, timed(), cases.normal((3, 2), rng), 7, alpha_bar=falling(17, rng))


def test_ddim_sample_skips_from_level_to_level(code, rng):
    """Without fresh noise each step lands where DDIM's does, over levels that are far apart."""
    x_T = cases.normal((3, 2), rng)
    for n in (5, 3):
        states = walked(code, timed(), x_T, n)
        close(stacked(states), chain(timed(), x_T, table(), n), CHAIN)


def test_ddim_sample_through_all_levels(code, rng):
    """N = T visits all levels."""
    x_T = cases.normal((2, 3), rng)
    states = walked(code, timed(), x_T, 12)
    close(stacked(states), chain(timed(), x_T, table(), 12), "n = T visits every level; " + CHAIN)


def test_ddim_sample_in_one_step(code, rng):
    """N = 1 is the predicted data at the last level."""
    x_T, model = cases.normal((2, 3), rng), timed()
    result = walked(code, model, x_T, 1)[-1]
    want = clean(x_T, model.seen[-1].answer, level(table(), 11))
    close(result, want, f"one step goes from T-1 to clean data; {CLEAN}")


def test_ddim_sample_ends_at_clean_data(code, rng):
    """What comes back is the predicted data of the last call, without noise, for every eta."""
    for eta in (0.0, 0.5, 1.0):
        x_T, model = cases.normal((2, 3), rng), timed()
        result = walked(code, model, x_T, 4, eta, generator=rng)[-1]
        last = model.seen[-1]
        want = clean(last.x_t, last.answer, level(table(), 2))
        why = f"{CLEAN}: the last step, from level 2, ends at x̂_0, and no noise is added"
        # relative to the state, for with fresh noise it differs from one right answer to the next
        close(result, want, why)


@settings(max_examples=10)
@given(shape=shapes, n=st.sampled_from([1, 2, 3, 4, 5, 6, 7, 9, 12]), seed=seeds)
def test_ddim_sample_of_any_shape_in_any_number_of_steps(code, shape, n, seed):
    """Any shape, any number of steps that falls on no half."""
    x_T = cases.normal(shape, Generator().manual_seed(seed))
    close(walked(code, timed(), x_T, n)[-1], chain(timed(), x_T, table(), n)[-1], CHAIN)


def test_ddim_sample_adds_fresh_noise_of_size_sigma_to_each_step(code, rng):
    """With eta > 0 each step but the last adds σ noise, fresh for each step, sample and element."""
    for eta in (0.5, 1.0):
        x_T, model, alpha_bar = cases.normal((128, 2, 4, 4), rng), timed(), table()
        states = walked(code, model, x_T, 6, eta, rng)
        levels, added = trailing(12, 6), []
        for i, seen in enumerate(model.seen[:-1]):
            a, b = level(alpha_bar, levels[i]), level(alpha_bar, levels[i + 1])
            mean = ddim(seen.x_t, seen.answer, a, b, eta)
            added.append(((states[i + 1] - mean) / fresh(a, b, eta)).flatten(1))
        why = "(x_prev - √ᾱ_prev x̂_0 - √(1-ᾱ_prev-σ²) eps) / σ is N(0, 1), fresh for each step, sample and element"
        of, rows = "what the steps added to their means, over σ", [f"to level {prev}" for prev in levels[1:]]
        chance.standard_normal(torch.stack(added), why, ("steps", "samples", "elements"), of=of, rows=rows)


def test_ddim_sample_without_a_generator_still_adds_fresh_noise(code, rng):
    """Where eta > 0 and no generator is given, noise comes from torch's own."""
    x_T, model, alpha_bar = cases.normal((256, 8), rng), timed(), table()
    states = walked(code, model, x_T, 3, eta=1.0)
    a, b = level(alpha_bar, 11), level(alpha_bar, 7)
    added = (states[1] - ddim(x_T, model.seen[0].answer, a, b, 1.0)) / fresh(a, b, 1.0)
    why, of = "generator=None draws from torch's own generator", "what the first step added to its mean, over σ"
    chance.standard_normal(added, why, ("samples", "elements"), of=of)


def test_ddim_sample_takes_its_randomness_from_the_generator_alone(code, rng):
    """The same generator state gives the same sample, another gives another."""
    x_T = cases.normal((3, 4), rng)
    chance.repeated(
        lambda generator: walked(code, timed(), x_T, 4, 0.8, generator)[-1],
        rng,
        "sample",
        ": all randomness comes from it",
    )


def test_ddim_sample_with_eta_0_is_the_same_whatever_the_generator(code, rng):
    """Eta = 0 is deterministic: the generator changes nothing."""
    x_T = cases.normal((3, 4), rng)
    for generator in (rng, None):
        states = walked(code, timed(), x_T, 4, generator=generator)
        close(stacked(states), chain(timed(), x_T, table(), 4), "eta is 0 where nothing else is said: " + CHAIN)


def test_ddim_sample_takes_any_callable_as_its_model(code, rng):
    """A plain function serves as a model, on vectors, images and videos."""
    for shape in BODIES:
        x_T, spy = cases.normal(shape, rng), timed()
        result = code.ddim_sample(lambda x, t, spy=spy: spy(x, t), x_T, table(), 3)
        close(result, chain(timed(), x_T, table(), 3)[-1], "a model is any callable, data (B, *S) for any S; " + CHAIN)


def test_ddim_sample_keeps_the_dtype_and_its_arguments(code, rng):
    """The sample has x_T's dtype, and the schedule stays as it is."""
    for data in (torch.float32, torch.float64):
        for tables in (torch.float32, torch.float64):
            x_T, alpha_bar, model = cases.normal((3, 2, 2), rng).to(data), table().to(tables), timed().to(data)
            got = expect.untouched(
                lambda x, alpha_bar, model=model: code.ddim_sample(model, x, alpha_bar, 3),
                KEEP,
                x_T=x_T,
                alpha_bar=alpha_bar,
            )
            called(model, x_T, trailing(12, 3), CALLS)
            want = chain(timed(), x_T, alpha_bar.double(), 3)[-1].to(data)
            expect.close(got, want, KEEP, rtol=10 * SINGLE["rtol"], atol=10 * SINGLE["atol"])  # divided by √ᾱ of 0.05


def test_ddim_sample_records_no_gradient_and_leaves_its_arguments_as_they_were(code, rng):
    """A sampler records no gradient, and leaves the model and x_T as they were."""
    x_T = cases.normal((2, 3), rng)
    left_as_it_was(lambda model, start: code.ddim_sample(model, start, table(), 3), x_T)
    left_as_it_was(lambda model, start: code.ddim_sample(model, start, table(), 3, 0.7, rng), x_T)


def test_ddim_sample_takes_any_callable_and_keeps_half_precision(code, rng):
    """A plain function will do for a model, and float16 stays float16."""
    x = cases.normal((2, 3), rng)
    takes_any_model_in_half_precision(
        lambda model, x: code.ddim_sample(model, x, torch.tensor([0.9, 0.6, 0.3, 0.1]), 4), x
    )
