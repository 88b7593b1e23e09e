"""The checks of ode_sample."""

import math
from itertools import pairwise

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from exercises.checks import cases, expect
from exercises.checks.callers import takes_any_model_in_half_precision
from exercises.checks.cases import numbers
from exercises.checks.s3_score_sde.formulas import flowing, grid
from exercises.checks.s3_score_sde.inputs import seeds, shapes
from exercises.checks.s3_score_sde.loops import left_as_it_was, looked_at
from exercises.checks.s3_score_sde.models import timed
from exercises.checks.s3_score_sde.rules import GRID, KEEP, SINGLE
from exercises.checks.s3_score_sde.worlds import turned
from exercises.checks.spies import Spy
from exercises.toolkit.processes import FADING, GROWING, Bent, Drain

HEUN = "Heun's step is x + dt (slope_1 + slope_2) / 2: slope_1 at (x, t), slope_2 at (x + dt slope_1, t + dt)"


def heun(model: Spy, x_T: Tensor, steps: int, t_end: float) -> Tensor:
    """The probability-flow ODE of `Bent` by Heun's method."""

    def slope(x: Tensor, time: float) -> Tensor:
        t = torch.full((len(x),), time, dtype=torch.float64)
        with torch.no_grad():
            return flowing(x, t, model(x, t))

    x, dt = x_T, (t_end - 1) / steps
    for before, after in pairwise(grid(steps, t_end)):
        first = slope(x, before)
        x = x + dt * (first + slope(x + dt * first, after)) / 2
    return x


def descend(code, model: Spy, x_T: Tensor, steps: int, **t_end: float) -> Tensor:
    """`ode_sample` of the process `Bent`, seen to call the model as it should."""
    result = code.ode_sample(Bent(), model, x_T, steps, **t_end)
    expect.tensor(result, KEEP, shape=x_T.shape, dtype=x_T.dtype, device=x_T.device)
    expect.finite(result, "samples are finite")
    why = "Heun's method looks twice a step: at most 2 * steps calls of the score model"
    expect.holds(
        0 < len(model.seen) <= 2 * steps,
        why,
        got=len(model.seen),
        want=f"at most {2 * steps} calls",
        told=f"{len(model.seen)} calls in {steps} steps",
    )
    looked_at(model, x_T)
    return result


@settings(max_examples=20)
@given(shape=shapes, steps=st.integers(1, 5), t_end=st.floats(1e-4, 0.5), seed=seeds)
def test_ode_sample_takes_heuns_steps_on_the_uniform_grid(code, shape, steps, t_end, seed):
    """It takes Heun's steps on the uniform grid."""
    x_T = cases.normal(shape, Generator().manual_seed(seed))
    expect.close(descend(code, timed(), x_T, steps, t_end=t_end), heun(timed(), x_T, steps, t_end), HEUN, **GRID)


def test_ode_sample_by_hand_in_one_step(code):
    """Numbers that can be worked out by hand, in one step."""
    x_T, sde = numbers(1.0)[None], Drain(0.0, 0.0, 1.0, 0.0)  # f = 0, g = 1, and the score is x
    got = code.ode_sample(sde, Spy(1.0, 0.0), x_T, 1, t_end=0.5)
    why = "dx/dt = -x/2, one step of -½ from 1: slope -0.5, then -0.625 at 1.25, so 1 + 0.28125; " + HEUN
    expect.close(got, numbers(1.28125)[None], why)


def test_ode_sample_works_on_any_shape_and_layout(code, rng):
    """It works on data of any shape, however it lies in memory."""
    for case in cases.corners(rng):
        got = descend(code, timed(), case.x_t, 2, t_end=0.1)
        expect.close(got, heun(timed(), case.x_t, 2, 0.1), HEUN, **GRID)


def test_ode_sample_follows_the_exact_flow_of_gaussian_data_to_second_order(code, rng):
    """It follows the exact flow of Gaussian data to second order."""
    for sde, t_end in ((FADING, 1e-3), (GROWING, 0.05)):
        world, x_T = turned(rng, 3), 2 * cases.normal((6, 3), rng)
        start, end = (sde.marginal(torch.full((6,), time, dtype=torch.float64), x_T) for time in (1.0, t_end))
        want, errors = world.flow(x_T, start, end), []
        for steps in (20, 40):
            got = code.ode_sample(
                sde, lambda x, t, s=sde, w=world: w.score(x, *s.marginal(t, x)), x_T, steps, t_end=t_end
            )
            expect.tensor(got, KEEP, shape=x_T.shape, dtype=x_T.dtype)
            expect.finite(got, "samples are finite")
            errors.append(float((got - want).abs().max()))
        why = "each step is of second order: half the step makes a quarter of the error"
        order = math.log2(errors[0] / max(errors[1], 1e-12))
        expect.holds(errors[1] < 0.05, "along the exact flow each axis keeps its place within the spread", got=errors[1], want="an error below 0.05 in 40 steps", told=f"an error of {errors[1]:.3g}")  # fmt: skip
        expect.holds(order > 1.6, why, got=order, want="an order of about 2", told=f"an order of {order:.2f}")


def test_ode_sample_keeps_the_dtype_and_ends_by_default_at_0_001(code, rng):
    """The result has the dtype of x_T, and t ends at 0.001 by default."""
    for dtype in (torch.float32, torch.float64):
        x_T = cases.normal((3, 2, 2), rng).to(dtype)
        got = descend(code, timed().to(dtype), x_T, 3)
        expect.close(got, heun(timed(), x_T.double(), 3, 1e-3).to(dtype), f"{KEEP}; t_end = 0.001; {HEUN}", **SINGLE)


def test_ode_sample_records_no_gradient_and_leaves_its_arguments_as_they_were(code, rng):
    """No gradient is recorded, and the arguments stay as they are."""
    x_T = cases.normal((2, 3), rng)
    left_as_it_was(lambda model, start: code.ode_sample(Bent(), model, start, 3), x_T)


def test_ode_sample_takes_any_callable_and_keeps_half_precision(code, rng):
    """A plain function will do for a model, and float16 stays float16."""
    x_T = cases.normal((2, 3), rng)
    takes_any_model_in_half_precision(lambda model, x: code.ode_sample(GROWING, model, x, 3), x_T)
