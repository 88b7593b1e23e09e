"""The checks of velocity_to_eps."""

import torch

from exercises.checks import expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.s5_flow_matching import batches
from exercises.checks.s5_flow_matching.rules import EACH, ENDS, FLOW, KEEP, SINGLE
from exercises.checks.s5_flow_matching.worlds import Ends

START = "⟦noise = x_t - t v: ⟧from x_t the line goes back with v for the time that has passed since 0"


def test_velocity_to_eps_by_hand(code):
    """At 4 after a quarter of the way, with speed 8, it began at 2."""
    v, x_t = numbers(8.0, 4.0)[None].expand(2, 2), numbers(4.0, -3.0)[None].expand(2, 2)
    got = code.velocity_to_eps(v, x_t, numbers(0.25, 0.75))
    expect.close(got, torch.stack([numbers(2.0, -4.0), numbers(-2.0, -6.0)]), f"⟦4 - 0.25 * 8 = 2, and so on; ⟧{START}")


def test_velocity_to_eps_finds_the_beginning_of_the_line(code, rng):
    """Given data - noise at a point of the line, it is the noise: for any shape, layout and time."""
    for batch in batches.corners(rng):
        v = batch.data - batch.noise
        got = code.velocity_to_eps(v, batch.noise + batch.clock * v, batch.t)
        expect.close(got, batch.noise, f"{START}; {EACH}")


def test_velocity_to_eps_at_both_ends_of_time(code, rng):
    """At t = 0 x_t is the noise still, at t = 1 the whole velocity lies behind."""
    batch = batches.make((2, 3), rng)
    expect.close(
        code.velocity_to_eps(batch.v, batch.noise, numbers(0.0, 0.0)), batch.noise, f"no time has passed; {ENDS}"
    )
    got = code.velocity_to_eps(batch.v, batch.data, numbers(1.0, 1.0))
    expect.close(got, batch.data - batch.v, f"all the time has passed; {ENDS}")


def test_velocity_to_eps_of_the_best_velocity_is_the_best_guess_of_the_noise(code, rng):
    """Between normal ends E[noise | x_t] is known."""
    world, batch = Ends(0.7, 0.5), batches.make((4, 2), rng)
    got = code.velocity_to_eps(world.velocity(batch.data, batch.t), batch.data, batch.t)
    variance = 0.25 * batch.clock**2 + (1 - batch.clock) ** 2
    want = (1 - batch.clock) / variance * (batch.data - 0.7 * batch.clock)
    expect.close(got, want, f"E[noise | x_t] = (1-t) / (t² s² + (1-t)²) (x_t - t m); {START}")


def test_velocity_to_eps_keeps_the_dtype_and_its_arguments(code, rng):
    """float32 stays float32, float64 stays float64, and nothing is changed in place."""
    for batch in batches.precisions(rng):
        got = expect.untouched(code.velocity_to_eps, KEEP, v=batch.v, x_t=batch.data, t=batch.t)
        exact = batch.exactly()
        expect.close(got, (exact.data - exact.clock * exact.v).to(batch.v.dtype), KEEP, **SINGLE)


def test_velocity_to_eps_lets_gradients_through(code, rng):
    """Gradients reach the velocity and x_t."""
    batch = batches.make((3, 2, 2), rng)
    v, x_t = tracked(batch.v, batch.data)
    got, pull = code.velocity_to_eps(v, x_t, batch.t), batch.noise
    expect.gradients(got, pull, FLOW, v=(v, -batch.clock * pull), x_t=(x_t, pull.clone()))
