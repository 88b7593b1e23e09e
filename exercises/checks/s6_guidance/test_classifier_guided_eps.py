"""The checks of classifier_guided_eps."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from exercises.checks import cases, expect
from exercises.checks.cases import Case, numbers, tracked
from exercises.checks.rules import FLOW, FREE, KEEP, SINGLE
from exercises.checks.s6_guidance.inputs import column, corners, labels, scales
from exercises.checks.s6_guidance.rules import ANY, APART
from exercises.checks.s6_guidance.worlds import labelled

GUIDED = "⟦an eps at level t is minus the score times √(1-ᾱ_t), and ⟧the guided score is the model's plus scale times the classifier's"


def guided(case: Case, scale: float | Tensor) -> Tensor:
    """`case.noise` stands for the classifier's score."""
    std = (1 - case.at(case.alpha_bar)).sqrt()
    model_score = -case.eps / std
    if isinstance(scale, Tensor):
        scale = column(scale, case.eps)
    return -std * (model_score + scale * case.noise)


def test_classifier_guided_eps_by_hand(code):
    """At two levels and two scales it comes out as computed by hand."""
    eps, score = numbers(1.0, 1.0)[:, None], numbers(0.5, 0.5)[:, None]
    got = code.classifier_guided_eps(eps, score, torch.tensor([1, 0]), numbers(0.64, 0.19), numbers(2.0, 1.0))
    why = "ᾱ = 0.19 and 0.64 have noise of 0.9 and 0.6⟦: 1 - 0.9 * 2 * 0.5 = 0.1, and 1 - 0.6 * 1 * 0.5 = 0.7⟧"
    expect.close(got, numbers(0.1, 0.7)[:, None], f"{why}; {GUIDED}", **FREE)


@given(case=cases.batches(), scale=st.floats(-2, 10, width=32))
def test_classifier_guided_eps_adds_the_scaled_score(code, case, scale):
    """The guided score is the model's plus scale times the classifier's."""
    got = code.classifier_guided_eps(case.eps, case.noise, case.t, case.alpha_bar, scale)
    expect.close(got, guided(case, scale), GUIDED, **FREE)


def test_classifier_guided_eps_at_scale_1_is_the_best_guess_with_the_label(code, rng):
    """With the best classifier, scale 1 is exactly the best guess with the label, and scale 0 the one without."""
    world, case = labelled(rng, 2), cases.make((5, 2), cases.schedule(6, rng, smallest=0.05), rng)
    y = labels(case, rng, classes=world.null)
    (x_t,) = tracked(case.x_t)
    (score,) = torch.autograd.grad(world.log_p(x_t, case.t, case.alpha_bar).gather(1, y[:, None]).sum(), x_t)
    free = world.eps(case.x_t, case.t, torch.full_like(y, world.null), case.alpha_bar)
    got = code.classifier_guided_eps(free, score, case.t, case.alpha_bar, 1.0)
    why = "scale 1 is Bayes' rule, log p(x_t | y) = log p(x_t) + log p(y | x_t) + const"
    expect.close(got, world.eps(case.x_t, case.t, y, case.alpha_bar), f"{why}; {GUIDED}", **FREE)
    got = code.classifier_guided_eps(free, score, case.t, case.alpha_bar, 0.0)
    expect.close(got, free, "at scale 0 the classifier has no say", **FREE)


def test_classifier_guided_eps_has_a_level_and_a_scale_for_each_sample(code, rng):
    """Each sample has its own level and its own scale, in any shape and layout."""
    for case in corners(rng):
        scale = scales(case, rng)
        got = code.classifier_guided_eps(case.eps, case.noise, case.t, case.alpha_bar, scale)
        expect.close(got, guided(case, scale), f"{APART}; {GUIDED}", **FREE)
        got = code.classifier_guided_eps(case.eps, case.noise, case.t, case.alpha_bar, 1.5)
        expect.close(got, guided(case, 1.5), f"{APART}; {GUIDED}", **FREE)


def test_classifier_guided_eps_takes_a_scale_of_any_size(code, rng):
    """No scale is too large, or too small."""
    case = cases.make((3, 2), cases.schedule(4, rng), rng)
    for scale in (20.0, -5.0, numbers(20.0, -5.0, 0.25)):
        got = code.classifier_guided_eps(case.eps, case.noise, case.t, case.alpha_bar, scale)
        expect.close(got, guided(case, scale), f"{ANY}; {GUIDED}", **FREE)


def test_classifier_guided_eps_keeps_the_dtype_and_its_arguments(code, rng):
    """The result has eps's dtype, whatever the tables come in, and no argument is changed."""
    for case in cases.precisions(rng):
        got = expect.untouched(
            lambda *arguments: code.classifier_guided_eps(*arguments, 2.5),
            KEEP, eps=case.eps, score=case.noise, t=case.t, alpha_bar=case.alpha_bar,
        )  # fmt: skip
        expect.close(got, guided(case.exactly(), 2.5).to(case.eps.dtype), f"{KEEP}; {GUIDED}", **SINGLE)


def test_classifier_guided_eps_keeps_the_dtype_whatever_the_scale_comes_in(code, rng):
    """The result has eps's dtype also where the scales of the samples have another one, and they are not changed."""
    for case in cases.precisions(rng):
        for precision in (torch.float32, torch.float64):
            scale = scales(case, rng, precision)
            got = expect.untouched(
                lambda scale, case=case: code.classifier_guided_eps(case.eps, case.noise, case.t, case.alpha_bar, scale),
                KEEP, scale=scale,
            )  # fmt: skip
            expect.close(got, guided(case.exactly(), scale.double()).to(case.eps.dtype), f"{KEEP}; {GUIDED}", **SINGLE)


def test_classifier_guided_eps_lets_gradients_through_to_eps(code, rng):
    """Gradients reach eps."""
    case = cases.gradual(rng)
    (eps,) = tracked(case.eps)
    got = code.classifier_guided_eps(eps, case.noise, case.t, case.alpha_bar, 2.5)
    expect.gradients(got, case.x0, FLOW, eps=(eps, case.x0), **FREE)


def test_classifier_guided_eps_lets_gradients_through_to_the_score(code, rng):
    """Gradients reach the classifier's score."""
    case = cases.gradual(rng)
    (score,) = tracked(case.noise)
    got = code.classifier_guided_eps(case.eps, score, case.t, case.alpha_bar, 2.5)
    std = (1 - case.at(case.alpha_bar)).sqrt()
    expect.gradients(got, case.x0, FLOW, score=(score, -2.5 * std * case.x0), **FREE)
