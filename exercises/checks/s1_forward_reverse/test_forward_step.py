"""The checks of forward_step."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from exercises.checks import cases, expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.rules import FLOW, KEEP, SINGLE
from exercises.checks.s1_forward_reverse.inputs import corners

# With a tolerance of 1e-4 where beta is a float: it may become a float32 tensor, and 1 - 0.999 then loses four digits.

MARKOV = "x_t = √(1-β) x_{t-1} + √β ε: the roots keep the variance at 1"


def step(x: Tensor, beta: float, noise: Tensor) -> Tensor:
    return math.sqrt(1 - beta) * x.double() + math.sqrt(beta) * noise.double()


def test_forward_step_by_hand_with_beta_0_36(code):
    """Numbers that can be worked out by hand, with β = 0.36."""
    got = code.forward_step(numbers(1.0, 0.0, 2.0)[None], 0.36, numbers(0.0, 1.0, -1.0)[None])
    want = numbers(0.8, 0.6, 1.0)[None]
    expect.close(got, want, "√(1-0.36) = 0.8 of the signal and √0.36 = 0.6 of the noise", **SINGLE)


@given(case=cases.batches(), beta=st.floats(1e-4, 0.999))
def test_forward_step_mixes_signal_and_noise_by_the_roots_of_their_variances(code, case, beta):
    """Signal and noise are mixed by the roots of their variances."""
    for given_beta in (beta, torch.tensor(beta, dtype=torch.float64)):
        got = code.forward_step(case.x0, given_beta, case.noise)
        expect.close(got, step(case.x0, beta, case.noise), MARKOV, **SINGLE)


def test_forward_step_works_on_any_shape_and_layout(code, rng):
    """It works on data of any shape, however it lies in memory."""
    for case in corners(rng):
        got = code.forward_step(case.x0, case.betas[0], case.noise)
        want = step(case.x0, case.betas[0].item(), case.noise)
        expect.close(got, want, "data is (B, *S) for any S, however it lies in memory", **SINGLE)


def test_forward_step_keeps_the_dtype_and_its_arguments(code, rng):
    """The result has the data's dtype, and the arguments stay as they are."""
    for case in cases.precisions(rng):
        beta = case.betas[1]
        want = step(case.x0, beta.item(), case.noise).to(case.x0.dtype)
        expect.close(code.forward_step(case.x0, beta.item(), case.noise), want, KEEP, **SINGLE)
        got = expect.untouched(code.forward_step, KEEP, x=case.x0, beta=beta, noise=case.noise)
        expect.close(got, want, KEEP, **SINGLE)


def test_forward_step_lets_gradients_through(code, rng):
    """Gradients flow back through it, and they are the exact ones."""
    case = cases.gradual(rng)
    x, noise = tracked(case.x0, case.noise)
    got, pull = code.forward_step(x, 0.36, noise), case.eps
    expect.gradients(got, pull, FLOW, x=(x, 0.8 * pull), noise=(noise, 0.6 * pull), **SINGLE)
