"""The checks of score_from_x0."""

import torch
from hypothesis import given
from torch import Generator

from exercises.checks import cases, expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.s3_score_sde.inputs import seeds, sizes
from exercises.checks.s3_score_sde.rules import EACH, FLOW, FREE, KEEP

CLEAN = "⟦score = (mean_coef x_0 - x_t) / std²: ⟧the gradient of log N(x_t; mean_coef x_0, std² I) in x_t"


def test_score_from_x0_by_hand(code):
    """Numbers that can be worked out by hand."""
    x0, x_t = numbers(1.0, 2.0)[None].expand(2, 2), numbers(2.0, 0.0)[None].expand(2, 2)
    got = code.score_from_x0(x0, x_t, numbers(0.5, 1.0)[:, None], numbers(0.5, 2.0)[:, None])
    want = torch.stack([numbers(-6.0, 4.0), numbers(-0.25, 0.5)])
    expect.close(got, want, "⟦(0.5 * 1 - 2) / 0.25 = -6, and so on; ⟧" + CLEAN, **FREE)


@given(case=cases.batches(), seed=seeds)
def test_score_from_x0_is_the_gradient_of_the_log_of_the_normal_density(code, case, seed):
    """It is the gradient of the logarithm of a normal density."""
    generator = Generator().manual_seed(seed)
    mean_coef, std = (sizes(len(case.x0), generator, case.x0, smallest=0.1) for _ in range(2))
    got = code.score_from_x0(case.x0, case.x_t, mean_coef, std)
    (x_t,) = tracked(case.x_t)
    log_density = -((x_t - mean_coef * case.x0) ** 2) / (2 * std**2)
    (want,) = torch.autograd.grad(log_density.sum(), x_t)
    expect.close(got, want, CLEAN, **FREE)


def test_score_from_x0_is_minus_the_noise_that_was_added_over_std(code, rng):
    """It is minus the noise that was added, over std."""
    for case in cases.corners(rng):
        mean_coef, std = (sizes(len(case.x0), rng, case.x0, smallest=0.1) for _ in range(2))
        got = code.score_from_x0(case.x0, mean_coef * case.x0 + std * case.noise, mean_coef, std)
        expect.close(got, -case.noise / std, "for x_t = mean_coef x_0 + std ε the score is -ε / std; " + EACH, **FREE)


def test_score_from_x0_keeps_the_dtype_and_its_arguments(code, rng):
    """The result has the data's dtype, and the arguments stay as they are."""
    for dtype in (torch.float32, torch.float64):
        x0, x_t = (cases.normal((3, 2, 2), rng).to(dtype) for _ in range(2))
        mean_coef, std = (sizes(3, rng, x0, smallest=0.1) for _ in range(2))
        got = expect.untouched(code.score_from_x0, KEEP, x0=x0, x_t=x_t, mean_coef=mean_coef, std=std)
        want = (mean_coef.double() * x0.double() - x_t.double()) / std.double() ** 2
        # A difference of numbers up to 10 is known to 1e-6, and is divided by std² from 0.01
        expect.close(got, want.to(dtype), KEEP, rtol=1e-4, atol=1e-3)


def test_score_from_x0_lets_gradients_through(code, rng):
    """Gradients flow back through it, and they are the exact ones."""
    case = cases.gradual(rng)
    mean_coef, std = (sizes(3, rng, case.x0, smallest=0.1) for _ in range(2))
    x0, x_t = tracked(case.x0, case.x_t)
    got = code.score_from_x0(x0, x_t, mean_coef, std)
    pull = case.eps / std**2
    expect.gradients(got, case.eps, FLOW, x0=(x0, mean_coef * pull), x_t=(x_t, -pull), **FREE)
