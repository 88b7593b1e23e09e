"""The checks of target_velocity."""

import torch

from exercises.checks import expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.s5_flow_matching import batches
from exercises.checks.s5_flow_matching.rules import ENDS, FLOW, KEEP, SINGLE

SLOPE = "the velocity of a straight line that takes one unit of time is the way that it goes in all⟦, its end minus its beginning: data - noise⟧"


def test_target_velocity_by_hand(code):
    """From 2 to 10 in one unit of time the speed is 8."""
    got = code.target_velocity(numbers(2.0, -4.0)[None], numbers(10.0, -5.0)[None])
    expect.close(got, numbers(8.0, -1.0)[None], f"⟦10 - 2 = 8 and -5 - -4 = -1; ⟧{SLOPE}")


def test_target_velocity_carries_noise_to_data_in_one_unit_of_time(code, rng):
    """Noise plus the velocity is data, for any shape and layout."""
    for batch in batches.corners(rng):
        got = code.target_velocity(batch.noise, batch.data)
        expect.tensor(got, SLOPE, shape=batch.data.shape, dtype=batch.data.dtype)
        expect.close(batch.noise + got, batch.data, f"noise + 1 * velocity = data; {ENDS}")


def test_target_velocity_keeps_the_dtype_and_its_arguments(code, rng):
    """float32 stays float32, float64 stays float64, and nothing is changed in place."""
    for batch in batches.precisions(rng):
        got = expect.untouched(code.target_velocity, KEEP, noise=batch.noise, data=batch.data)
        exact = batch.exactly()
        expect.close(got, (exact.data - exact.noise).to(batch.data.dtype), KEEP, **SINGLE)


def test_target_velocity_lets_gradients_through(code, rng):
    """Gradients reach data with a plus and noise with a minus."""
    batch = batches.make((3, 2, 2), rng)
    noise, data = tracked(batch.noise, batch.data)
    got = code.target_velocity(noise, data)
    expect.gradients(got, batch.v, FLOW, noise=(noise, -batch.v), data=(data, torch.clone(batch.v)))
