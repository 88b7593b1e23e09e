"""The checks of guided_sample."""

import math
from itertools import pairwise

import torch
from torch import Tensor

from exercises.checks import cases, expect
from exercises.checks.callers import takes_any_model_in_half_precision
from exercises.checks.cases import Case, numbers, tracked
from exercises.checks.expect import left_alone
from exercises.checks.rules import AS_IT_IS, FREE, KEEP, SINGLE
from exercises.checks.s6_guidance.asked import asks_both, doubled
from exercises.checks.s6_guidance.formulas import between
from exercises.checks.s6_guidance.inputs import NULLS, column, labels, scales
from exercises.checks.s6_guidance.models import Told
from exercises.checks.s6_guidance.rules import SAMPLER
from exercises.toolkit.worlds import Gaussian

STEP = "x̂_0 = (x - √(1-ᾱ_t) ε̂) / √ᾱ_t and x ← √ᾱ' x̂_0 + √(1-ᾱ') ε̂, with the guided ε̂ in both and ᾱ' of the next level"
CLEAN = "the last step goes to clean data, where ᾱ is 1"
TRAILING = "the levels are the trailing ones, round(T - i T/n) - 1 for i = 0 to n-1"
CALLS = "how it is asked, not the sample: the model is called n times, each time on a batch of 2B"
GRIDS = [(14, 6), (1, 1), (5, 5), (7, 3), (8, 1), (12, 5), (17, 7)]
"""(T, n) of which no step falls on a half, which may be rounded either way. 17 / (17/7) is above 7 in floats."""


Weights = tuple[float, ...]


def levels(T: int, n: int) -> list[int]:
    """The trailing steps, by whole numbers: floor(a + 1/2) = floor((2a + 1) / 2)."""
    return [(2 * T * (n - i) + n) // (2 * n) - 1 for i in range(n)]


def states(
    x_T: Tensor, y: Tensor, alpha_bar: Tensor, null: int, scale: float | Tensor, n: int, weights: Weights = ()
) -> list[Tensor]:
    """Where DDIM with the guided guesses of `Told(*weights)` comes by, from x_T to clean data."""
    T, model, found = len(alpha_bar), Told(*weights), [x_T]
    for level, following in pairwise([*levels(T, n), -1]):
        x, t = found[-1], torch.full((len(x_T),), level)
        with torch.no_grad():
            eps = between(model.guess(x, t, torch.full_like(y, null)), model.guess(x, t, y), scale)
        a, after = alpha_bar[level].item(), alpha_bar[following].item() if following >= 0 else 1.0
        found.append(math.sqrt(after / a) * x + (math.sqrt(1 - after) - math.sqrt(after * (1 - a) / a)) * eps)
    return found


def drawn(
    code, model: Told, x_T: Tensor, y: Tensor, alpha_bar: Tensor, null: int, scale: float | Tensor, n: int
) -> Tensor:
    """The sample, seen to be like x_T and finite, by n calls on doubled batches."""
    result = code.guided_sample(model, x_T, y, alpha_bar, null, scale, n)
    expect.tensor(result, KEEP, shape=x_T.shape, dtype=x_T.dtype, device=x_T.device)
    expect.finite(result, "samples are finite")
    doubled(model, n, len(x_T), CALLS)
    return result


def schedule(T: int, rng: torch.Generator) -> Tensor:
    """ᾱ of betas between 0.02 and 1/2, in no order."""
    return cases.alpha_bar_of(cases.schedule(T, rng, smallest=0.02))


def test_guided_sample_by_hand(code):
    """One step and two, with guesses that are known, come out as computed by hand."""

    def model(x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        return torch.where(y == 3, 1.0, 0.5).to(x_t.dtype)[:, None].expand(x_t.shape).clone()

    x_T, y, alpha_bar = numbers(2.0)[None], torch.tensor([3]), numbers(0.64, 0.36)
    got = code.guided_sample(model, x_T, y, alpha_bar, 0, 2.0, 1)
    why = "ε̂ = 0.5 + 2 (1 - 0.5) = 1.5, and one step goes from ᾱ = 0.36 to clean data: (2 - 0.8 * 1.5) / 0.6"
    expect.close(got, numbers(0.8 / 0.6)[None], f"{why}; {STEP}; {CLEAN}", **FREE)
    got = code.guided_sample(model, x_T, y, alpha_bar, 0, 2.0, 2)
    why = "ε̂ = 1.5: from ᾱ = 0.36 to 0.64, where x = 0.8 * 0.8 / 0.6 + 0.6 * 1.5, and on to clean data by (x - 0.6 * 1.5) / 0.8"
    expect.close(got, numbers(0.8 / 0.6)[None], f"{why}; {STEP}; {CLEAN}", **FREE)


def test_guided_sample_walks_down_the_trailing_levels(code, rng):
    """The model is called n times on doubled batches, at the trailing levels, from T-1 down."""
    for T, n in GRIDS:
        alpha_bar, x_T, model = schedule(T, rng), cases.normal((3, 2), rng), Told()
        drawn(code, model, x_T, torch.tensor([1, 0, 3]), alpha_bar, 5, 2.0, n)
        for call in model.asked:
            expect.close(call.t, call.t[:1].expand(6), "all samples of a call are at the same level")
        seen = torch.stack([call.t[0] for call in model.asked])
        expect.close(seen, torch.tensor(levels(T, n)), f"of T = {T} levels n = {n} are visited; {TRAILING}")


def test_guided_sample_asks_about_each_state_with_its_label_and_with_null(code, rng):
    """At each level the model sees the state as it is by then, with its label and with null."""
    for T, n in GRIDS:
        alpha_bar, x_T, y, model = schedule(T, rng), cases.normal((2, 2), rng), torch.tensor([4, 1]), Told()
        drawn(code, model, x_T, y, alpha_bar, -1, 1.5, n)
        way = states(x_T, y, alpha_bar, -1, 1.5, n)
        for call, x, level in zip(model.asked, way, levels(T, n), strict=False):
            t = torch.full((2,), level)
            asks_both(call, x, t, y, torch.full_like(y, -1), "null, here -1,", **FREE)


def test_guided_sample_lands_where_the_steps_lead(code, rng):
    """For data of any shape, with one scale for all or one a sample, the sample is where n guided DDIM steps lead."""
    for number, (T, n) in enumerate(GRIDS):
        # Guesses stay below 10, at a scale of 8 too: a guard that leaves 1e-6 of one moves the result by less than 1e-5
        calm = (0.5, 0.25 / T)
        for shape in (cases.SHAPES[number], cases.SHAPES[-1 - number], (2, 1, 2, 1, 2)):
            case = cases.make(shape, cases.schedule(T, rng, smallest=0.02), rng, cases.LAYOUTS[number % 3])
            y, null = labels(case, rng), NULLS[number % 3]
            for scale in (scales(case, rng), float(number % 3)):
                got = drawn(code, Told(*calm), case.x_t, y, case.alpha_bar, null, scale, n)
                column_scale = column(scale, case.x_t) if isinstance(scale, Tensor) else scale
                want = states(case.x_t, y, case.alpha_bar, null, column_scale, n, calm)[-1]
                size = max(1.0, float(want.abs().max()))  # a number near 0 may be what is left of larger ones
                expect.close(got, want, f"{STEP}; {CLEAN}", rtol=1e-5, atol=1e-5 * size)


def test_guided_sample_from_the_end_of_a_schedule(code, rng):
    """A step is right where next to nothing of the data is left, too."""
    alpha_bar, y, x_T = cases.alpha_bar_of(numbers(*cases.FADED)), torch.tensor([4, 1]), cases.normal((2, 3), rng)
    got = drawn(code, Told(), x_T, y, alpha_bar, -1, 1.5, 1)
    expect.close(got, states(x_T, y, alpha_bar, -1, 1.5, 1)[-1], f"{AS_IT_IS}; {STEP}; {CLEAN}", **FREE)


def test_guided_sample_of_two_bells_goes_to_a_bell_beyond(code, rng):
    """For a label and a null that stand for bells of one width, each scale leads to a bell further along their line."""
    alpha_bar, without, own = schedule(6, rng), Gaussian(-0.3, 0.4), Gaussian(0.5, 0.4)

    def model(x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        label = y.reshape(-1, *[1] * (x_t.ndim - 1)) == 2
        return torch.where(label, own.eps(x_t, t, alpha_bar), without.eps(x_t, t, alpha_bar))

    for n in (1, 2, 3, 6):
        x_T, scale = cases.normal((5, 2), rng), numbers(0.0, 1.0, 3.0, 7.5, 20.0)
        got = code.guided_sample(model, x_T, torch.tensor([2, 2, 2, 2, 2]), alpha_bar, 0, scale, n)
        mean = between(numbers(*[without.mean] * 5), numbers(*[own.mean] * 5), scale)[:, None]
        rest = x_T - alpha_bar[-1].sqrt() * mean
        for level, following in pairwise([*levels(6, n), -1]):
            a, after = alpha_bar[level].item(), alpha_bar[following].item() if following >= 0 else 1.0
            rest = rest * (math.sqrt(a * after) * 0.4 + math.sqrt((1 - a) * (1 - after))) / (0.4 * a + 1 - a)
        why = "guesses for N(-0.3, 0.4) and N(0.5, 0.4) lie on a line, whose point at scale s is the guess for N(-0.3 + 0.8 s, 0.4)"
        expect.close(got, mean + rest, f"{why}; {STEP}; {CLEAN}", **FREE)


def lands_in_its_dtype(code, case: Case, y: Tensor, scale: float | Tensor) -> None:
    """Two steps from x_t, in its dtype throughout."""
    model, exact = Told(), case.exactly()
    got = drawn(code, model, case.x_t, y, case.alpha_bar, 5, scale, 2)
    factor = column(scale.double(), exact.x_t) if isinstance(scale, Tensor) else scale
    want = states(exact.x_t, y, exact.alpha_bar, 5, factor, 2)[-1].to(case.x_t.dtype)
    expect.close(got, want, KEEP, **SINGLE)
    for call in model.asked:
        expect.tensor(call.x_t, "the model works in x_T's dtype", dtype=case.x_t.dtype)


def test_guided_sample_keeps_the_dtype_of_x_T_for_the_model_and_the_result(code, rng):
    """The model and the sample have x_T's dtype, whatever the tables come in."""
    for case in cases.precisions(rng):
        lands_in_its_dtype(code, case, labels(case, rng), 2.0)


def test_guided_sample_keeps_the_dtype_of_x_T_whatever_the_scale_comes_in(code, rng):
    """The model and the sample have x_T's dtype also where the scales of the samples have another one."""
    for case in cases.precisions(rng):
        if case.x_t.dtype == case.betas.dtype:
            for precision in (torch.float32, torch.float64):
                lands_in_its_dtype(code, case, labels(case, rng), scales(case, rng, precision) / 4)


def test_guided_sample_records_no_gradient_and_leaves_its_arguments_as_they_were(code, rng):
    """A sampler records no gradient, and changes neither its arguments nor the model."""
    alpha_bar, x_T, y = schedule(4, rng), cases.normal((2, 3), rng), torch.tensor([0, 3])
    for training, start in ((True, x_T.clone()), (False, x_T.clone()), (True, *tracked(x_T))):
        model, scale = Told().train(training), numbers(2.0, 0.5)
        table, wanted, factors = alpha_bar.clone(), y.clone(), scale.clone()
        result = drawn(code, model, start, wanted, table, 5, factors, 4)
        expect.holds(not result.requires_grad, SAMPLER, got="a result with a gradient", want="a result without")
        recorded = any(call.tracked for call in model.asked) and not start.requires_grad
        why = f"{SAMPLER} on its way, or its memory grows with n"
        expect.holds(not recorded, why, got="an x that carries a gradient", want="x without")
        expect.unchanged(
            KEEP, x_T=(x_T, start.detach()), alpha_bar=(alpha_bar, table), y=(y, wanted), scale=(scale, factors)
        )
        left_alone(model)


def test_guided_sample_takes_any_callable_and_keeps_half_precision(code, rng):
    """A plain function will do for a model, and float16 stays float16."""
    x = cases.normal((2, 3), rng)
    takes_any_model_in_half_precision(
        lambda model, x: code.guided_sample(
            model, x, torch.tensor([0, 2]), torch.tensor([0.9, 0.6, 0.3, 0.1]), 3, 2.0, 4
        ),
        x,
    )
