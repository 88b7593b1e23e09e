"""The checks of midpoint_sample."""

import math

import torch
from torch import Tensor

from exercises.checks import cases, expect
from exercises.checks.callers import takes_any_model_in_half_precision
from exercises.checks.cases import numbers
from exercises.checks.s5_flow_matching import batches
from exercises.checks.s5_flow_matching.models import Model, asked, undisturbed
from exercises.checks.s5_flow_matching.rules import GRID, KEEP, QUIET
from exercises.checks.s5_flow_matching.worlds import Ends

STEP = "the midpoint step is x + v(x_half, t + dt/2) dt, where x_half = x + v(x, t) dt/2 and dt = 1 / steps"
TIMES = "two calls a step, at its beginning and at its middle: t = 0, dt/2, dt, 3 dt/2, ..., from noise up to data"


def walk(model: Model, noise: Tensor, steps: int) -> list[Tensor]:
    """What the model is asked at, two a step, and where the last step ends; in float64."""
    x, path, dt = noise.double(), [], 1 / steps
    for step in range(steps):
        half = x + model.quietly(x, step * dt) * dt / 2
        path += [x, half]
        x = x + model.quietly(half, (step + 0.5) * dt) * dt
    return [*path, x]


def test_midpoint_sample_by_hand(code):
    """One step along v = x + t from 1: half a step to 1.5, and with the velocity 2 from there to 3."""
    got = code.midpoint_sample(lambda x, t: x + batches.column(t, x), numbers(1.0, -1.0)[None], 1)
    why = "x_half = 1 + (1 + 0) / 2 = 1.5; there v = 1.5 + 0.5 = 2, and 1 + 2 = 3; " + STEP
    expect.close(got, numbers(3.0, -2.0)[None], why, **GRID)


def test_midpoint_sample_asks_twice_a_step_at_its_beginning_and_in_its_middle(code, rng):
    """The velocity model is told 0, 1/2n, 1/n, 3/2n, ... with the states that belong to them."""
    # six times 1/6 is not 1 in floating point: who adds up the time until it is 1 takes a seventh step, or never ends
    for shape, steps in (
        ((2, 3), 1),
        ((3, 2), 4),
        ((1, 2, 3), 3),
        ((2, 3, 2, 4), 2),
        ((2, 2, 2, 3, 1), 2),
        ((2, 2), 6),
    ):
        model, noise = Model(), cases.normal(shape, rng)
        got = code.midpoint_sample(model, noise, steps)
        asked(model, noise, [half / (2 * steps) for half in range(2 * steps)], TIMES, "velocity model")
        path = walk(model, noise, steps)
        for number, (seen, want) in enumerate(zip(model.seen, path[:-1], strict=True)):
            expect.close(seen.x, want, f"what the model sees in call {number + 1}; {STEP}", **GRID)
        expect.close(got, path[-1], f"the last step's result is the sample; {STEP}", **GRID)


def test_midpoint_sample_of_normal_ends_shrinks_by_the_known_factor(code, rng):
    """With the exact velocity from N(0, 1) to N(0.7, 0.5²) each step multiplies the offset from the mean."""
    noise, world = cases.normal((3, 2), rng), Ends(0.7, 0.5)
    for steps in (1, 2, 3):
        scale, dt = 1.0, 1 / steps
        for step in range(steps):
            start, middle = world.rate(step * dt), world.rate((step + 0.5) * dt)
            scale *= 1 + dt * middle * (1 + dt / 2 * start)
        got = code.midpoint_sample(world.velocity, noise, steps)
        why = f"{steps} midpoint steps along the exact velocity end at 0.7 + {scale:.4f} noise; {STEP}"
        expect.close(got, 0.7 + scale * noise, why, **GRID)


def test_midpoint_sample_is_of_second_order(code, rng):
    """Twice the steps, a quarter of the error."""
    noise, errors = cases.normal((2, 2), rng), []
    for steps in (10, 20):
        got = code.midpoint_sample(lambda x, t: (1 + batches.column(t, x)) * x, noise, steps)
        expect.tensor(got, KEEP, shape=noise.shape, dtype=noise.dtype)
        errors.append(float((got - math.exp(1.5) * noise).abs().mean()))
    order = math.log2(errors[0] / errors[1]) if min(errors) > 0 else 0.0
    # The next term of the error is some 1/10 of the first: 0.2 in the order
    why = "along v = (1+t) x, which ends at exp(3/2) noise, the error falls like 1 / steps²: twice the steps, a quarter of it"
    expect.holds(
        abs(order - 2) < 0.3,
        why,
        got=[round(error, 9) for error in errors],
        want="an error that quarters",
        told=f"errors of {errors[0]:.3g}, then {errors[1]:.3g} with twice the steps",
    )


def test_midpoint_sample_keeps_the_dtype(code, rng):
    """float32 stays float32, and the model is told the time in it."""
    for dtype in (torch.float32, torch.float64):
        model, noise = Model().to(dtype), cases.normal((3, 2, 2), rng).to(dtype)
        got = code.midpoint_sample(model, noise, 2)
        asked(model, noise, [0.0, 0.25, 0.5, 0.75], TIMES, "velocity model")
        expect.close(got, walk(model, noise, 2)[-1].to(dtype), KEEP, **GRID)


def test_midpoint_sample_records_no_gradient_and_leaves_its_arguments_as_they_were(code, rng):
    """A sampler only looks: no graph, nothing changed in place, the model as it was."""
    undisturbed(lambda model, x: code.midpoint_sample(model, x, 2), cases.normal((2, 3), rng), QUIET)


def test_midpoint_sample_takes_any_callable_and_keeps_half_precision(code, rng):
    """A plain function will do for a model, and float16 stays float16."""
    x = cases.normal((2, 3), rng)
    takes_any_model_in_half_precision(lambda model, x: code.midpoint_sample(model, x, 4), x)
