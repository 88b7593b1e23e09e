"""The checks of predict_x0."""

import torch
from hypothesis import given

from exercises.checks import cases, expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.rules import AS_IT_IS, EACH, FLOW, FREE, KEEP, SINGLE
from exercises.checks.s1_forward_reverse.formulas import unjump
from exercises.checks.s1_forward_reverse.inputs import corners


def test_predict_x0_by_hand(code):
    """Numbers that can be worked out by hand."""
    got = code.predict_x0(numbers(1.4)[None], torch.tensor([1]), numbers(1.0)[None], numbers(0.64, 0.36))
    expect.close(
        got, numbers(1.0)[None], "⟦(1.4 - √0.64 * 1) / √0.36 = 1: ⟧the jump of x_0 = 1 with ε = 1, undone", **FREE
    )


@given(case=cases.batches())
def test_predict_x0_solves_the_jump_for_the_data(code, case):
    """It solves the jump for the data, level by level."""
    got = code.predict_x0(case.x_t, case.t, case.eps, case.alpha_bar)
    expect.close(
        got,
        unjump(case),
        "the jump x_t = √ᾱ_t x_0 + √(1-ᾱ_t) ε, solved for x_0⟦: x_0 = (x_t - √(1-ᾱ_t) ε) / √ᾱ_t⟧",
        **FREE,
    )


def test_predict_x0_works_on_any_shape_and_layout(code, rng):
    """It works on data of any shape, however it lies in memory."""
    for case in corners(rng):
        expect.close(code.predict_x0(case.x_t, case.t, case.eps, case.alpha_bar), unjump(case), EACH, **FREE)


def test_predict_x0_at_the_end_of_a_schedule(code, rng):
    """It holds where next to nothing of the data is left, too."""
    case = cases.faded(rng)
    expect.close(code.predict_x0(case.x_t, case.t, case.eps, case.alpha_bar), unjump(case), AS_IT_IS, **FREE)


def test_predict_x0_keeps_the_dtype_and_its_arguments(code, rng):
    """The result has the data's dtype, and the arguments stay as they are."""
    for case in cases.precisions(rng):
        got = expect.untouched(
            code.predict_x0, KEEP, x_t=case.x_t, t=case.t, eps=case.eps, alpha_bar=case.alpha_bar
        )  # fmt: skip
        expect.close(got, unjump(case.exactly()).to(case.x_t.dtype), KEEP, **SINGLE)


def test_predict_x0_lets_gradients_through(code, rng):
    """Gradients flow back through it, and they are the exact ones."""
    case = cases.gradual(rng)
    x_t, eps = tracked(case.x_t, case.eps)
    got, pull, a = code.predict_x0(x_t, case.t, eps, case.alpha_bar), case.noise, case.at(case.alpha_bar)
    expect.gradients(got, pull, FLOW, x_t=(x_t, pull / a.sqrt()), eps=(eps, -((1 - a) / a).sqrt() * pull), **FREE)
