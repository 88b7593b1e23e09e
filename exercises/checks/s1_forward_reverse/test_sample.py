"""The checks of sample."""

import torch
from torch import Generator, Tensor

from exercises.checks import cases, chance, expect
from exercises.checks.callers import takes_any_model_in_half_precision
from exercises.checks.cases import tracked
from exercises.checks.expect import left_alone
from exercises.checks.rules import AS_IT_IS, KEEP
from exercises.checks.s1_forward_reverse.draws import all_apart
from exercises.checks.s1_forward_reverse.formulas import ancestral
from exercises.checks.spies import Exact, Spy
from exercises.toolkit.worlds import Gaussian

ONCE = "the model is called once for each level, T times in all, t = 0 included"
DOWN = "t counts down from T-1 to 0, int64 of shape (B,): all samples of the batch are at the same level"
FRESH = "(x_{t-1} - μ̃_t) / √β̃_t is z ~ N(0, 1), drawn afresh for each step, sample and element"


def chain(code, model: Spy, x_T: Tensor, betas: Tensor, generator: Generator | None = None) -> list[Tensor]:
    """The states of a chain: what the model was called with, and the result."""
    result = code.sample(model, x_T, betas, generator=generator)
    expect.tensor(result, KEEP, shape=x_T.shape, dtype=x_T.dtype, device=x_T.device)
    expect.finite(result, "samples are finite")
    expect.equal(len(model.seen), len(betas), ONCE, of="calls of the model")
    for seen in model.seen:
        expect.tensor(seen.x_t, "the model sees x_t, in x_T's shape and dtype", shape=x_T.shape, dtype=x_T.dtype)
    return [*(seen.x_t for seen in model.seen), result]


def surprises(model: Spy, states: list[Tensor], betas: Tensor) -> Tensor:
    """What each step but the last added to its mean, in standard deviations: (T-1, B, elements)."""
    added = []
    for level, seen, after in zip(range(len(betas) - 1, 0, -1), model.seen, states[1:], strict=False):
        mean, std = ancestral(cases.of_step(seen.x_t, seen.answer, level, betas))
        added.append(((after - mean) / std).flatten(1))
    return torch.stack(added)


def last_mean(model: Spy, betas: Tensor) -> Tensor:
    """The mean of the step from t = 0, in float64."""
    seen = model.seen[-1]
    return ancestral(cases.of_step(seen.x_t, seen.answer, 0, betas).exactly())[0]


def test_sample_calls_the_model_once_for_each_level_counting_down(code, rng):
    """The model is called once for each level, counting down from T - 1 to 0."""
    for shape, levels in (((2, 3), 1), ((1, 4), 2), ((3, 3, 3, 3), 5), ((2, 1, 2), 7)):
        betas, x_T, model = cases.schedule(levels, rng), cases.normal(shape, rng), Spy()
        states = chain(code, model, x_T, betas, rng)
        for level, seen in zip(range(levels - 1, -1, -1), model.seen, strict=True):
            expect.close(seen.t, torch.full(shape[:1], level), DOWN)
        expect.close(states[0], x_T, "the chain starts at x_T, with t = T-1")


def test_sample_adds_fresh_standard_normal_noise_to_the_mean_of_each_step(code, rng):
    """Each step adds fresh standard normal noise to its mean."""
    # rising, so that the posterior variance is far from β, which is 1.1 to 4 times as large
    betas = torch.linspace(0.1, 0.5, 5, dtype=torch.float64) * (0.8 + 0.4 * torch.rand(5, generator=rng))
    for layout, generator in (("contiguous", rng), ("expanded", None)):
        # x_T of size 1000 shows an error of 1e-4 in a coefficient of the mean as loudly as the noise
        x_T, model = 1000 * cases.normal((32, 2, 4, 4), rng, layout), Spy()
        states = chain(code, model, x_T, betas, generator)
        added, axes = surprises(model, states, betas), ("steps", "samples", "elements")
        all_apart(added, FRESH, axes)
        rows = [f"from t = {level}" for level in range(len(betas) - 1, 0, -1)]
        chance.standard_normal(added, FRESH, axes, of="(x_{t-1} - μ̃_t) / √β̃_t over all steps", rows=rows)


def test_sample_ends_with_the_mean_itself(code, rng):
    """The last step gives its mean, without noise."""
    for shape, levels in (((2, 3), 1), ((1, 4), 2), ((3, 2, 2), 4)):
        betas, x_T, model = cases.schedule(levels, rng, smallest=0.05), cases.normal(shape, rng), Spy()
        result = chain(code, model, x_T, betas, rng)[-1]
        expect.close(result, last_mean(model, betas), "the step from t = 0 adds no noise, and its result is the sample")


def test_sample_from_the_end_of_a_schedule(code, rng):
    """The first step is right where next to nothing of the data is left, too."""
    betas, model = cases.numbers(*cases.FADED), Spy()
    states = chain(code, model, 1000 * cases.normal((32, 2, 4, 4), rng), betas, rng)
    added = surprises(model, states, betas)[:1]
    chance.standard_normal(added, f"{AS_IT_IS}; {FRESH}", ("steps", "samples", "elements"), of="(x_{t-1} - μ̃_t) / √β̃_t")


def test_sample_of_a_gaussian_world_has_the_mean_and_variance_of_the_exact_chain(code, rng):
    """With the exact model of Gaussian data, mean and variance are those of the exact chain."""
    betas, world = torch.linspace(0.02, 0.4, 16, dtype=torch.float64), Gaussian(mean=0.7, variance=0.25)
    result = code.sample(Exact(world, cases.alpha_bar_of(betas)), cases.normal((4096, 2), rng), betas, generator=rng)
    mean, variance = world.ancestral(betas)
    why = f"with the exact denoiser of N(0.7, 0.25) the chain ends at mean {mean:.4f} and variance {variance:.4f}"
    expect.tensor(result, why, shape=(4096, 2), dtype=torch.float64)
    of = f"(sample - {mean:.4f}) / √{variance:.4f}, from which the samples' mean and variance are seen"
    chance.standard_normal((result - mean) / variance**0.5, why, of=of)


def test_sample_takes_its_randomness_from_the_generator_alone(code, rng):
    """All randomness comes from the generator, and from nowhere else."""
    betas, x_T = cases.schedule(4, rng, smallest=0.1), cases.normal((3, 4), rng)
    chance.repeated(lambda generator: chain(code, Spy(), x_T, betas, generator)[-1], rng, "sample")


def test_sample_keeps_the_dtype_of_x_T_for_the_model_and_the_result(code, rng):
    """The model sees, and the result has, the dtype of x_T."""
    for case in cases.precisions(rng):
        model = Spy()
        result = chain(code, model, case.x_t, case.betas)[-1]
        want = last_mean(model, case.betas).to(case.x_t.dtype)
        expect.close(result, want, KEEP, rtol=1e-4, atol=1e-3)  # as SINGLE, for numbers up to 50


def test_sample_records_no_gradient_and_leaves_its_arguments_as_they_were(code, rng):
    """No gradient is recorded, and the arguments stay as they are."""
    betas, x_T = cases.schedule(3, rng), cases.normal((2, 3), rng)
    for start in (x_T.clone(), *tracked(x_T)):
        model, table = Spy(), betas.clone()
        result = chain(code, model, start, table)[-1]
        why = "a sampler records no gradient"
        expect.holds(not result.requires_grad, why, got="a result with a gradient", want="a result without")
        recorded = any(seen.tracked for seen in model.seen) and not start.requires_grad
        why = "a sampler records no gradient on its way, or its memory grows with T"
        expect.holds(not recorded, why, got="an x_t that carries a gradient", want="x_t without")
        expect.unchanged(KEEP, x_T=(x_T, start.detach()), betas=(betas, table))
        left_alone(model)


def test_sample_takes_any_callable_and_keeps_half_precision(code, rng):
    """A plain function will do for a model, and float16 stays float16."""
    betas, generator = cases.schedule(3, rng, smallest=0.1).float(), Generator().manual_seed(0)
    x_T = cases.normal((2, 3), rng)
    takes_any_model_in_half_precision(lambda model, x: code.sample(model, x, betas, generator), x_T)
