"""The checks of velocity_to_score."""

import torch
from torch.distributions import Normal

from exercises.checks import expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.s5_flow_matching import batches
from exercises.checks.s5_flow_matching.rules import EACH, ENDS, FLOW, GUARD, KEEP
from exercises.checks.s5_flow_matching.worlds import Ends

SLOPE = "⟦score = -noise / (1-t), with noise = x_t - t v: ⟧the noise in x_t has the deviation 1-t"


def test_velocity_to_score_by_hand(code):
    """At 4 after half the way with speed 6 the noise is 1, its deviation a half, and the score -2."""
    v, x_t = numbers(6.0, 4.0)[None].expand(2, 2), numbers(4.0, 0.0)[None].expand(2, 2)
    got = code.velocity_to_score(v, x_t, numbers(0.5, 0.75))
    want = torch.stack([numbers(-2.0, 4.0), numbers(2.0, 12.0)])
    expect.close(got, want, f"⟦-(4 - 0.5 * 6) / (1 - 0.5) = -2, and so on; ⟧{SLOPE}", **GUARD)


def test_velocity_to_score_is_minus_the_noise_over_its_deviation(code, rng):
    """Given data - noise at a point of the line: for any shape, layout and time."""
    for batch in batches.corners(rng, last=0.9):
        v = batch.data - batch.noise
        got = code.velocity_to_score(v, batch.noise + batch.clock * v, batch.t)
        expect.close(got, -batch.noise / (1 - batch.clock), f"{SLOPE}; {EACH}", **GUARD)


def test_velocity_to_score_at_the_beginning_is_that_of_noise(code, rng):
    """At t = 0 there is nothing but noise: the score is -x_t, whatever the velocity."""
    batch = batches.make((2, 3), rng)
    got = code.velocity_to_score(batch.v, batch.data, numbers(0.0, 0.0))
    expect.close(got, -batch.data, f"the score of N(0, 1) is -x; {ENDS}", **GUARD)


def test_velocity_to_score_near_the_end_is_steep(code, rng):
    """At t = 0.999 the noise is divided by 0.001, and by nothing else."""
    batch = batches.make((2, 3), rng)
    t = numbers(0.99, 0.999)
    got = code.velocity_to_score(batch.v, batch.data, t)
    want = (t[:, None] * batch.v - batch.data) / (1 - t[:, None])
    # A guard of 1e-8 is one part in 1e5 of 0.001, and is let through
    expect.close(got, want, f"no guard, no clamp: t < 1; {SLOPE}", rtol=2e-5, atol=1e-7)


def test_velocity_to_score_of_the_best_velocity_is_the_score_of_the_crowd(code, rng):
    """Between normal ends it is the gradient of log p_t, which is known."""
    world, batch = Ends(0.7, 0.5), batches.make((4, 2), rng, last=0.9)
    got = code.velocity_to_score(world.velocity(batch.data, batch.t), batch.data, batch.t)
    (x_t,) = tracked(batch.data)
    deviation = (0.25 * batch.clock**2 + (1 - batch.clock) ** 2).sqrt()
    (want,) = torch.autograd.grad(Normal(0.7 * batch.clock, deviation).log_prob(x_t).sum(), x_t)
    expect.close(got, want, f"the score of N(t m, t² s² + (1-t)²) is -(x_t - t m) / (t² s² + (1-t)²); {SLOPE}", **GUARD)


def test_velocity_to_score_keeps_the_dtype_and_its_arguments(code, rng):
    """float32 stays float32, float64 stays float64, and nothing is changed in place."""
    for batch in batches.precisions(rng, last=0.9):
        got = expect.untouched(code.velocity_to_score, KEEP, v=batch.v, x_t=batch.data, t=batch.t)
        exact = batch.exactly()
        want = (exact.clock * exact.v - exact.data) / (1 - exact.clock)
        # In float32 a difference of numbers up to 5 is known to 1e-6, and is divided by 1-t from 0.05
        expect.close(got, want.to(batch.v.dtype), KEEP, rtol=1e-4, atol=1e-4)


def test_velocity_to_score_lets_gradients_through(code, rng):
    """Gradients reach the velocity and x_t."""
    batch = batches.make((3, 2, 2), rng, last=0.9)
    v, x_t = tracked(batch.v, batch.data)
    got, pull = code.velocity_to_score(v, x_t, batch.t), batch.noise
    left = 1 - batch.clock
    expect.gradients(got, pull, FLOW, v=(v, batch.clock / left * pull), x_t=(x_t, -pull / left), **GUARD)
