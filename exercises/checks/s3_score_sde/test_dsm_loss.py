"""The checks of dsm_loss."""

import torch
from hypothesis import given
from torch import Generator, Tensor, nn

from exercises.checks import cases, expect
from exercises.checks.callers import left_to_the_caller
from exercises.checks.cases import numbers, tracked
from exercises.checks.expect import left_alone
from exercises.checks.s3_score_sde.inputs import moments, seeds, times
from exercises.checks.s3_score_sde.rules import KEEP, SINGLE
from exercises.checks.spies import Spy
from exercises.toolkit.processes import FADING, GROWING, Bent, Drain

MATCH = "the loss is the mean over every element of (std score(x_t, t) + ε)², with x_t = mean_coef x_0 + std ε"


class Perfect(nn.Module):
    """A model that knows the noise, and with it the score of each sample."""

    def __init__(self, noise: Tensor, std: Tensor) -> None:
        super().__init__()
        self.score, self.gain = -noise / std, nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        return self.gain * self.score


def noised(case: cases.Case, t: Tensor, sde: Drain | Bent) -> tuple[Tensor, Tensor, Tensor]:
    """(x_t, mean_coef, std)."""
    mean_coef, std = sde.marginal(t, case.x0)
    return mean_coef * case.x0 + std * case.noise, mean_coef, std


def test_dsm_loss_by_hand(code):
    """Numbers that can be worked out by hand."""
    x0, noise = numbers(4.0, 2.0)[None], numbers(1.0, -1.0)[None]
    got = code.dsm_loss(Spy(2.0, -3.0), x0, numbers(1.0), noise, Bent())
    why = (
        "at t = 1 x_t = 4 / 2 + 1.1 * 1 = 3.1, the score model says 2 * 3.1 - 3 = 3.2, and (1.1 * 3.2 + 1)² = 20.4304; in the second"
        " axis they are -0.1 and -3.2, the square is the same, and so is the mean"
    )
    expect.close(got, numbers(20.4304)[0], why)


@given(case=cases.batches(), seed=seeds)
def test_dsm_loss_is_the_mean_squared_error_of_the_scaled_score(code, case, seed):
    """It is the mean squared error of the score, scaled by std."""
    t = times(len(case.x0), Generator().manual_seed(seed))
    for sde in (Bent(), GROWING):
        x_t, _, std = noised(case, t, sde)
        want = (std * (0.75 * x_t + 0.25) + case.noise).square().mean()
        expect.close(code.dsm_loss(Spy(), case.x0, t, case.noise, sde), want, MATCH)


def test_dsm_loss_calls_the_model_once_with_the_noised_data_and_its_times(code, rng):
    """The model is called once, with the noised data and its times."""
    for case in cases.corners(rng):
        model, t = Spy(), moments(case, rng)
        code.dsm_loss(model, case.x0, t, case.noise, Bent())
        expect.equal(len(model.seen), 1, "one call of the model is enough", of="calls of the model")
        expect.close(model.seen[0].x_t, noised(case, t, Bent())[0], "the model sees x_t = mean_coef x_0 + std ε")
        expect.close(model.seen[0].t, t, "the model is told the time of each sample, t itself")


def test_dsm_loss_of_a_perfect_model_is_zero(code, rng):
    """A perfect model has a loss of 0."""
    for case in cases.corners(rng):
        t = moments(case, rng)
        _, _, std = noised(case, t, FADING)
        got = code.dsm_loss(Perfect(case.noise, std), case.x0, t, case.noise, FADING)
        expect.close(got, numbers(0.0)[0], "a model that answers -ε / std has nothing left to learn")


def test_dsm_loss_lets_gradients_through_to_model_and_data(code, rng):
    """Gradients flow back to the model and to the data."""
    case, t, model = cases.gradual(rng), times(3, rng), Spy()
    x0, noise = tracked(case.x0, case.noise)
    got = code.dsm_loss(model, x0, t, noise, Bent())
    expect.tensor(got, "a loss is a scalar", shape=())
    x_t, mean_coef, std = noised(case, t, Bent())
    error = 2 * (std * (0.75 * x_t + 0.25) + case.noise) / x_t.numel()
    expect.gradients(
        got,
        torch.ones_like(got),
        "the loss is differentiable in the model's parameters, data and noise",
        weight=(model.weight, (error * std * x_t).sum()),
        bias=(model.bias, (error * std).sum()),
        x0=(x0, error * std * 0.75 * mean_coef),
        noise=(noise, error * (std * 0.75 * std + 1)),
    )


def test_dsm_loss_keeps_the_dtype_its_arguments_and_the_model(code, rng):
    """The result has the data's dtype; the arguments and the model stay as they are."""
    for dtype in (torch.float32, torch.float64):
        for training in (True, False):
            case, t = cases.gradual(rng).cast(dtype, dtype), times(3, rng).to(dtype)
            model = Spy().to(dtype).train(training)
            got = expect.untouched(
                lambda x0, t, noise, model=model: code.dsm_loss(model, x0, t, noise, Bent()),
                KEEP, x0=case.x0, t=t, noise=case.noise,
            )  # fmt: skip
            x_t, _, std = noised(case.exactly(), t.double(), Bent())
            want = (std * (0.75 * x_t + 0.25) + case.noise.double()).square().mean()
            expect.close(got, want.to(dtype), KEEP, **SINGLE)
            expect.tensor(model.seen[0].x_t, "the model works in the data's dtype: x_t keeps it", dtype=dtype)
            expect.tensor(model.seen[0].t, "the model is told t as it is, in x's dtype", dtype=dtype)
            left_alone(model)


def test_dsm_loss_leaves_mode_and_gradients_to_the_caller(code, rng):
    """A loss computes and no more: the model's mode and its gradients stay as they are."""
    case, model = cases.gradual(rng), Spy()
    t = times(len(case.x0), rng).to(case.x0)
    left_to_the_caller(lambda: code.dsm_loss(model, case.x0, t, case.noise, GROWING), model)
