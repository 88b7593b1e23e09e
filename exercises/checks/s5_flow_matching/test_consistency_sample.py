"""The checks of consistency_sample."""

import torch
from torch import Generator, Tensor

from exercises.checks import cases, chance, expect
from exercises.checks.callers import takes_any_model_in_half_precision
from exercises.checks.cases import numbers
from exercises.checks.s5_flow_matching.models import Model, asked, undisturbed
from exercises.checks.s5_flow_matching.rules import GRID, KEEP, QUIET
from exercises.checks.s5_flow_matching.worlds import Ends

JUMPS = "one jump a level, from high to low: f(x, σ) with σ of shape (B,), the first at sigmas[0]"
AGAIN = "between two jumps fresh noise of deviation √(σ² - σ_min²) is added: f's answer is at level σ_min already"


class Jumper(Model):
    """A consistency function that is no straight line, in x or in the level."""

    def formula(self, x: Tensor, t: Tensor) -> Tensor:
        """Weight sin(x) + bias t / (1 + t)."""
        return self.weight * torch.sin(x) + self.bias * t / (1 + t)


def ladder(
    code, f: Jumper, x: Tensor, sigmas: list[float] | Tensor, generator: Generator | None = None, **least: float
) -> Tensor:
    """The sample, seen to be the last of f's answers, one for each level, the first at x."""
    kept = x.clone()
    got = code.consistency_sample(f, x, sigmas, generator=generator, **least)
    asked(f, kept, [float(sigma) for sigma in sigmas], JUMPS, "consistency function", like_x=False)
    expect.close(f.seen[0].x, kept, "x starts at level sigmas[0]: the first jump is from x itself, with no noise added")
    expect.close(got, f.seen[-1].answer, "the sample is the last answer of f, and nothing is done to it")
    return got


def added(f: Jumper, sigmas: list[float], sigma_min: float) -> list[Tensor]:
    """The noise before each jump but the first, over the deviation that it should have."""
    pairs = zip(f.seen[:-1], f.seen[1:], sigmas[1:], strict=True)
    return [(after.x - before.answer) / (sigma**2 - sigma_min**2) ** 0.5 for before, after, sigma in pairs]


def test_consistency_sample_jumps_once_a_level_and_returns_the_last_answer(code, rng):
    """One level or several, a list or a tensor, vectors, images and videos."""
    ladders = [[80.0], [80.0, 2.0], [20.0, 3.0, 0.5, 0.002], [5.0, 1.0, 0.3]]
    for shape, sigmas in zip(((2, 3), (1, 2, 2), (3, 2), (2, 2, 3, 4)), ladders, strict=True):
        for given in (sigmas, numbers(*sigmas)):
            ladder(code, Jumper(), cases.normal(shape, rng), given, rng)


def test_consistency_sample_adds_fresh_noise_up_to_each_level(code, rng):
    """Before each jump but the first the noise fills up what is missing to the level."""
    for sigma_min, sigmas in ((0.002, [80.0, 3.0, 0.5, 0.01]), (0.4, [5.0, 1.0, 0.5, 0.45])):
        f, x = Jumper(), 100 * cases.normal((64, 2, 4, 4), rng)
        ladder(code, f, x, sigmas, rng, sigma_min=sigma_min)
        z = torch.stack(added(f, sigmas, sigma_min)).flatten(2)
        # 6144 numbers: a deviation is seen to within some 10 %, and 0.45 instead of √(0.45² - 0.4²) is off by half
        why = f"(what f sees - its last answer) / √(σ² - σ_min²) is N(0, 1), with σ_min = {sigma_min}; {AGAIN}"
        for sigma, level in zip(sigmas[1:], z, strict=True):
            of = f"the noise before the jump at σ = {sigma:g}, over √(σ² - σ_min²)"
            chance.standard_normal(level, why, ("samples", "elements"), of=of)
        of = "the noise before all jumps, over √(σ² - σ_min²)"
        chance.standard_normal(z, why, ("levels", "samples", "elements"), of=of)


def test_consistency_sample_adds_nothing_at_the_lowest_level(code, rng):
    """At sigma_min no noise is missing: the jump starts where the last one ended."""
    for sigma_min in (0.002, 0.5):
        for given in ([4.0, sigma_min], numbers(4.0, sigma_min)):
            f = Jumper()
            ladder(code, f, cases.normal((2, 3), rng), given, rng, sigma_min=sigma_min)
            why = f"√(σ_min² - σ_min²) = 0, for σ_min = {sigma_min}: nothing is added; {AGAIN}"
            expect.close(f.seen[1].x, f.seen[0].answer, why, **GRID)


def test_consistency_sample_of_the_exact_function_is_data_at_the_lowest_level(code, rng):
    """With the exact function of N(0.7, 0.25) the samples are N(0.7, 0.25 + sigma_min²), after any number of jumps."""
    world = Ends(0.7, 0.5)
    for sigma_min, sigmas in ((0.002, [5.0]), (0.3, [5.0, 0.9, 0.6, 0.4])):
        x = 0.7 + (0.25 + 25.0) ** 0.5 * cases.normal((512, 8), rng)
        f = lambda x, sigma, sigma_min=sigma_min: world.jump(x, sigma, sigma_min)  # noqa: E731
        got = code.consistency_sample(f, x, sigmas, sigma_min, rng)
        expect.tensor(got, KEEP, shape=x.shape, dtype=x.dtype)
        z = (got - 0.7) / (0.25 + sigma_min**2) ** 0.5
        # 4096 numbers: a variance is seen to within 22 %; noise of deviation σ would make it 33 % larger
        chance.standard_normal(
            z,
            f"(sample - 0.7) / √(0.25 + σ_min²) is N(0, 1), with σ_min = {sigma_min}; {AGAIN}",
            of="(sample - 0.7) / √(0.25 + σ_min²)",
        )


def test_consistency_sample_takes_its_randomness_from_the_generator_alone(code, rng):
    """The same generator state gives the same sample, another gives another."""
    x = cases.normal((2, 3), rng)
    chance.repeated(lambda generator: ladder(code, Jumper(), x, [4.0, 2.0, 1.0], generator), rng, "sample")


def test_consistency_sample_keeps_the_dtype(code, rng):
    """float32 stays float32, levels in either precision, and without a generator it works too."""
    for dtype in (torch.float32, torch.float64):
        for levels in (torch.float32, torch.float64):
            f = Jumper().to(dtype)
            ladder(code, f, cases.normal((3, 2, 2), rng).to(dtype), numbers(4.0, 1.5, 0.25, dtype=levels))


def test_consistency_sample_records_no_gradient_and_leaves_its_arguments_as_they_were(code, rng):
    """A sampler only looks: no graph, nothing changed in place, the levels as they were."""
    undisturbed(lambda model, x: code.consistency_sample(model, x, [3.0, 1.0]), cases.normal((2, 3), rng), QUIET)
    sigmas, kept = numbers(3.0, 1.0), [3.0, 1.0]
    code.consistency_sample(Jumper(), cases.normal((2, 3), rng), sigmas)
    expect.unchanged(KEEP, sigmas=(numbers(3.0, 1.0), sigmas))
    code.consistency_sample(Jumper(), cases.normal((2, 3), rng), kept)
    expect.equal(kept, [3.0, 1.0], "the list of levels stays as it was")


def test_consistency_sample_takes_any_callable_and_keeps_half_precision(code, rng):
    """A plain function will do for a model, and float16 stays float16."""
    x = cases.normal((2, 3), rng)
    takes_any_model_in_half_precision(lambda model, x: code.consistency_sample(model, x, [3.0, 1.0]), x)
