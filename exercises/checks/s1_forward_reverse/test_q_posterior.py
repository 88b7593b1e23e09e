"""The checks of q_posterior."""

import torch
from hypothesis import given

from exercises.checks import cases, expect
from exercises.checks.cases import Case, numbers, tracked
from exercises.checks.rules import EACH, FLOW, FREE, KEEP, SINGLE, SMALL
from exercises.checks.s1_forward_reverse.formulas import posterior
from exercises.checks.s1_forward_reverse.inputs import corners

PAIR = "the answer is a pair (mean, variance)"
BAYES = "the mean of the product of both densities, by Bayes' rule⟦: μ̃_t = (√ᾱ_{t-1} β_t x_0 + √α_t (1-ᾱ_{t-1}) x_t) / (1-ᾱ_t)⟧"
SPREAD = (
    "β̃_t is the variance of the product of both densities, of shape (B, 1, ..., 1)⟦: β̃_t = (1-ᾱ_{t-1}) / (1-ᾱ_t) β_t⟧"
)
SURE = "before t = 0 nothing is noised, ᾱ_{-1} = 1: x_{t-1} is x_0, and its variance 0"


def q_posterior_is_right(got: object, case: Case, mean_why: str, variance_why: str, **tolerance: float) -> None:
    """Compare with Bayes' rule, computed in float64."""
    mean, variance = expect.tensors(got, 2, PAIR, ("mean", "variance"))
    exact = case.exactly()
    of_x0, of_x_t, want = posterior(exact)
    expect.close(variance, want.to(case.x0.dtype), variance_why, **(tolerance or SMALL))
    expect.close(mean, (of_x0 * exact.x0 + of_x_t * exact.x_t).to(case.x0.dtype), mean_why, **(tolerance or FREE))


def test_q_posterior_by_hand(code):
    """Numbers that can be worked out by hand."""
    x0, x_t = numbers(1.0, 0.0).expand(2, 2), numbers(0.0, 1.0).expand(2, 2)
    got = code.q_posterior(x0, x_t, torch.tensor([1, 0]), numbers(0.36, 0.75))
    mean, variance = expect.tensors(got, 2, PAIR, ("mean", "variance"))
    want = torch.stack([numbers(0.8 * 0.75 / 0.84, 0.5 * 0.36 / 0.84), numbers(1.0, 0.0)])
    expect.close(mean, want, "β = (0.36, 0.75) makes ᾱ = (0.64, 0.16), 1 before; " + BAYES)
    expect.close(variance, numbers(0.36 / 0.84 * 0.75, 0.0)[:, None], "ᾱ = (0.64, 0.16), 1 before; " + SPREAD)


@given(case=cases.batches())
def test_q_posterior_is_what_bayes_rule_says(code, case):
    """Mean and variance are what Bayes' rule says."""
    q_posterior_is_right(code.q_posterior(case.x0, case.x_t, case.t, case.betas), case, BAYES, SPREAD)


def test_q_posterior_at_t_0_is_the_data_without_doubt(code, rng):
    """At t = 0 it is the data, with variance 0."""
    for levels in (1, 3):
        x0, x_t = cases.normal((3, 2), rng), cases.normal((3, 2), rng)
        got = code.q_posterior(x0, x_t, torch.zeros(3, dtype=torch.int64), cases.schedule(levels, rng))
        mean, variance = expect.tensors(got, 2, PAIR, ("mean", "variance"))
        expect.close(mean, x0, SURE)
        # 1 - 1 may leave a rounding error of 1e-16 or so, and some keep a logarithm finite with 1e-20
        expect.close(variance, torch.zeros(3, 1, dtype=torch.float64), SURE, rtol=0.0, atol=1e-12)


def test_q_posterior_works_on_any_shape_and_layout(code, rng):
    """It works on data of any shape, however it lies in memory."""
    for case in corners(rng):
        q_posterior_is_right(code.q_posterior(case.x0, case.x_t, case.t, case.betas), case, EACH, SPREAD)


def test_q_posterior_keeps_the_dtype_and_its_arguments(code, rng):
    """The result has the data's dtype, and the arguments stay as they are."""
    for case in cases.precisions(rng):
        got = expect.untouched(code.q_posterior, KEEP, x0=case.x0, x_t=case.x_t, t=case.t, betas=case.betas)
        q_posterior_is_right(got, case, KEEP, KEEP, **SINGLE)


def test_q_posterior_lets_gradients_through(code, rng):
    """Gradients flow back through it, and they are the exact ones."""
    case = cases.gradual(rng)
    x0, x_t = tracked(case.x0, case.x_t)
    mean, _ = expect.tensors(code.q_posterior(x0, x_t, case.t, case.betas), 2, PAIR, ("mean", "variance"))
    (of_x0, of_x_t, _), pull = posterior(case), case.eps
    expect.gradients(mean, pull, FLOW, x0=(x0, of_x0 * pull), x_t=(x_t, of_x_t * pull), **FREE)
