"""The checks of interpolate."""

import torch

from exercises.checks import expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.s5_flow_matching import batches
from exercises.checks.s5_flow_matching.rules import EACH, ENDS, FLOW, KEEP, SINGLE

LINE = "⟦x_t = (1-t) noise + t data: ⟧a straight line from noise at t = 0 to data at t = 1"


def test_interpolate_by_hand(code):
    """A quarter of the way from 2 to 10 is 4, three quarters are 8."""
    noise, data = numbers(2.0, -4.0)[None].expand(2, 2), numbers(10.0, 0.0)[None].expand(2, 2)
    got = code.interpolate(noise, data, numbers(0.25, 0.75))
    expect.close(got, torch.stack([numbers(4.0, -3.0), numbers(8.0, -1.0)]), "⟦2 + 0.25 * 8 = 4, and so on; ⟧" + LINE)


def test_interpolate_begins_at_noise_and_ends_at_data(code, rng):
    """At t = 0 there is nothing but noise, at t = 1 nothing but data."""
    batch = batches.make((2, 3), rng)
    for t, end in ((0.0, batch.noise), (1.0, batch.data)):
        got = code.interpolate(batch.noise, batch.data, numbers(t, t))
        expect.close(got, end, f"at t = {t:.0f} it is {'data' if t else 'noise'} itself; {ENDS}")


def test_interpolate_works_on_any_shape_and_layout(code, rng):
    """Vectors, images and videos, each sample at its own time."""
    for batch in batches.corners(rng):
        got = code.interpolate(batch.noise, batch.data, batch.t)
        expect.close(got, batch.noise + batch.clock * (batch.data - batch.noise), f"{LINE}; {EACH}")


def test_interpolate_keeps_the_dtype_and_its_arguments(code, rng):
    """float32 stays float32, float64 stays float64, and nothing is changed in place."""
    for batch in batches.precisions(rng):
        got = expect.untouched(code.interpolate, KEEP, noise=batch.noise, data=batch.data, t=batch.t)
        exact = batch.exactly()
        want = exact.noise + exact.clock * (exact.data - exact.noise)
        expect.close(got, want.to(batch.data.dtype), KEEP, **SINGLE)


def test_interpolate_lets_gradients_through(code, rng):
    """Gradients reach noise and data, each by its share."""
    batch = batches.make((3, 2, 2), rng)
    noise, data = tracked(batch.noise, batch.data)
    got = code.interpolate(noise, data, batch.t)
    pull = batch.v
    expect.gradients(got, pull, FLOW, noise=(noise, (1 - batch.clock) * pull), data=(data, batch.clock * pull))
