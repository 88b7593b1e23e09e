"""The checks of probability_flow_drift."""

import math

import torch
from hypothesis import given
from torch import Generator

from exercises.checks import cases, expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.s3_score_sde.formulas import flowing
from exercises.checks.s3_score_sde.inputs import column, moments, seeds, times
from exercises.checks.s3_score_sde.rules import EACH, FLOW, KEEP, SINGLE
from exercises.toolkit.processes import Bent

HALF = "the probability-flow ODE has drift f(x, t) - ½ g(t)² score: half of what the reverse SDE subtracts"


def test_probability_flow_drift_by_hand(code):
    """Numbers that can be worked out by hand."""
    x, score = numbers(0.0, math.pi / 2)[None].expand(2, 2), numbers(1.0, -2.0)[None].expand(2, 2)
    got = code.probability_flow_drift(Bent(), score, x, numbers(1.0, 0.0))
    why = "f = sin(x) (0.5 + t) and g = 1.5 + t, so that ½ g² = 3.125 at t = 1 and 1.125 at t = 0; "
    expect.close(got, torch.stack([numbers(-3.125, 1.5 + 6.25), numbers(-1.125, 0.5 + 2.25)]), why + HALF)


@given(case=cases.batches(), seed=seeds)
def test_probability_flow_drift_subtracts_half_the_squared_diffusion_times_the_score(code, case, seed):
    """Half of the squared diffusion times the score is subtracted."""
    t = times(len(case.x_t), Generator().manual_seed(seed))
    got = code.probability_flow_drift(Bent(), case.eps, case.x_t, t)
    expect.close(got, flowing(case.x_t, t, case.eps), HALF)


def test_probability_flow_drift_works_on_any_shape_and_layout(code, rng):
    """It works on data of any shape, however it lies in memory."""
    for case in cases.corners(rng):
        t = moments(case, rng)
        got = code.probability_flow_drift(Bent(), case.eps, case.x_t, t)
        expect.close(got, flowing(case.x_t, t, case.eps), EACH)


def test_probability_flow_drift_keeps_the_dtype_and_its_arguments(code, rng):
    """The result has the data's dtype, and the arguments stay as they are."""
    for dtype in (torch.float32, torch.float64):
        (score, x), t = (cases.normal((3, 2, 2), rng).to(dtype) for _ in range(2)), times(3, rng).to(dtype)
        got = expect.untouched(
            lambda score, x, t: code.probability_flow_drift(Bent(), score, x, t), KEEP, score=score, x=x, t=t
        )
        expect.close(got, flowing(x.double(), t.double(), score.double()).to(dtype), KEEP, **SINGLE)


def test_probability_flow_drift_lets_gradients_through(code, rng):
    """Gradients flow back through it, and they are the exact ones."""
    case, t = cases.gradual(rng), times(3, rng)
    x, score = tracked(case.x_t, case.eps)
    got = code.probability_flow_drift(Bent(), score, x, t)
    clock = column(t, case.x_t)
    slope, square = torch.cos(case.x_t) * (0.5 + clock), (1.5 + clock) ** 2
    expect.gradients(got, case.noise, FLOW, x=(x, slope * case.noise), score=(score, -square / 2 * case.noise))
