"""The checks of dpmpp_2m_step."""

import itertools
import math
from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from exercises.checks import cases, expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.rules import FLOW, KEEP
from exercises.checks.s4_fast_sampling.formulas import alpha_sigma, flow, multistep, order
from exercises.checks.s4_fast_sampling.inputs import BODIES, seeds, shapes
from exercises.checks.s4_fast_sampling.rules import SECOND, SINGLE, near

FIRST = "the first-order step is (σ_t/σ_s) x - α_t (e^(-h) - 1) x0_pred, h = λ_t - λ_s"
UNEVEN = "steps differ in length, h before h: the correction is h / (2 (λ_s - λ_prev)); "
LAST = "λ_t = ∞ is clean data: σ_t is 0, α_t is 1, and the step is of first order: x0_pred"


def three(shape: tuple[int, ...], rng: Generator) -> list[Tensor]:
    """x, x0_pred and x0_prev."""
    return [cases.normal(shape, rng) for _ in range(3)]


def test_dpmpp_2m_step_of_first_order_by_hand(code):
    """By hand, without a past: from λ = 0 to log 2, where α² is 0.8."""
    x, x0 = numbers(1.0, 0.0)[None], numbers(0.0, 1.0)[None]
    got = code.dpmpp_2m_step(x, x0, None, None, 0.0, math.log(2))
    why = "σ² goes from 1/2 to 1/5, α_t² = 4/5, e^(-h) = 1/2; " + FIRST
    near(got, math.sqrt(0.4) * x + 0.5 * math.sqrt(0.8) * x0, why)


def test_dpmpp_2m_step_of_second_order_by_hand(code):
    """By hand, with a past: λ = -1, 0, 0.5, a step half as long as the one before."""
    x, x0, x0_prev = numbers(1.0)[None], numbers(0.6)[None], numbers(0.2)[None]
    got = code.dpmpp_2m_step(x, x0, x0_prev, -1.0, 0.0, 0.5)
    why = "h is 0.5 and was 1, so D = 0.6 + 0.25 (0.6 - 0.2) = 0.7; " + SECOND
    near(got, multistep(x, numbers(0.7)[None], None, 0, 0.0, 0.5), why)


@given(shape=shapes, seed=seeds, lam=st.floats(-3, 2), h=st.floats(0.05, 2))
def test_dpmpp_2m_step_without_a_past_is_of_first_order(code, shape, seed, lam, h):
    """x0_prev = None gives the first-order step, with lam_prev or without."""
    x, x0, _ = three(shape, Generator().manual_seed(seed))
    want = multistep(x, x0, None, 0, lam, lam + h)
    near(code.dpmpp_2m_step(x, x0, None, None, lam, lam + h), want, "x0_prev and lam_prev are None: " + FIRST)
    near(code.dpmpp_2m_step(x, x0, None, lam - 0.3, lam, lam + h), want, "x0_prev is None: " + FIRST)


@given(shape=shapes, seed=seeds, lam=st.floats(-3, 2), before=st.floats(0.2, 2), h=st.floats(0.05, 2))
def test_dpmpp_2m_step_corrects_by_the_step_before(code, shape, seed, lam, before, h):
    """With a past the prediction is carried on to the middle of the step, whatever the lengths of both steps."""
    x, x0, x0_prev = three(shape, Generator().manual_seed(seed))
    got = code.dpmpp_2m_step(x, x0, x0_prev, lam - before, lam, lam + h)
    near(got, multistep(x, x0, x0_prev, lam - before, lam, lam + h), UNEVEN + SECOND)


def test_dpmpp_2m_step_with_two_equal_predictions_is_the_first_order_step(code, rng):
    """Where the prediction did not change there is nothing to correct."""
    x, x0, _ = three((2, 3), rng)
    for before, h in ((0.3, 0.7), (1.1, 0.2)):
        got = code.dpmpp_2m_step(x, x0, x0.clone(), 0.4 - before, 0.4, 0.4 + h)
        why = "the correction is a multiple of x0_pred - x0_prev; "
        near(got, multistep(x, x0, None, 0, 0.4, 0.4 + h), why + FIRST)


def test_dpmpp_2m_step_takes_a_past_of_zeros_for_a_past(code, rng):
    """A prediction of zeros, or one at λ = 0, is a prediction and no missing one."""
    x, x0, _ = three((2, 3), rng)
    zeros = torch.zeros_like(x)
    for lam_prev, lam_s, lam_t in ((0.0, 0.4, 1.1), (-0.9, 0.0, 0.5), (-1.2, -0.7, 0.0)):
        got = code.dpmpp_2m_step(x, x0, zeros, lam_prev, lam_s, lam_t)
        why = "only None is no past: zeros may be what the model predicted, and 0 is a λ like any other; "
        near(got, multistep(x, x0, zeros, lam_prev, lam_s, lam_t), why + SECOND)


def test_dpmpp_2m_step_to_clean_data_without_a_past(code, rng):
    """λ_t = ∞ without a past is the prediction itself."""
    x, x0, _ = three((2, 3), rng)
    for lam_t in (math.inf, torch.tensor(math.inf), numbers(math.inf)[0]):
        near(code.dpmpp_2m_step(x, x0, None, None, 0.7, lam_t), x0, LAST)


def test_dpmpp_2m_step_to_clean_data_forgets_the_past(code, rng):
    """λ_t = ∞ is of first order whatever x0_prev is."""
    x, x0, x0_prev = three((2, 3), rng)
    for lam_t in (math.inf, torch.tensor(math.inf), numbers(math.inf)[0]):
        got = code.dpmpp_2m_step(x, x0, x0_prev, -0.4, 0.7, lam_t)
        near(got, x0, LAST)


def test_dpmpp_2m_step_far_out(code, rng):
    """Noisy beginnings and nearly clean ends, where whatever is added or clamped shows."""
    for lam_prev, lam_s, lam_t in ((-9.9, -9.0, -4.0), (3.0, 5.0, 7.0), (-6.0, -5.0, 6.0)):
        x, x0, x0_prev = three((2, 3), rng)
        got = code.dpmpp_2m_step(x, x0, x0_prev, lam_prev, lam_s, lam_t)
        near(got, multistep(x, x0, x0_prev, lam_prev, lam_s, lam_t), "no epsilon, no clamp; " + SECOND)


def test_dpmpp_2m_step_is_of_second_order(code, rng):
    """On Gaussian data with the exact prediction, half the step makes a quarter of the error, on an uneven grid."""
    x_T, errors = cases.normal((4, 2), rng), []
    want = flow(x_T, 0.7, 0.25, alpha_sigma(-3.0), alpha_sigma(2.0))
    for count in (32, 64):
        x, x0_prev, lam_prev = x_T, None, None
        grid = [-3 + 5 * (i / count) ** 1.5 for i in range(count + 1)]
        for lam_s, lam_t in itertools.pairwise(grid):
            alpha, sigma = alpha_sigma(lam_s)
            x0 = 0.7 + alpha * 0.25 / (alpha**2 * 0.25 + sigma**2) * (x - alpha * 0.7)
            x = code.dpmpp_2m_step(x, x0, x0_prev, lam_prev, lam_s, lam_t)
            expect.tensor(x, KEEP, shape=(4, 2), dtype=torch.float64)
            x0_prev, lam_prev = x0, lam_s
        errors.append(x - want)
    found = order(errors)
    expect.holds(
        1.7 < found < 2.6,
        "2M is of order 2: half the step, a quarter of the error",
        got=found,
        want="an order of about 2",
        told=f"an order of {found:.2f}",
    )


def test_dpmpp_2m_step_takes_floats_and_tensors(code, rng):
    """Each λ may come as a float or as a 0-d tensor."""
    x, x0, x0_prev = three((2, 3), rng)
    makers: list[Any] = [float, lambda value: numbers(value)[0]]
    want = multistep(x, x0, x0_prev, -1.0371, -0.2583, 0.5219)
    for make_prev in makers:
        for make_s in makers:
            for make_t in makers:
                got = code.dpmpp_2m_step(x, x0, x0_prev, make_prev(-1.0371), make_s(-0.2583), make_t(0.5219))
                near(got, want, "λ may be a float or a 0-d tensor; " + SECOND)


def test_dpmpp_2m_step_works_on_any_shape_and_layout(code, rng):
    """Vectors, images and videos, a batch of one, strided and expanded."""
    for shape in BODIES:
        for layout in cases.LAYOUTS:
            x, x0, x0_prev = (cases.normal(shape, rng, layout) for _ in range(3))
            got = code.dpmpp_2m_step(x, x0, x0_prev, -1.0, -0.25, 0.5)
            near(got, multistep(x, x0, x0_prev, -1.0, -0.25, 0.5), "data is (B, *S) for any S; " + SECOND)


def test_dpmpp_2m_step_keeps_the_dtype_and_its_arguments(code, rng):
    """The result has x's dtype, whatever λ's is, and arguments stay as they are."""
    for data in (torch.float32, torch.float64):
        for lams in (torch.float32, torch.float64):
            x, x0, x0_prev = (batch.to(data) for batch in three((3, 2, 2), rng))
            for lam_t in (0.5, math.inf):
                lam_prev, lam_s, end = numbers(-1.0, -0.25, lam_t).to(lams)
                got = expect.untouched(
                    code.dpmpp_2m_step,
                    KEEP,
                    x=x,
                    x0_pred=x0,
                    x0_prev=x0_prev,
                    lam_prev=lam_prev,
                    lam_s=lam_s,
                    lam_t=end,
                )
                want = multistep(x, x0, x0_prev, -1.0, -0.25, lam_t).to(data)
                expect.close(got, want, KEEP, **SINGLE)


def test_dpmpp_2m_step_lets_gradients_through(code, rng):
    """Gradients reach x and the prediction."""
    (x, x0, x0_prev), pull = tracked(*three((2, 3), rng)), cases.normal((2, 3), rng)
    (_, sigma_s), (alpha_t, sigma_t) = alpha_sigma(-0.25), alpha_sigma(0.5)
    share = alpha_t * (1 - math.exp(-0.75))
    ratio = 0.75 / (2 * 0.75)
    got = code.dpmpp_2m_step(x, x0, x0_prev, -1.0, -0.25, 0.5)
    expect.gradients(got, pull, FLOW, x=(x, sigma_t / sigma_s * pull), x0_pred=(x0, share * (1 + ratio) * pull))


def test_dpmpp_2m_step_lets_gradients_through_to_the_past(code, rng):
    """Gradients reach the prediction of the step before."""
    (x, x0, x0_prev), pull = tracked(*three((2, 3), rng)), cases.normal((2, 3), rng)
    alpha_t, _ = alpha_sigma(0.5)
    got = code.dpmpp_2m_step(x, x0, x0_prev, -1.0, -0.25, 0.5)
    expect.gradients(got, pull, FLOW, x0_prev=(x0_prev, -alpha_t * (1 - math.exp(-0.75)) / 2 * pull))
