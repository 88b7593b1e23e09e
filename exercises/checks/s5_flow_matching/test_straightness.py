"""The checks of straightness."""

import math

import torch
from torch import Tensor

from exercises.checks import cases, expect
from exercises.checks.cases import numbers
from exercises.checks.s5_flow_matching import batches
from exercises.checks.s5_flow_matching.models import Model, asked, left_alone
from exercises.checks.s5_flow_matching.rules import GRID, KEEP, SINGLE
from exercises.checks.s5_flow_matching.worlds import Ends

CROOKED = (
    "S is the mean over steps and batch of |(data_hat - noise) - v(x_t, t)|², the squared length of a sample, along Euler's"
    " path from noise to its own end data_hat"
)
TIMES = "the path is Euler's: its steps begin at i / steps, i = 0 ... steps-1, at noise"


def scalar(value: float, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.tensor(value, dtype=dtype)


def walk(model: Model, noise: Tensor, steps: int) -> tuple[list[Tensor], float]:
    """Where Euler's path passes, and its straightness; in float64."""
    path, velocities = [noise.double()], []
    for step in range(steps):
        velocities.append(model.quietly(path[-1], step / steps))
        path.append(path[-1] + velocities[-1] / steps)
    off = [((path[-1] - path[0] - v) ** 2).flatten(1).sum(1).mean().item() for v in velocities]
    return path, sum(off) / steps


def test_straightness_by_hand(code):
    """Speed 0 in the first half and 1/2 in the second: a quarter off in each of three axes, all the time."""
    got = code.straightness(lambda x, t: 0 * x + batches.column(t, x), torch.ones(2, 3, dtype=torch.float64), 2)
    why = "data_hat - noise = 1/4, off by 1/4 and -1/4, squared 1/16, summed over three axes 3/16; " + CROOKED
    expect.close(got, scalar(3 / 16), why, **GRID)


def test_straightness_of_a_straight_flow_is_zero(code, rng):
    """A velocity that never changes along a path has nothing to straighten; nor has a single step."""
    noise = cases.normal((3, 2, 2), rng)
    away = cases.normal((2, 2), rng)
    for steps in (1, 4):
        got = code.straightness(lambda x, t: torch.zeros_like(x) + away, noise, steps)
        expect.close(got, scalar(0.0), f"the way is the velocity, at every step; {CROOKED}", **GRID)
    expect.close(code.straightness(Model(), noise, 1), scalar(0.0), f"one step is a straight line; {CROOKED}", **GRID)


def test_straightness_sums_over_a_sample_and_averages_over_steps_and_batch(code, rng):
    """Vectors, images and videos along a bent flow, at the times and places of Euler's path."""
    # six times 1/6 is not 1 in floating point: who adds up the time until it is 1 takes a seventh step, or never ends
    for shape, steps in (
        ((2, 3), 2),
        ((3, 2), 5),
        ((1, 2, 3), 3),
        ((2, 3, 2, 4), 4),
        ((2, 2, 2, 3, 1), 2),
        ((2, 2), 6),
    ):
        model, noise = Model(), cases.normal(shape, rng)
        got = code.straightness(model, noise, steps)
        path, want = walk(model, noise, steps)
        expect.tensor(got, f"a 0-d tensor; {CROOKED}", shape=(), dtype=noise.dtype, device=noise.device)
        expect.close(got, scalar(want), CROOKED, **GRID)
        _seen(model, path[:-1], noise, steps)


def _seen(model: Model, path: list[Tensor], noise: Tensor, steps: int) -> None:
    """The model was asked along the path; who asks a second time, for the differences, does no harm."""
    once: list = []
    for seen in model.seen:
        if seen.x.shape == noise.shape and not any(_alike(seen, other) for other in once):
            once.append(seen)
    model.seen[:] = once
    asked(model, noise, [step / steps for step in range(steps)], TIMES, "velocity model")
    for number, (seen, want) in enumerate(zip(model.seen, path, strict=True)):
        expect.close(seen.x, want, f"where step {number + 1} of Euler's path begins", **GRID)


def _alike(one, other) -> bool:
    times = (torch.as_tensor(seen.t, dtype=torch.float64) for seen in (one, other))
    return torch.allclose(one.x, other.x) and torch.allclose(*times)


def test_straightness_of_normal_ends_is_known(code):
    """With the exact velocity from N(0, 1) to N(0.7, 0.5²) each step's velocity is known, and so is S."""
    world, noise = Ends(0.7, 0.5), numbers(1.0, -1.0, 2.0, 0.0)[:, None]
    for steps in (2, 4, 8):
        offsets, rates = [1.0], []
        for step in range(steps):
            rates.append(world.rate(step / steps) * offsets[-1])
            offsets.append(offsets[-1] + rates[-1] / steps)
        want = sum((offsets[-1] - 1 - rate) ** 2 for rate in rates) / steps * 1.5
        got = code.straightness(world.velocity, noise, steps)
        why = f"along {steps} Euler steps between normal ends, for these noises, S = {want:.5f}; {CROOKED}"
        expect.close(got, scalar(want), why, **GRID)


def test_straightness_comes_near_the_integral(code):
    """With many steps it is (2 - π/2) s for ends N(0, 1) and N(m, s²) in one dimension."""
    noise = numbers(1.0, -1.0)[:, None]
    one, two = (code.straightness(Ends(0.7, 0.5).velocity, noise, steps) for steps in (24, 48))
    for got in (one, two):
        expect.tensor(got, CROOKED, shape=(), dtype=torch.float64)
    # Both are off by some c / steps: twice the finer less the coarser is off by some 0.5 / 24², 1e-3
    want = (2 - math.pi / 2) * 0.5
    expect.close(
        2 * two - one, scalar(want), f"(2 - π/2) / 2 = {want:.4f} for N(0, 1) and s = 1/2; {CROOKED}", rtol=0, atol=2e-3
    )


def test_straightness_keeps_the_dtype_its_arguments_and_the_model(code, rng):
    """float32 stays float32, nothing is changed in place, and no gradient is left on the model."""
    for dtype in (torch.float32, torch.float64):
        for training in (True, False):
            model, noise = Model().to(dtype).train(training), cases.normal((3, 2, 2), rng).to(dtype)
            got = expect.untouched(lambda noise, model=model: code.straightness(model, noise, 3), KEEP, noise=noise)
            expect.close(got, scalar(walk(model, noise, 3)[1], dtype), KEEP, **SINGLE)
            left_alone(model)
