"""The checks of to_eps."""

import torch
from hypothesis import given
from torch import Tensor

from exercises.checks import cases, expect
from exercises.checks.cases import Case, numbers, tracked
from exercises.checks.rules import AS_IT_IS, EACH, FLOW, FREE, KEEP, SINGLE
from exercises.checks.s2_ddpm.formulas import converted, jump, roots
from exercises.checks.s2_ddpm.rules import KINDS, NAMED, UNKNOWN

TO_EPS = {
    "eps": "a prediction of eps is eps",
    "x0": "x_t = √ᾱ_t x_0 + √(1-ᾱ_t) ε, solved for ε⟦: ε = (x_t - √ᾱ_t x_0) / √(1-ᾱ_t)⟧",
    "v": "x_t and v = √ᾱ_t ε - √(1-ᾱ_t) x_0, solved for ε⟦: ε = √(1-ᾱ_t) x_t + √ᾱ_t v⟧",
}


def slopes_eps(case: Case, kind: str) -> tuple[Tensor, Tensor]:
    """What multiplies the prediction, and what multiplies x_t, in eps."""
    signal, static = roots(case)
    return {
        "eps": (torch.ones_like(signal), torch.zeros_like(signal)),
        "x0": (-signal / static, 1 / static),
        "v": (signal, static),
    }[kind]


def test_to_eps_by_hand(code):
    """Numbers that can be worked out by hand."""
    x_t, t, alpha_bar = numbers(1.4)[None], torch.tensor([1]), numbers(0.64, 0.36)
    for kind, prediction in (("eps", 1.0), ("x0", 1.0), ("v", -0.2)):
        got = code.to_eps(numbers(prediction)[None], x_t, t, alpha_bar, kind)
        why = "x_0 = ε = 1 at ᾱ = 0.36 makes x_t = 0.6 + 0.8 = 1.4 and v = 0.6 - 0.8 = -0.2; "
        expect.close(got, numbers(1.0)[None], why + TO_EPS[kind], **FREE)


@given(case=cases.batches())
def test_to_eps_finds_the_noise_in_any_prediction(code, case):
    """It finds the noise in each kind of prediction."""
    for kind in KINDS:
        got = code.to_eps(case.eps, case.x_t, case.t, case.alpha_bar, kind)
        expect.close(got, converted(case, slopes_eps(case, kind)), f"{kind}: {TO_EPS[kind]}", **FREE)


@given(case=cases.batches())
def test_to_eps_finds_the_noise_of_the_jump(code, case):
    """It finds the noise that the jump added."""
    signal, static = roots(case)
    targets = {"eps": case.noise, "x0": case.x0, "v": signal * case.noise - static * case.x0}
    for kind, target in targets.items():
        got = code.to_eps(target, jump(case), case.t, case.alpha_bar, kind)
        expect.close(got, case.noise, f"a perfect prediction of {kind} gives the noise back: {TO_EPS[kind]}", **FREE)


def test_to_eps_works_on_any_shape_and_layout(code, rng):
    """It works on data of any shape, however it lies in memory."""
    for case in cases.corners(rng):
        for kind in KINDS:
            got = code.to_eps(case.eps, case.x_t, case.t, case.alpha_bar, kind)
            expect.close(got, converted(case, slopes_eps(case, kind)), EACH, **FREE)


def test_to_eps_keeps_the_dtype_and_its_arguments(code, rng):
    """The result has the data's dtype, and the arguments stay as they are."""
    for case in cases.precisions(rng):
        for kind in KINDS:
            got = expect.untouched(
                lambda *arguments, kind=kind: code.to_eps(*arguments, kind=kind),
                KEEP, prediction=case.eps, x_t=case.x_t, t=case.t, alpha_bar=case.alpha_bar,
            )  # fmt: skip
            want = converted(case.exactly(), slopes_eps(case.exactly(), kind))
            expect.close(got, want.to(case.x_t.dtype), KEEP, **SINGLE)


def test_to_eps_lets_gradients_through(code, rng):
    """Gradients flow back through it, and they are the exact ones."""
    case = cases.gradual(rng)
    for kind in KINDS:
        p, x_t = tracked(case.eps, case.x_t)
        got, pull = code.to_eps(p, x_t, case.t, case.alpha_bar, kind), case.noise
        of_p, of_x_t = slopes_eps(case, kind)
        expect.gradients(got, pull, FLOW, prediction=(p, of_p * pull), x_t=(x_t, of_x_t * pull), **FREE)


def test_to_eps_refuses_an_unknown_kind(code, rng):
    """A kind that is not known is refused."""
    case = cases.gradual(rng)
    for kind in UNKNOWN:

        def convert(kind: str = kind) -> Tensor:
            return code.to_eps(case.eps, case.x_t, case.t, case.alpha_bar, kind)

        expect.raises(ValueError, convert, NAMED, naming="kind")


def test_to_eps_reaches_both_ends(code, rng):
    """It holds where hardly any noise is there, and where hardly anything else is."""
    case = cases.at_both_ends((4, 3), rng)
    for kind in KINDS:
        got = code.to_eps(case.eps, case.x_t, case.t, case.alpha_bar, kind)
        expect.close(got, converted(case, slopes_eps(case, kind)), f"{AS_IT_IS}; {kind}: {TO_EPS[kind]}", **FREE)
