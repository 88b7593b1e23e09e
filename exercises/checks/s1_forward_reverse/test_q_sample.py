"""The checks of q_sample."""

import torch
from hypothesis import given

from exercises.checks import cases, expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.rules import EACH, FLOW, FREE, KEEP, SINGLE
from exercises.checks.s1_forward_reverse.formulas import jump
from exercises.checks.s1_forward_reverse.inputs import corners

JUMP = "x_t = √ᾱ_t x_0 + √(1-ᾱ_t) ε"


def test_q_sample_by_hand(code):
    """Numbers that can be worked out by hand."""
    x0, noise = numbers(1.0, 0.0).expand(2, 2), numbers(0.0, 1.0).expand(2, 2)
    got = code.q_sample(x0, torch.tensor([1, 0]), noise, numbers(0.64, 0.36))
    want = torch.stack([numbers(0.6, 0.8), numbers(0.8, 0.6)])
    expect.close(got, want, "ᾱ = 0.36 keeps √0.36 = 0.6 of the data and adds √0.64 = 0.8 of the noise")


@given(case=cases.batches())
def test_q_sample_jumps_to_the_level_of_each_sample(code, case):
    """Each sample jumps to its own level."""
    expect.close(code.q_sample(case.x0, case.t, case.noise, case.alpha_bar), jump(case), JUMP)


def test_q_sample_works_on_any_shape_and_layout(code, rng):
    """It works on data of any shape, however it lies in memory."""
    for case in corners(rng):
        expect.close(code.q_sample(case.x0, case.t, case.noise, case.alpha_bar), jump(case), EACH)


def test_q_sample_keeps_the_dtype_and_its_arguments(code, rng):
    """The result has the data's dtype, and the arguments stay as they are."""
    for case in cases.precisions(rng):
        got = expect.untouched(
            code.q_sample, KEEP, x0=case.x0, t=case.t, noise=case.noise, alpha_bar=case.alpha_bar
        )  # fmt: skip
        expect.close(got, jump(case.exactly()).to(case.x0.dtype), KEEP, **SINGLE)


def test_q_sample_lets_gradients_through(code, rng):
    """Gradients flow back through it, and they are the exact ones."""
    case = cases.gradual(rng)
    x0, noise = tracked(case.x0, case.noise)
    got, pull, a = code.q_sample(x0, case.t, noise, case.alpha_bar), case.eps, case.at(case.alpha_bar)
    expect.gradients(got, pull, FLOW, x0=(x0, a.sqrt() * pull), noise=(noise, (1 - a).sqrt() * pull))


def test_q_sample_reaches_both_ends(code, rng):
    """Where ᾱ is 1 the data is untouched, and where it is 0 only the noise is left."""
    x0, noise = cases.normal((2, 3), rng), cases.normal((2, 3), rng)
    got = code.q_sample(x0, torch.tensor([0, 2]), noise, numbers(1 - 1e-12, 0.5, 1e-12))
    why = "at ᾱ near 1 x_t is x_0, and at ᾱ near 0 it is the noise: nothing is clamped"
    expect.close(got, torch.stack([x0[0], noise[1]]), why, **FREE)
