"""The checks of gaussian_path."""

import torch
from torch import Tensor

from exercises.checks import expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.s5_flow_matching import batches, pairs
from exercises.checks.s5_flow_matching.rules import EACH, ENDS, FLOW, KEEP

CLOUD = "⟦x_t = (1 - (1 - σ_min) t) noise + t data: ⟧the cloud's centre goes to data, its deviation from 1 to σ_min"
DRIFT = "u_t = dx_t/dt, for this noise and this data⟦: data - (1 - σ_min) noise⟧"
PAIR = "a pair (x_t, u_t), both of data's shape"
NAMES = ("x_t", "u_t")


def path(batch: batches.Batch, sigma_min: float) -> tuple[Tensor, Tensor]:
    left = 1 - sigma_min
    return batch.noise + batch.clock * (batch.data - left * batch.noise), batch.data - left * batch.noise


def compared(got, want: tuple[Tensor, Tensor], why: str = "", **tolerance: float) -> None:
    pairs.close(got, want, (CLOUD + why, DRIFT + why), names=NAMES, **tolerance)


def test_gaussian_path_by_hand(code):
    """With sigma_min 0.2 the deviation is 0.6 halfway, and the velocity is the slope of the path."""
    noise, data = numbers(1.0, -2.0)[None].expand(2, 2), numbers(10.0, 4.0)[None].expand(2, 2)
    got = code.gaussian_path(noise, data, numbers(0.5, 1.0), 0.2)
    want = torch.stack([numbers(5.6, 0.8), numbers(10.2, 3.6)]), numbers(9.2, 5.6)[None].expand(2, 2)
    compared(got, want, "⟦; at t = 0.5: 0.6 * 1 + 0.5 * 10 = 5.6, and 10 - 0.8 * 1 = 9.2⟧")


def test_gaussian_path_leaves_0_0001_of_the_noise_unless_told_otherwise(code, rng):
    """By default sigma_min is 1e-4: at t = 1 that much of the noise is left, at t = 0 all of it."""
    batch = batches.make((2, 3), rng)
    for t in (0.0, 1.0):
        at = batches.Batch(1000 * batch.noise, batch.data, batch.v, numbers(t, t))
        compared(code.gaussian_path(at.noise, at.data, at.t), path(at, 1e-4), f", with σ_min = 1e-4, at t = {t:.0f}")


def test_gaussian_path_with_nothing_left_is_the_straight_line(code, rng):
    """With sigma_min 0 it is interpolate's line, with sigma_min 1 the noise never shrinks."""
    for batch in (batches.make((3, 2), rng, last=0.9), batches.make((1, 2, 2), rng)):
        for sigma_min in (0.0, 1.0):
            got = code.gaussian_path(batch.noise, batch.data, batch.t, sigma_min=sigma_min)
            compared(got, path(batch, sigma_min), f", with σ_min = {sigma_min:.0f}; {ENDS}")


def test_gaussian_path_moves_with_the_velocity_that_it_gives(code, rng):
    """Two points of one path differ by the time between them, times u_t."""
    batch = batches.make((3, 2), rng)
    (early, u_t), (late, _) = (
        pairs.pair(code.gaussian_path(batch.noise, batch.data, t, 0.3), PAIR, NAMES)
        for t in (batch.t / 2, batch.t / 2 + 0.25)
    )
    for part in (early, u_t, late):
        expect.tensor(part, PAIR, shape=batch.data.shape, dtype=batch.data.dtype)
    why = "u_t is the slope of x_t in t, and the path is straight: x_(t + 1/4) - x_t = u_t / 4"
    expect.close((late - early) * 4, u_t, why)


def test_gaussian_path_works_on_any_shape_and_layout(code, rng):
    """Vectors, images and videos, each sample at its own time."""
    for batch in batches.corners(rng):
        compared(code.gaussian_path(batch.noise, batch.data, batch.t, 0.3), path(batch, 0.3), f"; {EACH}")


def test_gaussian_path_keeps_the_dtype_and_its_arguments(code, rng):
    """float32 stays float32, float64 stays float64, and nothing is changed in place."""
    for batch in batches.precisions(rng, last=0.9):
        got = expect.untouched(code.gaussian_path, KEEP, noise=batch.noise, data=batch.data, t=batch.t)
        want = tuple(part.to(batch.data.dtype) for part in path(batch.exactly(), 1e-4))
        # The paper's eq. 21 has u_t from x_t, divided by a deviation: 0.1 at t = 0.9, for some 6e-7 / 0.1
        compared(got, want, f"; {KEEP}", rtol=1e-4, atol=1e-4)


def test_gaussian_path_lets_gradients_through(code, rng):
    """Gradients reach noise and data through both results."""
    batch = batches.make((3, 2, 2), rng)
    noise, data = tracked(batch.noise, batch.data)
    pull = batch.v
    share = (1 - 0.7 * batch.clock) * pull
    x_t, _ = pairs.pair(code.gaussian_path(noise, data, batch.t, 0.3), PAIR, NAMES)
    expect.gradients(x_t, pull, FLOW, noise=(noise, share), data=(data, batch.clock * pull))
    _, u_t = pairs.pair(code.gaussian_path(noise, data, batch.t, 0.3), PAIR, NAMES)  # the graph of the first is used up
    expect.gradients(u_t, pull, FLOW, noise=(noise, -0.7 * pull), data=(data, pull.clone()))
