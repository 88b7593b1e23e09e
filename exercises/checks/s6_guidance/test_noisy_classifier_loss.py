"""The checks of noisy_classifier_loss."""

import math

import torch
from torch import Tensor

from exercises.checks import cases, expect
from exercises.checks.callers import Gain, left_to_the_caller
from exercises.checks.cases import Case, numbers, tracked
from exercises.checks.expect import left_alone
from exercises.checks.rules import KEEP
from exercises.checks.s6_guidance.formulas import jump
from exercises.checks.s6_guidance.inputs import corners, labels
from exercises.checks.s6_guidance.models import Judge
from exercises.checks.s6_guidance.rules import NOISED, UNSURE

CROSS = "the loss is the mean over the batch of -log p(y | x_t), in nats, with p = softmax(logits)"


def price(judge: Judge, case: Case, y: Tensor) -> Tensor:
    """-log p(y | x_t) of each sample, (B,)."""
    logits = judge.logits(jump(case), case.t)
    return logits.logsumexp(1) - logits[torch.arange(len(y)), y]


def test_noisy_classifier_loss_by_hand(code):
    """Two samples whose probabilities are known cost what was computed by hand."""

    def classifier(x_t: Tensor, t: Tensor) -> Tensor:
        return torch.cat([x_t, torch.zeros_like(x_t)], dim=1)

    x0, noise = numbers(1.0, 0.0)[:, None], numbers(0.5, math.log(3) / 0.8)[:, None]
    got = code.noisy_classifier_loss(
        classifier, x0, torch.tensor([0, 1]), torch.tensor([0, 1]), noise, numbers(0.64, 0.36)
    )
    want = (math.log1p(math.exp(-1.1)) + math.log(4)) / 2
    why = "x_t = 0.8 * 1 + 0.6 * 0.5 = 1.1 and 0.8 * log 3 / 0.8 = log 3: label 0 has 1 / (1 + e^-1.1), label 1 has 1/4"
    expect.close(got, numbers(want)[0], f"{why}; {CROSS}")


def test_noisy_classifier_loss_is_the_cross_entropy_of_noised_data(code, rng):
    """The loss is the mean cross entropy of what the classifier says of the noised data, in any shape and layout."""
    for case in corners(rng):
        judge, y = Judge(case.x0[0].numel(), rng, noted=True), labels(case, rng)
        got = code.noisy_classifier_loss(judge, case.x0, y, case.t, case.noise, case.alpha_bar)
        expect.close(got, price(judge, case, y).mean(), f"{CROSS}; {NOISED}", **UNSURE)
    case, y = cases.make((5, 2), cases.schedule(5, rng), rng), torch.tensor([1, 3, 1, 1, 0])
    judge = Judge(2, rng, noted=True)
    got = code.noisy_classifier_loss(judge, case.x0, y, case.t, case.noise, case.alpha_bar)
    why = "every sample counts alike, those of a label that is seldom no more than the others"
    expect.close(got, price(judge, case, y).mean(), f"{why}; {CROSS}; {NOISED}", **UNSURE)


def test_noisy_classifier_loss_shows_the_classifier_noised_data_and_its_levels(code, rng):
    """The classifier is shown each sample at its own level, and told that level."""
    for case in corners(rng):
        judge, y = Judge(case.x0[0].numel(), rng, noted=True), labels(case, rng)
        code.noisy_classifier_loss(judge, case.x0, y, case.t, case.noise, case.alpha_bar)
        whole = bool(judge.asked) and all(call.tells(call.t) for call in judge.asked)
        why = "the classifier is told a level for each sample that it is shown"
        expect.holds(whole, why, got=[str(call.t) for call in judge.asked], want="t of shape (B,)")
        x_t, t = judge.shown()
        expect.close(x_t, jump(case), NOISED)
        expect.close(t, case.t, "the classifier is told the level of each sample, t itself")


def test_noisy_classifier_loss_teaches_a_classifier_that_is_sure_and_wrong(code):
    """A classifier that is sure and wrong has as much to learn as can be, and one that is sure and right nothing."""

    def classifier(x_t: Tensor, t: Tensor) -> Tensor:
        return torch.cat([x_t, -x_t], dim=1)

    why = "at logits (30, -30) -log p is (0, 60), with slopes of 0 and 2 in x_t: nothing is added under the logarithm"
    for label, slope in ((1, 2.0), (0, 0.0)):
        (x0,) = tracked(numbers(30.0 / 0.8)[None])
        y, t, noise = torch.tensor([label]), torch.tensor([0]), numbers(0.0)[None]
        got = code.noisy_classifier_loss(classifier, x0, y, t, noise, numbers(0.64))
        expect.gradients(got, numbers(1.0)[0], f"{why}; {CROSS}", x0=(x0, numbers(0.8 * slope)[None]))


def test_noisy_classifier_loss_lets_gradients_through_to_classifier_and_data(code, rng):
    """Gradients reach the classifier's parameters, the data and the noise."""
    case = cases.gradual(rng)
    judge, y = Judge(4, rng, noted=True), labels(case, rng)
    x0, noise = tracked(case.x0, case.noise)
    own = Case(x0, case.x_t, case.eps, noise, case.t, case.betas, case.alpha_bar)
    want = torch.autograd.grad(price(judge, own, y).mean(), (judge.matrix, judge.slope, x0, noise))
    got = code.noisy_classifier_loss(judge, x0, y, case.t, noise, case.alpha_bar)
    expect.gradients(
        got,
        numbers(1.0)[0],
        f"the loss is differentiable in the classifier's parameters, in data and in noise; {CROSS}",
        matrix=(judge.matrix, want[0]),
        slope=(judge.slope, want[1]),
        x0=(x0, want[2]),
        noise=(noise, want[3]),
        **UNSURE,
    )


def test_noisy_classifier_loss_keeps_the_dtype_its_arguments_and_the_classifier(code, rng):
    """The classifier works in the data's dtype, and no argument is changed."""
    for case in cases.precisions(rng):
        judge, y = Judge(4, rng, noted=True).train(case.x0.dtype == torch.float32), labels(case, rng)
        got = expect.untouched(
            lambda *arguments, judge=judge: code.noisy_classifier_loss(judge, *arguments),
            KEEP, x0=case.x0, y=y, t=case.t, noise=case.noise, alpha_bar=case.alpha_bar,
        )  # fmt: skip
        want = price(judge, case.exactly(), y).mean().detach().to(case.x0.dtype)
        expect.close(got, want, f"{KEEP}; {CROSS}", **UNSURE)
        expect.tensor(judge.asked[0].x_t, "the classifier works in the data's dtype: x_t keeps it", dtype=case.x0.dtype)
        left_alone(judge)


def test_noisy_classifier_loss_leaves_modes_and_gradients_to_the_caller(code, rng):
    """A loss computes and no more: the modes of its models and their gradients stay as they are."""
    classifier = Gain(logits=True)
    x, noise = cases.normal((2, 3), rng), cases.normal((2, 3), rng)
    left_to_the_caller(
        lambda: code.noisy_classifier_loss(
            classifier, x, torch.tensor([0, 2]), torch.tensor([0, 1]), noise, torch.tensor([0.9, 0.5]).double()
        ),
        classifier,
    )
