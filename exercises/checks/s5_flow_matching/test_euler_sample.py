"""The checks of euler_sample."""

import math

import torch
from torch import Tensor

from exercises.checks import cases, expect
from exercises.checks.callers import takes_any_model_in_half_precision
from exercises.checks.cases import numbers
from exercises.checks.s5_flow_matching import batches
from exercises.checks.s5_flow_matching.models import Model, asked, undisturbed
from exercises.checks.s5_flow_matching.rules import ENDS, GRID, KEEP, QUIET
from exercises.checks.s5_flow_matching.worlds import Ends

STEP = "Euler's step is x + v(x, t) / steps, with the velocity where the step begins"
TIMES = "the steps begin at i / steps, i = 0 ... steps-1: from t = 0, which is noise here, up to t = 1, which is data"


def walk(model: Model, noise: Tensor, steps: int) -> list[Tensor]:
    """Where Euler's method passes, in float64."""
    path = [noise.double()]
    for step in range(steps):
        path.append(path[-1] + model.quietly(path[-1], step / steps) / steps)
    return path


def test_euler_sample_by_hand(code):
    """Two steps along v = x + t from 1: to 1.5, then to 2.5."""
    got = code.euler_sample(lambda x, t: x + batches.column(t, x), numbers(1.0, -1.0)[None], 2)
    why = "1 + (1 + 0) / 2 = 1.5, then 1.5 + (1.5 + 0.5) / 2 = 2.5; " + STEP
    expect.close(got, numbers(2.5, -2.0)[None], why, **GRID)


def test_euler_sample_asks_once_a_step_at_the_times_where_the_steps_begin(code, rng):
    """The velocity model is told 0, 1/n, 2/n, ... and is asked once a step."""
    # six times 1/6 is not 1 in floating point: who adds up the time until it is 1 takes a seventh step, or never ends
    for shape, steps in (
        ((2, 3), 1),
        ((3, 2), 4),
        ((1, 2, 3), 3),
        ((2, 3, 2, 4), 5),
        ((2, 2, 2, 3, 1), 2),
        ((2, 2), 6),
    ):
        model, noise = Model(), cases.normal(shape, rng)
        got = code.euler_sample(model, noise, steps)
        asked(model, noise, [step / steps for step in range(steps)], TIMES, "velocity model")
        path = walk(model, noise, steps)
        for number, (seen, want) in enumerate(zip(model.seen, path[:-1], strict=True)):
            expect.close(seen.x, want, f"where step {number + 1} begins; {STEP}", **GRID)
        expect.close(got, path[-1], f"the last step's result is the sample; {STEP}", **GRID)


def test_euler_sample_of_normal_ends_shrinks_by_the_known_factor(code, rng):
    """With the exact velocity from N(0, 1) to N(0.7, 0.5²): one step ends at the mean, two at 0.2 of the spread."""
    noise, world = cases.normal((3, 2), rng), Ends(0.7, 0.5)
    for steps in (1, 2, 4):
        scale = world.euler(steps)
        got = code.euler_sample(world.velocity, noise, steps)
        why = f"{steps} Euler steps along the exact velocity end at 0.7 + {scale:.4f} noise; {ENDS}"
        expect.close(got, 0.7 + scale * noise, why, **GRID)


def test_euler_sample_is_of_first_order(code, rng):
    """Twice the steps, half the error."""
    noise, world = cases.normal((2, 2), rng), Ends(0.7, 0.5)
    errors = []
    for steps in (16, 32):
        got = code.euler_sample(world.velocity, noise, steps)
        expect.tensor(got, KEEP, shape=noise.shape, dtype=noise.dtype)
        errors.append(float((got - world.flow(noise)).abs().mean()))
    order = math.log2(errors[0] / errors[1]) if min(errors) > 0 else 0.0
    # The next term of the error is some 1/16 of the first: 0.1 in the order
    why = "Euler's error falls like 1 / steps: twice the steps, half of it"
    expect.holds(
        abs(order - 1) < 0.2,
        why,
        got=[round(error, 7) for error in errors],
        want="an error that halves",
        told=f"errors of {errors[0]:.3g}, then {errors[1]:.3g} with twice the steps",
    )


def test_euler_sample_keeps_the_dtype(code, rng):
    """float32 stays float32, and the model is told the time in it."""
    for dtype in (torch.float32, torch.float64):
        model, noise = Model().to(dtype), cases.normal((3, 2, 2), rng).to(dtype)
        got = code.euler_sample(model, noise, 3)
        asked(model, noise, [0.0, 1 / 3, 2 / 3], TIMES, "velocity model")
        expect.close(got, walk(model, noise, 3)[-1].to(dtype), KEEP, **GRID)


def test_euler_sample_records_no_gradient_and_leaves_its_arguments_as_they_were(code, rng):
    """A sampler only looks: no graph, nothing changed in place, the model as it was."""
    undisturbed(lambda model, x: code.euler_sample(model, x, 3), cases.normal((2, 3), rng), QUIET)


def test_euler_sample_takes_any_callable_and_keeps_half_precision(code, rng):
    """A plain function will do for a model, and float16 stays float16."""
    x = cases.normal((2, 3), rng)
    takes_any_model_in_half_precision(lambda model, x: code.euler_sample(model, x, 4), x)
