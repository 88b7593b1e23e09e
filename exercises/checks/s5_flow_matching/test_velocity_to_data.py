"""The checks of velocity_to_data."""

import torch

from exercises.checks import expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.s5_flow_matching import batches
from exercises.checks.s5_flow_matching.rules import EACH, ENDS, FLOW, KEEP, SINGLE
from exercises.checks.s5_flow_matching.worlds import Ends

END = "⟦data = x_t + (1-t) v: ⟧from x_t the line goes on with v for the time that is left until 1"


def test_velocity_to_data_by_hand(code):
    """From 4 at a quarter of the way, with speed 8, there are 6 to go."""
    v, x_t = numbers(8.0, 4.0)[None].expand(2, 2), numbers(4.0, -3.0)[None].expand(2, 2)
    got = code.velocity_to_data(v, x_t, numbers(0.25, 0.75))
    expect.close(got, torch.stack([numbers(10.0, 0.0), numbers(6.0, -2.0)]), f"⟦4 + 0.75 * 8 = 10, and so on; ⟧{END}")


def test_velocity_to_data_finds_the_end_of_the_line(code, rng):
    """Given data - noise at a point of the line, it is the data: for any shape, layout and time."""
    for batch in batches.corners(rng):
        v = batch.data - batch.noise
        got = code.velocity_to_data(v, batch.noise + batch.clock * v, batch.t)
        expect.close(got, batch.data, f"{END}; {EACH}")


def test_velocity_to_data_at_both_ends_of_time(code, rng):
    """At t = 1 x_t is the data already, at t = 0 the whole velocity is still to come."""
    batch = batches.make((2, 3), rng)
    expect.close(code.velocity_to_data(batch.v, batch.data, numbers(1.0, 1.0)), batch.data, f"no time is left; {ENDS}")
    got = code.velocity_to_data(batch.v, batch.noise, numbers(0.0, 0.0))
    expect.close(got, batch.noise + batch.v, f"all the time is left; {ENDS}")


def test_velocity_to_data_of_the_best_velocity_is_the_best_guess_of_the_data(code, rng):
    """Between normal ends E[data | x_t] is known."""
    world, batch = Ends(0.7, 0.5), batches.make((4, 2), rng)
    got = code.velocity_to_data(world.velocity(batch.data, batch.t), batch.data, batch.t)
    variance = 0.25 * batch.clock**2 + (1 - batch.clock) ** 2
    want = 0.7 + 0.25 * batch.clock / variance * (batch.data - 0.7 * batch.clock)
    expect.close(got, want, f"E[data | x_t] = m + t s² / (t² s² + (1-t)²) (x_t - t m); {END}")


def test_velocity_to_data_keeps_the_dtype_and_its_arguments(code, rng):
    """float32 stays float32, float64 stays float64, and nothing is changed in place."""
    for batch in batches.precisions(rng):
        got = expect.untouched(code.velocity_to_data, KEEP, v=batch.v, x_t=batch.data, t=batch.t)
        exact = batch.exactly()
        expect.close(got, (exact.data + (1 - exact.clock) * exact.v).to(batch.v.dtype), KEEP, **SINGLE)


def test_velocity_to_data_lets_gradients_through(code, rng):
    """Gradients reach the velocity and x_t."""
    batch = batches.make((3, 2, 2), rng)
    v, x_t = tracked(batch.v, batch.data)
    got, pull = code.velocity_to_data(v, x_t, batch.t), batch.noise
    expect.gradients(got, pull, FLOW, v=(v, (1 - batch.clock) * pull), x_t=(x_t, pull.clone()))
