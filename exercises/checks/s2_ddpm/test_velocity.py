"""The checks of velocity."""

import torch
from hypothesis import given
from torch import Tensor

from exercises.checks import cases, expect
from exercises.checks.cases import Case, numbers, tracked
from exercises.checks.rules import EACH, FLOW, FREE, KEEP, SINGLE
from exercises.checks.s2_ddpm.formulas import roots

SPEED = "v = √ᾱ_t ε - √(1-ᾱ_t) x_0"


def speed(case: Case) -> Tensor:
    signal, static = roots(case)
    return signal * case.eps - static * case.x0


def test_velocity_by_hand(code):
    """Numbers that can be worked out by hand."""
    x0, eps = numbers(1.0, 0.0)[None].expand(2, 2), numbers(0.0, 1.0)[None].expand(2, 2)
    got = code.velocity(x0, eps, torch.tensor([1, 0]), numbers(0.64, 0.36))
    want = torch.stack([numbers(-0.8, 0.6), numbers(-0.6, 0.8)])
    expect.close(got, want, "ᾱ = 0.36: √0.36 = 0.6 of the noise minus √0.64 = 0.8 of the data")


@given(case=cases.batches())
def test_velocity_is_noise_minus_data_by_the_roots_of_the_level(code, case):
    """It is the noise by √ᾱ, less the data by √(1-ᾱ)."""
    expect.close(code.velocity(case.x0, case.eps, case.t, case.alpha_bar), speed(case), SPEED)


def test_velocity_works_on_any_shape_and_layout(code, rng):
    """It works on data of any shape, however it lies in memory."""
    for case in cases.corners(rng):
        expect.close(code.velocity(case.x0, case.eps, case.t, case.alpha_bar), speed(case), EACH)


def test_velocity_keeps_the_dtype_and_its_arguments(code, rng):
    """The result has the data's dtype, and the arguments stay as they are."""
    for case in cases.precisions(rng):
        got = expect.untouched(code.velocity, KEEP, x0=case.x0, eps=case.eps, t=case.t, alpha_bar=case.alpha_bar)
        expect.close(got, speed(case.exactly()).to(case.x0.dtype), KEEP, **SINGLE)


def test_velocity_lets_gradients_through(code, rng):
    """Gradients flow back through it, and they are the exact ones."""
    case = cases.gradual(rng)
    x0, eps = tracked(case.x0, case.eps)
    got, pull, (signal, static) = code.velocity(x0, eps, case.t, case.alpha_bar), case.noise, roots(case)
    expect.gradients(got, pull, FLOW, x0=(x0, -static * pull), eps=(eps, signal * pull))


def test_velocity_reaches_both_ends(code, rng):
    """At clean data v is the noise, at static minus the data."""
    x0, eps = cases.normal((2, 3), rng), cases.normal((2, 3), rng)
    got = code.velocity(x0, eps, torch.tensor([0, 1]), numbers(1 - 1e-12, 1e-12))
    why = "v is +ε at ᾱ near 1 and -x_0 at ᾱ near 0: nothing is clamped"
    expect.close(got, torch.stack([eps[0], -x0[1]]), why, **FREE)
