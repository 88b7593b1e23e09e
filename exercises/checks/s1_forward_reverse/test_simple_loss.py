"""The checks of simple_loss."""

import torch
from hypothesis import given
from torch import Tensor

from exercises.checks import cases, expect
from exercises.checks.callers import left_to_the_caller
from exercises.checks.cases import Case, numbers, tracked
from exercises.checks.expect import left_alone
from exercises.checks.rules import KEEP, SINGLE
from exercises.checks.s1_forward_reverse.formulas import jump
from exercises.checks.s1_forward_reverse.inputs import corners
from exercises.checks.spies import Exact, Spy, steps_of
from exercises.toolkit.worlds import Gaussian

MEAN = "the loss is the mean over every element of (ε - ε_θ(x_t, t))²"


def mse(case: Case, weight: float = 0.75, bias: float = 0.25) -> Tensor:
    """The loss of a `Spy`."""
    return (case.noise - (weight * jump(case) + bias)).square().mean()


def test_simple_loss_calls_the_model_once_with_the_noised_data_and_its_levels(code, rng):
    """The model is called once, or once for each piece of the batch, with the noised data and its levels."""
    for case in corners(rng):
        model = Spy()
        got = code.simple_loss(model, case.x0, case.t, case.noise, case.alpha_bar)
        calls = steps_of(model.seen, len(case.x0))
        expect.equal(len(calls), 1, "one call of the model is enough", of="calls of the model")
        expect.close(calls[0].x_t, jump(case), "the model sees x_t = √ᾱ_t x_0 + √(1-ᾱ_t) ε")
        expect.close(calls[0].t, case.t, "the model is told the level of each sample, t itself")
        expect.close(got, mse(case), MEAN)


@given(case=cases.batches())
def test_simple_loss_is_the_mean_squared_error_of_the_guessed_noise(code, case):
    """It is the mean squared error of the guessed noise."""
    expect.close(code.simple_loss(Spy(), case.x0, case.t, case.noise, case.alpha_bar), mse(case), MEAN)


def test_simple_loss_of_a_perfect_model_is_zero(code, rng):
    """A perfect model has a loss of 0."""
    nothing = Gaussian(mean=0.0, variance=0.0)  # data that is all zero: x_t is noise, and its share is known
    for case in corners(rng):
        model = Exact(nothing, case.alpha_bar)
        got = code.simple_loss(model, torch.zeros_like(case.x0), case.t, case.noise, case.alpha_bar)
        expect.close(got, numbers(0.0)[0], "a model that guesses the noise has nothing left to learn")


def test_simple_loss_lets_gradients_through_to_model_and_data(code, rng):
    """Gradients flow back to the model and to the data."""
    case, model = cases.gradual(rng), Spy()
    x0, noise = tracked(case.x0, case.noise)
    got = code.simple_loss(model, x0, case.t, noise, case.alpha_bar)
    a, x_t = case.at(case.alpha_bar), jump(case)
    error = 2 * (0.75 * x_t + 0.25 - case.noise) / x_t.numel()
    expect.gradients(
        got,
        numbers(1.0)[0],
        "the loss is differentiable in the model's parameters, in data and in noise",
        weight=(model.weight, (error * x_t).sum()),
        bias=(model.bias, error.sum()),
        x0=(x0, error * 0.75 * a.sqrt()),
        noise=(noise, error * (0.75 * (1 - a).sqrt() - 1)),
    )


def test_simple_loss_keeps_the_dtype_its_arguments_and_the_model(code, rng):
    """The result has the data's dtype; the arguments and the model stay as they are."""
    for case in cases.precisions(rng):
        model = Spy()
        got = expect.untouched(
            lambda *arguments, model=model: code.simple_loss(model, *arguments),
            KEEP, x0=case.x0, t=case.t, noise=case.noise, alpha_bar=case.alpha_bar,
        )  # fmt: skip
        expect.close(got, mse(case.exactly()).to(case.x0.dtype), KEEP, **SINGLE)
        expect.tensor(model.seen[0].x_t, "the model works in the data's dtype: x_t keeps it", dtype=case.x0.dtype)
        left_alone(model)


def test_simple_loss_leaves_mode_and_gradients_to_the_caller(code, rng):
    """A loss computes and no more: the model's mode and its gradients stay as they are."""
    case, model = cases.gradual(rng), Spy()
    left_to_the_caller(lambda: code.simple_loss(model, case.x0, case.t, case.noise, case.alpha_bar), model)
