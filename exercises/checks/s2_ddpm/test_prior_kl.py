"""The checks of prior_kl."""

import math

import torch
from hypothesis import given
from torch import Tensor

from exercises.checks import cases, expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.rules import FLOW, KEEP, SINGLE
from exercises.checks.s2_ddpm.formulas import BITS, per_sample

LEFT = "KL(N(√ᾱ x_0, 1-ᾱ) to N(0, 1)) at the last level, the mean over each sample's elements, over ln 2"


def left_over(x0: Tensor, alpha_bar: Tensor) -> Tensor:
    a = float(alpha_bar[-1])
    return per_sample(0.5 * (-1 - math.log(1 - a) + 1 - a + a * x0**2)) / BITS


def test_prior_kl_by_hand(code):
    """Numbers that can be worked out by hand."""
    got = code.prior_kl(numbers(1.0, -1.0)[None], numbers(0.9, 0.5))
    why = "at ᾱ = 1/2 with x_0² = 1: ½ (ln 2 - 1 + 1/2 + 1/2) nats are half a bit per dimension"
    expect.close(got, numbers(0.5), why)


@given(case=cases.batches())
def test_prior_kl_compares_the_last_level_with_the_static_that_sampling_starts_from(code, case):
    """It compares the last level with the static that sampling starts from."""
    expect.close(code.prior_kl(case.x0, case.alpha_bar), left_over(case.x0, case.alpha_bar), LEFT)


def test_prior_kl_of_ddpm_is_next_to_nothing(code):
    """With the schedule of DDPM it is next to nothing."""
    alpha_bar = cases.alpha_bar_of(torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64))
    got = code.prior_kl(numbers(1.0, -1.0, 1.0, -1.0).reshape(2, 2), alpha_bar)
    want = numbers(2.0179e-5, 2.0179e-5) / BITS  # ½ (ᾱ + ᾱ²/2) with ᾱ = 4.0358e-5
    expect.close(got, want, "DDPM's schedule with x_0² = 1 leaves 2.018e-5 nats per dimension", rtol=1e-4, atol=0.0)


def test_prior_kl_gives_each_sample_its_own_on_any_shape(code, rng):
    """Each sample has its own, whatever its shape."""
    for case in cases.corners(rng):
        got = code.prior_kl(case.x0, case.alpha_bar)
        expect.close(got, left_over(case.x0, case.alpha_bar), "one number a sample, (B,): " + LEFT)


def test_prior_kl_keeps_the_dtype_and_its_arguments(code, rng):
    """The result has the data's dtype, and the arguments stay as they are."""
    for case in cases.precisions(rng):
        got = expect.untouched(code.prior_kl, KEEP, x0=case.x0, alpha_bar=case.alpha_bar)
        want = left_over(case.x0.double(), case.alpha_bar)
        expect.close(got, want.to(case.x0.dtype), KEEP, **SINGLE)


def test_prior_kl_lets_gradients_through(code, rng):
    """Gradients flow back through it, and they are the exact ones."""
    case = cases.gradual(rng)
    (x0,) = tracked(case.x0)
    slope = case.alpha_bar[-1] * case.x0 / (4 * BITS)
    expect.gradients(code.prior_kl(x0, case.alpha_bar), numbers(1.0, 1.0, 1.0), FLOW, x0=(x0, slope))
