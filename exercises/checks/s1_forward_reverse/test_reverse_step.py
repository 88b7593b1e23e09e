"""The checks of reverse_step."""

import math

import torch
from hypothesis import given
from torch import Tensor

from exercises.checks import cases, expect
from exercises.checks.cases import Case, numbers, tracked
from exercises.checks.rules import AS_IT_IS, EACH, FLOW, FREE, KEEP, SINGLE
from exercises.checks.s1_forward_reverse.formulas import ancestral, posterior, unjump
from exercises.checks.s1_forward_reverse.inputs import corners

STEP = "x_{t-1} = μ̃_t(x_t, x̂_0) + √β̃_t z with x̂_0 from x_t and ε⟦: x̂_0 = (x_t - √(1-ᾱ_t) ε) / √ᾱ_t⟧"


def stepped(case: Case) -> Tensor:
    mean, std = ancestral(case)
    return mean + std * case.noise


def test_reverse_step_by_hand(code):
    """Numbers that can be worked out by hand."""
    x_t, eps, noise = torch.eye(3, dtype=torch.float64)[:, None]  # nobody is at t = 0 here
    got = code.reverse_step(x_t, torch.tensor([1]), eps, numbers(0.36, 0.75), noise)
    want = numbers(2.0, -1.5 / math.sqrt(0.84), math.sqrt(0.27 / 0.84))[None]
    expect.close(got, want, "β = (0.36, 0.75) and t = 1 make it 2 x_t - 1.5/√0.84 ε + √(0.27/0.84) z", **FREE)


@given(case=cases.batches())
def test_reverse_step_is_the_posterior_mean_of_the_guessed_data_plus_scaled_noise(code, case):
    """It is the posterior's mean for the guessed data, plus noise of the right size."""
    got = code.reverse_step(case.x_t, case.t, case.eps, case.betas, torch.zeros_like(case.noise))
    expect.close(got, ancestral(case)[0], "without noise the step is the mean: " + STEP, **FREE)
    got = code.reverse_step(case.x_t, case.t, case.eps, case.betas, case.noise)
    expect.close(got, stepped(case), "√β̃_t multiplies z, with the posterior variance β̃_t: " + STEP, **FREE)


def test_reverse_step_adds_no_noise_where_t_is_0(code, rng):
    """No noise is added where t = 0."""
    for levels in (1, 4):
        case = cases.make((4, 3), cases.schedule(levels, rng), rng)
        got = code.reverse_step(case.x_t, case.t, case.eps, case.betas, 1000 * case.noise)
        expect.tensor(got, STEP, shape=(4, 3), dtype=torch.float64)
        last = case.t == 0
        expect.close(
            got[last], unjump(case)[last], "the step from t = 0 ends at x̂_0 itself, however large z is", **FREE
        )


def test_reverse_step_works_on_any_shape_and_layout(code, rng):
    """It works on data of any shape, however it lies in memory."""
    for case in corners(rng):
        expect.close(code.reverse_step(case.x_t, case.t, case.eps, case.betas, case.noise), stepped(case), EACH, **FREE)


def test_reverse_step_at_the_end_of_a_schedule(code, rng):
    """It holds where next to nothing of the data is left, too."""
    case = cases.faded(rng)
    got = code.reverse_step(case.x_t, case.t, case.eps, case.betas, case.noise)
    expect.close(got, stepped(case), f"{AS_IT_IS}; {STEP}", **FREE)


def test_reverse_step_keeps_the_dtype_and_its_arguments(code, rng):
    """The result has the data's dtype, and the arguments stay as they are."""
    for case in cases.precisions(rng):
        got = expect.untouched(
            code.reverse_step, KEEP, x_t=case.x_t, t=case.t, eps=case.eps, betas=case.betas, noise=case.noise
        )  # fmt: skip
        expect.close(got, stepped(case.exactly()).to(case.x_t.dtype), KEEP, **SINGLE)


def test_reverse_step_lets_gradients_through(code, rng):
    """Gradients flow back through it, and they are the exact ones."""
    case = cases.gradual(rng)
    x_t, eps, noise = tracked(case.x_t, case.eps, case.noise)
    got, pull = code.reverse_step(x_t, case.t, eps, case.betas, noise), case.x0
    (of_x0, of_x_t, variance), a = posterior(case), case.at(case.alpha_bar)
    expect.gradients(
        got,
        pull,
        FLOW,
        x_t=(x_t, (of_x0 / a.sqrt() + of_x_t) * pull),
        eps=(eps, -of_x0 * ((1 - a) / a).sqrt() * pull),
        noise=(noise, variance.sqrt() * pull),
        **FREE,
    )
