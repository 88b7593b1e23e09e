"""The checks of rescale_guidance."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from exercises.checks import cases, expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.rules import FLOW, KEEP, SINGLE
from exercises.checks.s6_guidance.inputs import column
from exercises.checks.s6_guidance.rules import ROUGH

RESCALED = "phi guided std(conditional)/std(guided) + (1 - phi) guided, each std over all the axes of a sample"
SHAPES = [(2, 3, 4, 5), (2, 3), (3, 3), (1, 4), (5, 2, 3), (3, 3, 3, 3), (1, 1, 2, 3), (4, 2, 1, 4), (2, 3, 2, 3, 2)]
"""A sample of one number has no deviation: it is left out."""


def deviation(batch: Tensor) -> Tensor:
    """Of each sample over all its axes, (B, 1, ..., 1)."""
    flat = batch.flatten(1)
    return column((flat - flat.mean(1, keepdim=True)).square().mean(1).sqrt(), batch)


def spread(shape: tuple[int, ...], rng: Generator, smallest: float = 0.3) -> Tensor:
    """Samples with means around 0 and deviations from `smallest` to 10 times that, all of their own."""
    raw, count = cases.normal(shape, rng), shape[0]
    ramp = torch.arange(math.prod(shape[1:]), dtype=torch.float64).reshape(1, *shape[1:])  # no sample is constant
    raw = raw + ramp
    wanted = smallest * 10 ** torch.rand(count, dtype=torch.float64, generator=rng)
    shift = column(cases.normal((count,), rng), raw)
    return (raw - raw.flatten(1).mean(1).reshape(shift.shape)) / deviation(raw) * column(wanted, raw) + shift


def rescaled(guided: Tensor, conditional: Tensor, phi: float) -> Tensor:
    return guided * (1 + phi * (deviation(conditional) / deviation(guided) - 1))


def test_rescale_guidance_by_hand(code):
    """Two samples whose deviations are known come out as computed by hand."""
    guided = torch.stack([numbers(1.0, 5.0), numbers(2.0, -1.0)])
    conditional = torch.stack([numbers(3.0, 4.0), numbers(7.0, 10.0)])
    got = code.rescale_guidance(guided, conditional, 1.0)
    why = "deviations of 2 and 1/2: the factor is 1/4; of 3/2 and 3/2: it is 1. Means (3 and 3.5) are not matched"
    expect.close(got, torch.stack([numbers(0.25, 1.25), numbers(2.0, -1.0)]), f"{why}; {RESCALED}", **ROUGH)
    got = code.rescale_guidance(guided, conditional, 0.7)
    why = "with phi = 0.7 the factor 1/4 becomes 0.7 / 4 + 0.3 = 0.475"
    expect.close(got, torch.stack([numbers(0.475, 2.375), numbers(2.0, -1.0)]), f"{why}; {RESCALED}", **ROUGH)


@given(shape=st.sampled_from(SHAPES), phi=st.floats(0, 1, width=32), seed=st.integers(0, 2**32 - 1))
def test_rescale_guidance_blends_each_sample_with_its_rescaled_self(code, shape, phi, seed):
    """Each sample is phi of itself with the conditional's deviation, and 1 - phi of itself."""
    rng = Generator().manual_seed(seed)
    guided, conditional = spread(shape, rng), spread(shape, rng)
    got = code.rescale_guidance(guided, conditional, phi)
    expect.close(got, rescaled(guided, conditional, phi), RESCALED, **ROUGH)


def test_rescale_guidance_gives_each_sample_its_conditionals_deviation(code, rng):
    """At phi = 1 each sample has its conditional's deviation and is a multiple of what it was; at phi = 0 nothing happens."""
    for shape in SHAPES:
        guided, conditional = spread(shape, rng), spread(shape, rng)
        got = code.rescale_guidance(guided, conditional, 0.0)
        expect.close(got, guided, "phi = 0 changes nothing", **ROUGH)
        got = code.rescale_guidance(guided, conditional, 1.0)
        expect.tensor(got, RESCALED, shape=shape, dtype=torch.float64)
        want = deviation(conditional)
        why = "phi = 1 gives each sample its conditional's standard deviation, over all of its axes"
        expect.close(deviation(got), want, f"{why} (the deviations of what came back)", **ROUGH)
        expect.close(got / guided, (want / deviation(guided)).expand(shape), "one factor for a whole sample", **ROUGH)


def test_rescale_guidance_holds_for_small_deviations_and_expanded_samples(code, rng):
    """Deviations of a tenth count as much as those of ten, and samples may share their memory."""
    guided, conditional = 0.1 * cases.normal((3, 2, 4), rng), spread((3, 2, 4), rng)
    guided = 0.1 * guided / deviation(guided)
    got = code.rescale_guidance(guided, conditional, 0.8)
    why = "nothing is added to a deviation that is divided by, nor is it cut off"
    expect.close(got, rescaled(guided, conditional, 0.8), f"{why}; {RESCALED}", **ROUGH)
    row = spread((1, 2, 4), rng).expand(3, 2, 4)
    expect.close(code.rescale_guidance(row, conditional, 0.8), rescaled(row, conditional, 0.8), RESCALED, **ROUGH)
    flat = conditional * numbers(1.0, 0.0, 1.0)[:, None, None]
    got = code.rescale_guidance(row, flat, 0.8)
    expect.close(got, rescaled(row, flat, 0.8), f"the conditional may have no deviation at all; {RESCALED}", **ROUGH)


def test_rescale_guidance_keeps_the_dtype_and_its_arguments(code, rng):
    """The result keeps the dtype, and no argument is changed."""
    for dtype in (torch.float32, torch.float64):
        guided, conditional = (spread((3, 2, 2), rng).to(dtype) for _ in range(2))
        got = expect.untouched(
            lambda guided, conditional: code.rescale_guidance(guided, conditional, 0.7),
            KEEP, guided=guided, conditional=conditional,
        )  # fmt: skip
        want = rescaled(guided.double(), conditional.double(), 0.7).to(dtype)
        expect.close(got, want, f"{KEEP}; {RESCALED}", **SINGLE)


def test_rescale_guidance_lets_gradients_through(code, rng):
    """Gradients reach both predictions, through their deviations too."""
    guided, conditional = tracked(spread((3, 2, 2), rng), spread((3, 2, 2), rng))
    pull = cases.normal((3, 2, 2), rng)
    want = torch.autograd.grad(rescaled(guided, conditional, 0.7), (guided, conditional), pull)
    got = code.rescale_guidance(guided, conditional, 0.7)
    why = f"{FLOW}, also through the deviations"
    # slopes of the factor divide by the deviation twice: twice the tolerance
    rough = {"rtol": 6e-5, "atol": 6e-5}
    expect.gradients(got, pull, why, guided=(guided, want[0]), conditional=(conditional, want[1]), **rough)
