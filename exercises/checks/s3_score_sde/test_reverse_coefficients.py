"""The checks of reverse_coefficients."""

import math

import torch
from hypothesis import given
from torch import Generator

from exercises.checks import cases, expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.s3_score_sde.formulas import backwards
from exercises.checks.s3_score_sde.inputs import column, moments, seeds, times
from exercises.checks.s3_score_sde.rules import EACH, FLOW, KEEP, MOVE, SINGLE
from exercises.toolkit.processes import Bent

BACK = "the reverse SDE has drift f(x, t) - g(t)² score and the same diffusion g(t), as (B, 1, ..., 1)"


def test_reverse_coefficients_by_hand(code):
    """Numbers that can be worked out by hand."""
    x, score = numbers(0.0, math.pi / 2)[None].expand(2, 2), numbers(1.0, -2.0)[None].expand(2, 2)
    got = code.reverse_coefficients(Bent(), score, x, numbers(1.0, 0.0))
    drift, diffusion = expect.tensors(got, 2, MOVE, ("drift", "diffusion"))
    why = "f = sin(x) (0.5 + t) and g = 1.5 + t, so that g² = 6.25 at t = 1 and 2.25 at t = 0; "
    expect.close(drift, torch.stack([numbers(-6.25, 1.5 + 12.5), numbers(-2.25, 0.5 + 4.5)]), why + BACK)
    expect.close(diffusion, numbers(2.5, 1.5)[:, None], why + BACK)


@given(case=cases.batches(), seed=seeds)
def test_reverse_coefficients_subtracts_the_squared_diffusion_times_the_score(code, case, seed):
    """The squared diffusion times the score is subtracted."""
    t = times(len(case.x_t), Generator().manual_seed(seed))
    drift, diffusion = expect.tensors(
        code.reverse_coefficients(Bent(), case.eps, case.x_t, t), 2, MOVE, ("drift", "diffusion")
    )
    want_drift, want_diffusion = backwards(case.x_t, t, case.eps)
    expect.close(drift, want_drift, BACK)
    expect.close(diffusion, want_diffusion, BACK)


def test_reverse_coefficients_works_on_any_shape_and_layout(code, rng):
    """It works on data of any shape, however it lies in memory."""
    for case in cases.corners(rng):
        t = moments(case, rng)
        drift, diffusion = expect.tensors(
            code.reverse_coefficients(Bent(), case.eps, case.x_t, t), 2, MOVE, ("drift", "diffusion")
        )
        want_drift, want_diffusion = backwards(case.x_t, t, case.eps)
        expect.close(drift, want_drift, EACH)
        expect.close(diffusion, want_diffusion, BACK)


def test_reverse_coefficients_keeps_the_dtype_and_its_arguments(code, rng):
    """The result has the data's dtype, and the arguments stay as they are."""
    for dtype in (torch.float32, torch.float64):
        (score, x), t = (cases.normal((3, 2, 2), rng).to(dtype) for _ in range(2)), times(3, rng).to(dtype)
        got = expect.untouched(
            lambda score, x, t: code.reverse_coefficients(Bent(), score, x, t), KEEP, score=score, x=x, t=t
        )
        for part, want in zip(
            expect.tensors(got, 2, MOVE, ("drift", "diffusion")),
            backwards(x.double(), t.double(), score.double()),
            strict=True,
        ):
            expect.close(part, want.to(dtype), KEEP, **SINGLE)


def test_reverse_coefficients_lets_gradients_through(code, rng):
    """Gradients flow back through it, and they are the exact ones."""
    case, t = cases.gradual(rng), times(3, rng)
    x, score = tracked(case.x_t, case.eps)
    drift, _ = expect.tensors(code.reverse_coefficients(Bent(), score, x, t), 2, MOVE, ("drift", "diffusion"))
    clock = column(t, case.x_t)
    slope, square = torch.cos(case.x_t) * (0.5 + clock), (1.5 + clock) ** 2
    expect.gradients(drift, case.noise, FLOW, x=(x, slope * case.noise), score=(score, -square * case.noise))
