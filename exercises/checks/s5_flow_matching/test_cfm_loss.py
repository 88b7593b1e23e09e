"""The checks of cfm_loss."""

import torch
from torch import Tensor

from exercises.checks import cases, expect
from exercises.checks.callers import Gain, left_to_the_caller
from exercises.checks.cases import numbers, tracked
from exercises.checks.s5_flow_matching import batches
from exercises.checks.s5_flow_matching.models import Model, left_alone
from exercises.checks.s5_flow_matching.rules import ENDS, KEEP, SINGLE
from exercises.checks.s5_flow_matching.worlds import Ends

MATCH = "the loss is the mean over every element of (v(x_t, t) - dx_t/dt)², at the x_t of each line⟦: dx_t/dt = data - noise, x_t = (1-t) noise + t data⟧"


def line(batch: batches.Batch) -> Tensor:
    return batch.noise + batch.clock * (batch.data - batch.noise)


def floor(batch: batches.Batch, model: Model) -> Tensor:
    return (model.quietly(line(batch), batch.t) - (batch.data - batch.noise)).square().mean()


def test_cfm_loss_by_hand(code):
    """A model that says 0, and one that says x, on the line from (2, 2) to (4, 5) at a quarter of the way."""
    noise, data, t = numbers(2.0, 2.0)[None], numbers(4.0, 5.0)[None], numbers(0.25)
    got = code.cfm_loss(lambda x, t: torch.zeros_like(x), noise, data, t)
    why = "a model that says 0 is off by 2 and 3, and the mean of 4 and 9 is 6.5; "
    expect.close(got, torch.tensor(6.5, dtype=torch.float64), why + MATCH)
    got = code.cfm_loss(lambda x, t: x.clone(), noise, data, t)
    why = "at t = 0.25 x_t is (2.5, 2.75), off by 0.5 and 0.25: the mean of the squares is 0.15625; "
    expect.close(got, torch.tensor(0.15625, dtype=torch.float64), why + MATCH)


def test_cfm_loss_asks_the_model_once_at_the_point_of_the_line_and_its_time(code, rng):
    """The model sees x_t and t, each sample its own, once."""
    for batch in batches.corners(rng):
        model = Model(noted=True)
        got = code.cfm_loss(model, batch.noise, batch.data, batch.t)
        expect.equal(len(model.seen), 1, "one call of the model is enough", of="calls of the model")
        expect.close(model.seen[0].x, line(batch), f"the model sees x_t = (1-t) noise + t data; {ENDS}")
        expect.close(model.seen[0].t, batch.t, "the model is told the time of each sample, t itself, of shape (B,)")
        expect.close(got, floor(batch, model), MATCH)


def test_cfm_loss_of_a_model_that_knows_the_line_is_zero(code, rng):
    """A model that answers data - noise has nothing left to learn."""
    for batch in batches.corners(rng):
        got = code.cfm_loss(lambda x, t, batch=batch: batch.data - batch.noise, batch.noise, batch.data, batch.t)
        expect.close(
            got, torch.tensor(0.0, dtype=torch.float64), "the target is the velocity of the line, data - noise"
        )


def test_cfm_loss_of_the_best_model_of_normal_ends_is_its_floor(code):
    """Where noise and data are normal, even the best model is left with s² / (t² s² + (1-t)²)."""
    # All pairs of ±1: noise and data with exactly the moments of N(0, 1) and N(0.7, 0.5²), and no chance in it
    noise = numbers(1.0, 1.0, -1.0, -1.0)[:, None]
    data = 0.7 + 0.5 * numbers(1.0, -1.0, 1.0, -1.0)[:, None]
    for t in (0.0, 0.3, 0.8, 1.0):
        got = code.cfm_loss(Ends(0.7, 0.5).velocity, noise, data, numbers(t, t, t, t))
        want = 0.25 / (0.25 * t**2 + (1 - t) ** 2)
        why = f"at t = {t} the best velocity model of N(0, 1) and N(0.7, 0.5²) has the loss {want:.4f}; {MATCH}"
        expect.close(got, torch.tensor(want, dtype=torch.float64), why)


def test_cfm_loss_lets_gradients_through_to_the_model_and_both_ends(code, rng):
    """The loss can be followed down: in the model's parameters, in noise and in data."""
    batch, model = batches.make((3, 2, 2), rng), Model(noted=True)
    noise, data = tracked(batch.noise, batch.data)
    got = code.cfm_loss(model, noise, data, batch.t)
    expect.tensor(got, "a loss is a scalar", shape=(), dtype=torch.float64)
    mine, (other_noise, other_data) = Model(noted=True), tracked(batch.noise, batch.data)
    x_t = other_noise + batch.clock * (other_data - other_noise)
    want = (mine(x_t, batch.t) - other_data + other_noise).square().mean()
    weight, bias, to_noise, to_data = torch.autograd.grad(want, [mine.weight, mine.bias, other_noise, other_data])
    why = "the loss is differentiable in the model's parameters, noise and data"
    expect.gradients(
        got, torch.ones_like(got), why,
        weight=(model.weight, weight), bias=(model.bias, bias), noise=(noise, to_noise), data=(data, to_data),
    )  # fmt: skip


def test_cfm_loss_keeps_the_dtype_its_arguments_and_the_model(code, rng):
    """float32 stays float32, and the model is only asked: no gradient is left on it."""
    for batch in batches.precisions(rng):
        for training in (True, False):
            model = Model(noted=True).to(batch.data.dtype).train(training)
            got = expect.untouched(
                lambda noise, data, t, model=model: code.cfm_loss(model, noise, data, t),
                KEEP, noise=batch.noise, data=batch.data, t=batch.t,
            )  # fmt: skip
            expect.close(got, floor(batch.exactly(), model).to(batch.data.dtype), KEEP, **SINGLE)
            expect.tensor(model.seen[0].x, "the model works in the data's dtype: x_t keeps it", dtype=batch.data.dtype)
            expect.tensor(model.seen[0].t, "the model is told t as it is, in x's dtype", dtype=batch.data.dtype)
            left_alone(model)


def test_cfm_loss_leaves_modes_and_gradients_to_the_caller(code, rng):
    """A loss computes and no more: the modes of its models and their gradients stay as they are."""
    model = Gain()
    x, noise = cases.normal((2, 3), rng), cases.normal((2, 3), rng)
    left_to_the_caller(lambda: code.cfm_loss(model, noise, x, torch.tensor([0.3, 0.6]).double()), model)
