"""The checks of classifier_score."""

from functools import partial

import torch
from torch import Tensor

from exercises.checks import cases, expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.expect import left_alone
from exercises.checks.rules import KEEP
from exercises.checks.s6_guidance.inputs import corners, labels
from exercises.checks.s6_guidance.models import Judge
from exercises.checks.s6_guidance.rules import UNSURE
from exercises.checks.s6_guidance.worlds import labelled

SCORE = "score = ∇_{x_t} log p(y | x_t): of the log of softmax(logits), each sample's own label, in x_t"
OWN = "each sample has the gradient of its own log-probability: their sum has it, their mean has 1/B of it"


def test_classifier_score_by_hand(code):
    """The score of two classes comes out as computed by hand."""
    slope = numbers(3.0, -2.0)[:, None]

    def classifier(x_t: Tensor, t: Tensor) -> Tensor:
        logit = x_t @ slope
        return torch.cat([logit, torch.zeros_like(logit)], dim=1)

    x_t = torch.stack([numbers(0.0, 0.0), numbers(2.0, 3.0)])
    got = code.classifier_score(classifier, x_t, torch.tensor([1, 4]), torch.tensor([0, 1]))
    why = (
        "logits (3 x_1 - 2 x_2, 0) give both labels 1/2 at (0, 0) and (2, 3): half of (3, -2) for 0, its negative for 1"
    )
    expect.close(got, torch.stack([numbers(1.5, -1.0), numbers(-1.5, 1.0)]), f"{why}; {SCORE}")


def test_classifier_score_is_the_gradient_for_data_of_any_shape(code, rng):
    """Each sample gets the gradient of its own label's log-probability, at its own level, in any shape and layout."""
    for case in corners(rng):
        judge, y = Judge(case.x0[0].numel(), rng), labels(case, rng)
        got = code.classifier_score(judge, case.x_t, case.t, y)
        expect.close(got, judge.score(case.x_t, case.t, y), f"{SCORE}. {OWN}", **UNSURE)


def test_classifier_score_is_what_bayes_rule_says_of_labelled_data(code, rng):
    """With the best classifier, the score is what lies between the data's score and that of one label's data."""
    for shape in ((2,), (1, 2, 2)):
        world, case = labelled(rng, *shape), cases.make((4, *shape), cases.schedule(5, rng, smallest=0.05), rng)
        y = labels(case, rng, classes=world.null)
        classifier = partial(world.log_p, alpha_bar=case.alpha_bar)
        got = code.classifier_score(classifier, case.x_t, case.t, y)
        free = world.eps(case.x_t, case.t, torch.full_like(y, world.null), case.alpha_bar)
        want = (free - world.eps(case.x_t, case.t, y, case.alpha_bar)) / (1 - case.at(case.alpha_bar)).sqrt()
        expect.close(got, want, f"∇ log p(y | x_t) = ∇ log p(x_t | y) - ∇ log p(x_t); {SCORE}", **UNSURE)


def test_classifier_score_holds_where_the_classifier_is_sure(code):
    """Where the classifier is sure that the label is another one, the score pulls with all its force."""

    def classifier(x_t: Tensor, t: Tensor) -> Tensor:
        return torch.cat([x_t, -x_t], dim=1)

    x_t, y = numbers(30.0, -30.0)[:, None], torch.tensor([1, 0])
    got = code.classifier_score(classifier, x_t, torch.tensor([0, 1]), y)
    why = "logits (30, -30) have log-probabilities (0, -60), exactly: nothing is to be added under the logarithm"
    expect.close(got, numbers(-2.0, 2.0)[:, None], f"{why}; {SCORE}")


def test_classifier_score_works_where_gradients_are_not_recorded(code, rng):
    """It works inside of a sampler, under no_grad."""
    case = cases.gradual(rng)
    judge, y = Judge(4, rng), labels(case, rng)
    with torch.no_grad():
        got = code.classifier_score(judge, case.x_t, case.t, y)
    why = "samplers run under no_grad: what needs a gradient switches recording on for itself"
    expect.close(got, judge.score(case.x_t, case.t, y), f"{why}; {SCORE}", **UNSURE)


def test_classifier_score_leaves_no_trace_on_the_classifier_or_on_x_t(code, rng):
    """It leaves no gradient on the classifier's parameters or on x_t, and changes no argument."""
    case = cases.gradual(rng)
    y = labels(case, rng)
    for dtype in (torch.float32, torch.float64):
        x_t = case.x_t.to(dtype)
        for training, start in ((False, *tracked(x_t)), (True, x_t.clone())):
            judge = Judge(4, rng).train(training)
            flag, levels, wanted = start.requires_grad, case.t.clone(), y.clone()
            got = code.classifier_score(judge, start, levels, wanted)
            want = judge.score(case.x_t, case.t, y).to(dtype)
            expect.close(got, want, f"{KEEP}; {SCORE}", **UNSURE)
            expect.equal(start.requires_grad, flag, "x_t is the caller's: whether it takes gradients is not changed")
            why = "x_t is the caller's: no gradient is left on it"
            expect.holds(start.grad is None, why, got="a gradient on x_t", want="grad is None")
            left_alone(judge)
            expect.unchanged(KEEP, x_t=(x_t, start.detach()), t=(case.t, levels), y=(y, wanted))


def test_classifier_score_leaves_gradients_that_are_there_to_the_caller(code, rng):
    """What the classifier's parameters have gathered in training is there afterwards, neither more nor less."""
    case = cases.gradual(rng)
    judge, y = Judge(4, rng), labels(case, rng)
    for parameter in judge.parameters():
        parameter.grad = torch.full_like(parameter, 2.0)
    code.classifier_score(judge, case.x_t, case.t, y)
    kept = [parameter.grad for parameter in judge.parameters()]
    same = all(grad is not None and bool((grad == 2).all()) for grad in kept)
    why = "gradients that are there are the caller's: a score neither clears them nor adds to them"
    expect.holds(same, why, got="the gradients that were there changed", want="gradients of 2, as before")
