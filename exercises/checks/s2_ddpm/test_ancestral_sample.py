"""The checks of ancestral_sample."""

import torch
from torch import Generator, Tensor

from exercises.checks import cases, chance, expect
from exercises.checks.callers import takes_any_model_in_half_precision
from exercises.checks.cases import Case, numbers, tracked
from exercises.checks.expect import left_alone
from exercises.checks.rules import AS_IT_IS, KEEP
from exercises.checks.s2_ddpm.formulas import converted, posterior, slopes_x0
from exercises.checks.s2_ddpm.rules import KINDS, UNKNOWN
from exercises.checks.spies import Exact, Spy
from exercises.toolkit.worlds import Gaussian

ONCE = "the model is called once for each level, T times in all, t = 0 included"
AXES = ("steps", "samples", "elements")
ADDED = {
    "small": "(x_{t-1} - mean) / √β̃_t, what the steps added to their means in small deviations",
    "large": "(x_{t-1} - mean) / √β_t, what the steps added to their means in large deviations",
}
DOWN = "t counts down from T-1 to 0, as int64 of shape (B,): every sample of the batch is at the same level"


def chain(code, model: Spy, x_T: Tensor, betas: Tensor, **switches) -> list[Tensor]:
    """The states of a chain: what the model was called with, and the result."""
    result = code.ancestral_sample(model, x_T, betas, **switches)
    expect.tensor(result, KEEP, shape=x_T.shape, dtype=x_T.dtype, device=x_T.device)
    expect.finite(result, "samples are finite")
    expect.equal(len(model.seen), len(betas), ONCE, of="calls of the model")
    for seen in model.seen:
        expect.tensor(seen.x_t, "the model sees x_t, in x_T's shape and dtype", shape=x_T.shape, dtype=x_T.dtype)
    return [*(seen.x_t for seen in model.seen), result]


def step_of(case: Case, kind: str = "eps", variance: str = "small", clip: bool = False) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of p(x_{t-1} | x_t) when the model answered `case.eps`, whatever that predicts."""
    guess = converted(case, slopes_x0(case, kind))
    if clip:
        guess = guess.clamp(-1, 1)
    of_x0, of_x_t, small = posterior(case)
    return of_x0 * guess + of_x_t * case.x_t, (small if variance == "small" else case.at(case.betas)).sqrt()


def surprises(model: Spy, states: list[Tensor], betas: Tensor, **switches) -> Tensor:
    """What the chain added to the mean of each step but the last, in standard deviations: (T-1, B, elements)."""
    added = []
    for level, seen, after in zip(range(len(betas) - 1, 0, -1), model.seen, states[1:], strict=False):
        mean, std = step_of(cases.of_step(seen.x_t, seen.answer, level, betas), **switches)
        added.append(((after - mean) / std).flatten(1))
    return torch.stack(added)


def normally_added(model: Spy, states: list[Tensor], betas: Tensor, why: str, **switches) -> None:
    """What the chain added to the mean of each step is N(0, 1) in its standard deviations; where not, it is said of which step."""
    rows = [f"from t = {level}" for level in range(len(betas) - 1, 0, -1)]
    of = ADDED[switches.get("variance", "small")]
    chance.standard_normal(surprises(model, states, betas, **switches), why, axes=AXES, of=of, rows=rows)


def rising(rng: Generator) -> Tensor:
    """Betas in rising order, so that the posterior variance is far from β, which is 1.1 to 4 times as large."""
    return torch.linspace(0.1, 0.5, 5, dtype=torch.float64) * (0.8 + 0.4 * torch.rand(5, generator=rng))


def last_mean(model: Spy, betas: Tensor, **switches) -> Tensor:
    """The mean of the step from t = 0, in float64."""
    seen = model.seen[-1]
    return step_of(cases.of_step(seen.x_t, seen.answer, 0, betas).exactly(), **switches)[0]


def test_ancestral_sample_calls_the_model_once_for_each_level_counting_down(code, rng):
    """The model is called once for each level, counting down from T - 1 to 0."""
    for shape, levels in (((2, 3), 1), ((1, 4), 2), ((3, 3, 3, 3), 5), ((2, 1, 2), 7)):
        betas, x_T, model = cases.schedule(levels, rng), cases.normal(shape, rng), Spy()
        states = chain(code, model, x_T, betas, generator=rng)
        for level, seen in zip(range(levels - 1, -1, -1), model.seen, strict=True):
            expect.close(seen.t, torch.full(shape[:1], level), DOWN)
        expect.close(states[0], x_T, "the chain starts at x_T, with t = T-1")


def test_ancestral_sample_adds_noise_of_the_chosen_variance_to_the_mean_of_each_step(code, rng):
    """Each step adds noise of the chosen variance to its mean."""
    betas = rising(rng)
    named = {"small": "β̃_t = (1-ᾱ_{t-1}) / (1-ᾱ_t) β_t", "large": "β_t"}
    for kind in KINDS:
        for variance in named:
            switches = {"kind": kind, "variance": variance}
            # x_T of size 1000 shows an error of 1e-4 in a coefficient of the mean as loudly as the noise
            x_T, model = 1000 * cases.normal((32, 2, 4, 4), rng), Spy()
            states = chain(code, model, x_T, betas, generator=rng, **switches)
            why = f"with kind {kind!r}, x_{{t-1}} minus the posterior mean, over σ_t, is z ~ N(0, 1), fresh for each step, sample and element; variance {variance!r} is σ_t² = {named[variance]}"  # fmt: skip
            normally_added(model, states, betas, why, **switches)


def test_ancestral_sample_predicts_noise_with_the_small_variance_by_default(code, rng):
    """By default the model predicts noise, and the variance is the small one."""
    betas = rising(rng)
    for layout, generator in (("contiguous", rng), ("expanded", None)):
        x_T, model = 1000 * cases.normal((32, 2, 4, 4), rng, layout), Spy()
        states = chain(code, model, x_T, betas, **({"generator": generator} if generator else {}))
        why = "by default the model predicts eps, σ_t² is β̃_t and nothing is clipped"
        normally_added(model, states, betas, why)


def test_ancestral_sample_from_the_end_of_a_schedule(code, rng):
    """The first step is right where next to nothing of the data is left, too."""
    betas = numbers(*cases.FADED)
    for kind in KINDS:
        x_T, model = 1000 * cases.normal((32, 2, 4, 4), rng), Spy()
        states = chain(code, model, x_T, betas, generator=rng, kind=kind)
        added, of = surprises(model, states, betas, kind=kind)[:1], ADDED["small"]
        chance.standard_normal(added, f"{AS_IT_IS}, with kind {kind!r} as with the others", axes=AXES, of=of)


def test_ancestral_sample_clips_the_predicted_data_before_the_posterior_mean(code, rng):
    """The predicted data is clipped before the posterior's mean is taken."""
    betas = rising(rng)
    for kind in KINDS:
        switches = {"kind": kind, "clip": True}
        x_T, model = 20 * cases.normal((32, 2, 4, 4), rng), Spy()
        states = chain(code, model, x_T, betas, generator=rng, **switches)
        why = f"clip=True: the x̂_0 that goes with {kind} is clamped to [-1, 1], and then enters the posterior mean, x_t as it is"
        normally_added(model, states, betas, why, **switches)
        want = last_mean(model, betas, **switches)
        expect.close(states[-1], want, "the last step's result is the clipped x̂_0")


def test_ancestral_sample_ends_with_the_mean_itself(code, rng):
    """The last step gives its mean, without noise."""
    for shape, levels in (((2, 3), 1), ((1, 4), 2), ((3, 2, 2), 4)):
        betas, x_T = cases.schedule(levels, rng, smallest=0.05), cases.normal(shape, rng)
        for kind in KINDS:
            for variance in ("small", "large"):
                model = Spy()
                result = chain(code, model, x_T, betas, kind=kind, variance=variance, generator=rng)[-1]
                why = f"the step from t = 0 adds no noise, with variance {variance!r} neither, and its result is the sample"  # fmt: skip
                expect.close(result, last_mean(model, betas, kind=kind), why)


def moments(world: Gaussian, betas: Tensor, large: bool) -> tuple[float, float]:
    """Mean and variance that N(0, 1) ends with, for the best guess of eps: each step is affine with Gaussian noise."""
    mean, variance, a = 0.0, 1.0, [1.0, *cases.alpha_bar_of(betas).tolist()]
    for t, beta in reversed(list(enumerate(betas.tolist()))):
        before, after = a[t], a[t + 1]
        k = (1 - beta / (after * world.variance + 1 - after)) / (1 - beta) ** 0.5
        mean = k * (mean - after**0.5 * world.mean) + before**0.5 * world.mean
        small = beta * (1 - before) / (1 - after)
        variance = k**2 * variance + (beta if large and t > 0 else small)
    return mean, variance


def test_ancestral_sample_of_a_gaussian_world_has_the_moments_of_the_exact_chain(code, rng):
    """With the exact model of Gaussian data, mean and variance are those of the exact chain."""
    betas = torch.linspace(0.02, 0.4, 16, dtype=torch.float64)
    world = Gaussian(mean=0.7, variance=0.25)
    for variance in ("small", "large"):
        x_T = cases.normal((4096, 2), rng)
        result = code.ancestral_sample(
            Exact(world, cases.alpha_bar_of(betas)), x_T, betas, variance=variance, generator=rng
        )
        expect.tensor(result, KEEP, shape=(4096, 2), dtype=torch.float64)
        m, v = moments(world, betas, variance == "large")
        why = f"with the exact denoiser of N(0.7, 0.25) and variance {variance!r} the chain ends at mean {m:.4f} and variance {v:.4f}"  # fmt: skip
        of = f"(sample - {m:.4f}) / √{v:.4f}, from which the samples' mean and variance are seen"
        chance.standard_normal((result - m) / v**0.5, why, of=of)


def test_ancestral_sample_takes_its_randomness_from_the_generator_alone(code, rng):
    """All randomness comes from the generator, and from nowhere else."""
    betas, x_T = cases.schedule(4, rng, smallest=0.1), cases.normal((3, 4), rng)
    chance.repeated(
        lambda generator: chain(code, Spy(), x_T, betas, variance="large", generator=generator)[-1], rng, "sample"
    )


def test_ancestral_sample_keeps_the_dtype_of_x_T_for_the_model_and_the_result(code, rng):
    """The model sees, and the result has, the dtype of x_T."""
    for case in cases.precisions(rng):
        for kind in KINDS:
            model = Spy()
            states = chain(code, model, case.x_t, case.betas, kind=kind, variance="large")
            want = last_mean(model, case.betas, kind=kind).to(case.x_t.dtype)
            expect.close(states[-1], want, KEEP, rtol=1e-4, atol=1e-3)  # as SINGLE; x_t grows to 50


def test_ancestral_sample_records_no_gradient_and_leaves_its_arguments_as_they_were(code, rng):
    """No gradient is recorded, and the arguments stay as they are."""
    betas, x_T = cases.schedule(3, rng), cases.normal((2, 3), rng)
    for training, start in ((True, x_T.clone()), (False, x_T.clone()), (True, *tracked(x_T))):
        model, table = Spy().train(training), betas.clone()
        result = chain(code, model, start, table, clip=training)[-1]
        why = "a sampler records no gradient"
        expect.holds(not result.requires_grad, why, got="a result with a gradient", want="a result without")
        recorded = any(seen.tracked for seen in model.seen) and not start.requires_grad
        why = "a sampler records no gradient on its way, or its memory grows with T"
        expect.holds(not recorded, why, got="an x_t that carries a gradient", want="x_t without")
        expect.unchanged(KEEP, x_T=(x_T, start.detach()), betas=(betas, table))
        left_alone(model)


def test_ancestral_sample_refuses_an_unknown_kind_or_variance(code, rng):
    """A kind or variance that is not known is refused."""
    betas, x_T = cases.schedule(3, rng), cases.normal((2, 3), rng)
    for name, values in (("kind", UNKNOWN), ("variance", ("medium", "beta", "fixed_small", "LARGE", ""))):
        for value in values:

            def draw(name: str = name, value: str = value) -> Tensor:
                return code.ancestral_sample(Spy(), x_T, betas, **{name: value})

            why = f"an unknown {name} raises ValueError naming the argument: {name}"
            expect.raises(ValueError, draw, why, naming=name)


def test_ancestral_sample_takes_any_callable_and_keeps_half_precision(code, rng):
    """A plain function will do for a model, and float16 stays float16."""
    betas, generator = cases.schedule(3, rng, smallest=0.1).float(), Generator().manual_seed(0)
    x_T = cases.normal((2, 3), rng)
    takes_any_model_in_half_precision(lambda model, x: code.ancestral_sample(model, x, betas, generator=generator), x_T)
