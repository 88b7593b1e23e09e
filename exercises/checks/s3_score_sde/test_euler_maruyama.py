"""The checks of euler_maruyama."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from exercises.checks import cases, chance, expect
from exercises.checks.callers import takes_any_model_in_half_precision
from exercises.checks.s3_score_sde.formulas import affine_score, backwards, grid
from exercises.checks.s3_score_sde.inputs import seeds, shapes
from exercises.checks.s3_score_sde.loops import left_as_it_was, looked_at
from exercises.checks.s3_score_sde.models import timed
from exercises.checks.s3_score_sde.rules import GRID, KEEP, SINGLE
from exercises.checks.spies import Spy
from exercises.toolkit.processes import FADING, GROWING, Bent

ONCE = "the score model is called once a step, `steps` times in all"
DOWN = "the grid is uniform, from t = 1 down to t_end, and a step is taken with the score where it begins"


def walk(code, model: Spy, x_T: Tensor, steps: int, generator: Generator | None = None, **t_end: float) -> list[Tensor]:
    """The states of a chain of the process `Bent`: what the model was called with, and the result."""
    result = code.euler_maruyama(Bent(), model, x_T, steps, generator=generator, **t_end)
    expect.tensor(result, KEEP, shape=x_T.shape, dtype=x_T.dtype, device=x_T.device)
    expect.finite(result, "samples are finite")
    expect.equal(len(model.seen), steps, ONCE, of="calls of the model")
    looked_at(model, x_T)
    return [*(seen.x_t for seen in model.seen), result]


def means(model: Spy, steps: int, t_end: float) -> list[tuple[Tensor, Tensor]]:
    """For each step, the mean of where it leads, and the standard deviation around it."""
    dt, found = (t_end - 1) / steps, []
    for seen, time in zip(model.seen, grid(steps, t_end)[:-1], strict=True):
        x, answer = seen.x_t.double(), seen.answer.double()
        drift, diffusion = backwards(x, torch.full((len(x),), time, dtype=torch.float64), answer)
        found.append((x + drift * dt, diffusion * abs(dt) ** 0.5))
    return found


@settings(max_examples=10)
@given(shape=shapes, steps=st.integers(1, 6), t_end=st.floats(1e-4, 0.5), seed=seeds)
def test_euler_maruyama_calls_the_model_once_a_step_on_the_grid(code, shape, steps, t_end, seed):
    """The model is called once a step, on the uniform grid."""
    model, x_T = timed(), cases.normal(shape, Generator().manual_seed(seed))
    states = walk(code, model, x_T, steps, t_end=t_end)
    for seen, time in zip(model.seen, grid(steps, t_end)[:-1], strict=True):
        expect.close(seen.t, torch.full((shape[0],), time, dtype=torch.float64), DOWN, **GRID)
    expect.close(states[0], x_T, "the chain starts at x_T, at t = 1")


def test_euler_maruyama_adds_fresh_noise_of_the_size_of_the_diffusion_to_each_step(code, rng):
    """Each step adds fresh noise of the diffusion's size."""
    for layout in ("contiguous", "expanded"):
        # x_T of size 1000 shows an error of 1e-4 in a coefficient of the drift as loudly as the noise
        x_T, model = 1000 * cases.normal((128, 2, 4, 4), rng, layout), timed()
        states = walk(code, model, x_T, 5, rng, t_end=0.2)
        steps = zip(states[1:-1], means(model, 5, 0.2)[:-1], strict=True)
        added = torch.stack([((after - mean) / std).flatten(1) for after, (mean, std) in steps])
        why = "x - (x_before + drift dt), over diffusion √|dt|, is z ~ N(0, 1), fresh for each step, sample and element"
        rows = [f"to t = {time:.2g}" for time in grid(5, 0.2)[1:-1]]
        of = "what the steps added to x_before + drift dt, over diffusion √|dt|"
        chance.standard_normal(added, why, ("steps", "samples", "elements"), of=of, rows=rows)


@settings(max_examples=10)
@given(shape=shapes, steps=st.integers(1, 4), t_end=st.floats(1e-4, 0.5), seed=seeds)
def test_euler_maruyama_adds_no_noise_on_the_last_step(code, shape, steps, t_end, seed):
    """The last step adds no noise."""
    model, x_T = timed(), cases.normal(shape, Generator().manual_seed(seed))
    states = walk(code, model, x_T, steps, t_end=t_end)
    mean, _ = means(model, steps, t_end)[-1]
    expect.close(states[-1], mean, "the last step is x + drift dt, without noise, and its result is the sample", **GRID)


def test_euler_maruyama_of_a_gaussian_world_has_the_mean_and_variance_of_the_exact_chain(code, rng):
    """With the exact model of Gaussian data, mean and variance are those of the exact chain."""
    steps, t_end, data_mean, data_variance = 12, 0.01, 0.7, 0.25
    for sde in (FADING, GROWING):
        one = torch.ones(1, 1, dtype=torch.float64)
        _, std = sde.marginal(one[0], one)
        mean, variance, dt = 0.0, std.item() ** 2, (t_end - 1) / steps
        for step, time in enumerate(grid(steps, t_end)[:-1]):
            t = torch.tensor([time], dtype=torch.float64)
            (mean_coef, std), (rate, diffusion) = sde.marginal(t, one), sde.coefficients(one, t)
            spread, square = (mean_coef**2 * data_variance + std**2).item(), diffusion.item() ** 2
            pull = square / spread
            mean += dt * (rate.item() * mean + pull * (mean - mean_coef.item() * data_mean))
            variance *= (1 + dt * (rate.item() + pull)) ** 2
            variance += square * abs(dt) if step < steps - 1 else 0.0
        x_T = sde.marginal(one[0], one)[1].item() * cases.normal((512, 8), rng)
        score = affine_score(data_mean, data_variance, sde)
        result = code.euler_maruyama(sde, score, x_T, steps, t_end=t_end, generator=rng)
        expect.tensor(result, KEEP, shape=(512, 8), dtype=torch.float64)
        why = f"with the exact score of N(0.7, 0.25) the chain ends at mean {mean:.4f} and variance {variance:.4f}"
        of = f"(sample - {mean:.4f}) / √{variance:.4f}, from which the samples' mean and variance are seen"
        chance.standard_normal((result - mean) / variance**0.5, why, of=of)


def test_euler_maruyama_takes_its_randomness_from_the_generator_alone(code, rng):
    """All randomness comes from the generator, and from nowhere else."""
    x_T = cases.normal((3, 4), rng)
    chance.repeated(lambda generator: walk(code, timed(), x_T, 3, generator)[-1], rng, "sample")


def test_euler_maruyama_keeps_the_dtype_and_ends_by_default_at_0_001(code, rng):
    """The result has the dtype of x_T, and t ends at 0.001 by default."""
    for dtype in (torch.float32, torch.float64):
        model, x_T = timed().to(dtype), cases.normal((3, 2, 2), rng).to(dtype)
        states = walk(code, model, x_T, 3)
        last = torch.full((3,), 1 - 2 * 0.999 / 3, dtype=dtype)
        expect.close(model.seen[-1].t, last, "of three steps from 1 to 0.001 the last begins at 0.334", **GRID)
        mean, _ = means(model, 3, 1e-3)[-1]
        expect.close(states[-1], mean.to(dtype), KEEP, **SINGLE)


def test_euler_maruyama_records_no_gradient_and_leaves_its_arguments_as_they_were(code, rng):
    """No gradient is recorded, and the arguments stay as they are."""
    x_T = cases.normal((2, 3), rng)
    left_as_it_was(lambda model, start: code.euler_maruyama(Bent(), model, start, 3), x_T)


def test_euler_maruyama_takes_any_callable_and_keeps_half_precision(code, rng):
    """A plain function will do for a model, and float16 stays float16."""
    x_T = cases.normal((2, 3), rng)
    takes_any_model_in_half_precision(
        lambda model, x: code.euler_maruyama(GROWING, model, x, 3, generator=Generator().manual_seed(0)), x_T
    )
