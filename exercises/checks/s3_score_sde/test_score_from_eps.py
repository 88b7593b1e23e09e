"""The checks of score_from_eps."""

import torch
from hypothesis import given
from torch import Generator

from exercises.checks import cases, expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.s3_score_sde.inputs import seeds, sizes
from exercises.checks.s3_score_sde.rules import EACH, FLOW, FREE, KEEP, SINGLE

NOISE = "⟦score = -ε / std: ⟧the score points against the noise, and the less noise there is the more steeply"


def test_score_from_eps_by_hand(code):
    """Numbers that can be worked out by hand."""
    eps = numbers(1.0, -2.0)[None].expand(2, 2)
    got = code.score_from_eps(eps, numbers(0.5, 4.0)[:, None])
    expect.close(
        got, torch.stack([numbers(-2.0, 4.0), numbers(-0.25, 0.5)]), "⟦-1 / 0.5 = -2 and 2 / 0.5 = 4; ⟧" + NOISE, **FREE
    )


@given(case=cases.batches(), seed=seeds)
def test_score_from_eps_is_minus_eps_over_its_standard_deviation(code, case, seed):
    """It is -ε over the standard deviation."""
    std = sizes(len(case.eps), Generator().manual_seed(seed), case.eps, smallest=0.1)
    expect.close(code.score_from_eps(case.eps, std), -case.eps / std, NOISE, **FREE)


def test_score_from_eps_works_on_any_shape_and_layout(code, rng):
    """It works on data of any shape, however it lies in memory."""
    for case in cases.corners(rng):
        std = sizes(len(case.eps), rng, case.eps, smallest=0.1)
        expect.close(code.score_from_eps(case.eps, std), -case.eps / std, EACH, **FREE)


def test_score_from_eps_keeps_the_dtype_and_its_arguments(code, rng):
    """The result has the data's dtype, and the arguments stay as they are."""
    for dtype in (torch.float32, torch.float64):
        eps = cases.normal((3, 2, 2), rng).to(dtype)
        std = sizes(3, rng, eps, smallest=0.1)
        got = expect.untouched(code.score_from_eps, KEEP, eps=eps, std=std)
        expect.close(got, (-eps.double() / std.double()).to(dtype), KEEP, **SINGLE)


def test_score_from_eps_lets_gradients_through(code, rng):
    """Gradients flow back through it, and they are the exact ones."""
    case = cases.gradual(rng)
    std, (eps,) = sizes(3, rng, case.eps, smallest=0.1), tracked(case.eps)
    got = code.score_from_eps(eps, std)
    expect.gradients(got, case.x0, FLOW, eps=(eps, -case.x0 / std), **FREE)
