"""The checks of langevin_correct."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from exercises.checks import cases, expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.s3_score_sde.inputs import sizes
from exercises.checks.s3_score_sde.rules import FLOW, FREE, KEEP, SINGLE

NORMS = "step = 2 (snr ‖noise‖ / ‖score‖)², each norm the mean over the batch of the samples' L2 norms"
LANGEVIN = "x + step score + √(2 step) noise, with " + NORMS


def corrected(x: Tensor, score: Tensor, snr: float, noise: Tensor) -> Tensor:
    norms = [batch.square().flatten(1).sum(1).sqrt().mean() for batch in (noise, score)]
    step = 2 * (snr * norms[0] / norms[1]) ** 2
    return x + step * score + (2 * step).sqrt() * noise


def same(got: object, want: Tensor, why: str, share: float = 1e-5) -> None:
    """Equal up to so much of the result's size: a guard beside a norm moves the two terms, which may nearly cancel, by that."""
    expect.close(got, want, why, rtol=share, atol=share * max(1.0, float(want.abs().max())))


def test_langevin_correct_by_hand(code):
    """Numbers that can be worked out by hand."""
    x, score = numbers(1.0, 1.0)[None].expand(2, 2), torch.stack([numbers(3.0, 4.0), numbers(0.0, 15.0)])
    noise = torch.stack([numbers(0.0, 1.0), numbers(3.0, 0.0)])
    got = code.langevin_correct(x, score, 0.5, noise)
    step, why = 0.02, "‖score‖ = (5 + 15) / 2 and ‖noise‖ = (1 + 3) / 2, so step = 2 (0.5 * 2 / 10)² = 0.02; "
    same(got, x + step * score + 0.2 * noise, why + LANGEVIN)


@given(case=cases.batches(), snr=st.floats(0.01, 1.0))
def test_langevin_correct_steps_along_the_score_and_adds_noise(code, case, snr):
    """It steps along the score and adds noise."""
    score = case.eps + case.eps.sign()  # no norm is below 1
    same(code.langevin_correct(case.x_t, score, snr, case.noise), corrected(case.x_t, score, snr, case.noise), LANGEVIN)


def test_langevin_correct_takes_each_norm_over_all_axes_of_a_sample(code, rng):
    """Each norm is taken over all axes of a sample."""
    for case in cases.corners(rng):
        score = sizes(len(case.eps), rng, case.eps, smallest=0.1) * case.eps
        got = code.langevin_correct(case.x_t, score, 0.16, case.noise)
        same(got, corrected(case.x_t, score, 0.16, case.noise), NORMS)


def test_langevin_correct_keeps_the_dtype_and_its_arguments(code, rng):
    """The result has the data's dtype, and the arguments stay as they are."""
    for dtype in (torch.float32, torch.float64):
        x, score, noise = (cases.normal((3, 2, 2), rng).to(dtype) for _ in range(3))
        got = expect.untouched(
            lambda x, score, noise: code.langevin_correct(x, score, 0.16, noise), KEEP, x=x, score=score, noise=noise
        )
        expect.close(got, corrected(x.double(), score.double(), 0.16, noise.double()).to(dtype), KEEP, **SINGLE)


def test_langevin_correct_lets_gradients_through(code, rng):
    """Gradients flow back through it, and they are the exact ones."""
    case = cases.gradual(rng)
    x, score, noise = tracked(case.x_t, case.eps, case.noise)
    want = torch.autograd.grad(corrected(x, score, 0.3, noise), (x, score, noise), case.x0)
    got = code.langevin_correct(x, score, 0.3, noise)
    why = FLOW + ", also through the size of the step"
    expect.gradients(got, case.x0, why, x=(x, want[0]), score=(score, want[1]), noise=(noise, want[2]), **FREE)
