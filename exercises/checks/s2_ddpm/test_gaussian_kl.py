"""The checks of gaussian_kl."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from exercises.checks import cases, expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.rules import FLOW, FREE, KEEP, SINGLE

shapes = st.lists(st.integers(1, 4), min_size=2, max_size=4).map(tuple)
"""Of batches with one to three axes after the batch."""
DISTANCE = "KL = E_1[log p_1 - log p_2] in nats, elementwise⟦: ½ (logvar2 - logvar1 - 1 + exp(logvar1 - logvar2) + (mean1 - mean2)² exp(-logvar2))⟧"


def kl(mean1: Tensor, logvar1: Tensor, mean2: Tensor, logvar2: Tensor) -> Tensor:
    """Cross entropy minus entropy, both of N(mean1, var1)."""
    cross = 0.5 * (math.log(2 * math.pi) + logvar2 + (logvar1.exp() + (mean1 - mean2) ** 2) / logvar2.exp())
    return cross - 0.5 * (math.log(2 * math.pi) + logvar1 + 1)


def bells(shape: tuple[int, ...], rng: Generator) -> list[Tensor]:
    """Mean, log-variance, mean, log-variance; no deviation is below 0.1, so that a guard beside one costs nothing."""
    mean1, logvar1, mean2, logvar2 = (cases.normal(shape, rng) * scale for scale in (1.0, 2.0, 1.5, 1.2))
    return [mean1, logvar1.clamp(min=-4.6), mean2, logvar2.clamp(min=-4.6)]


def test_gaussian_kl_by_hand(code):
    """Numbers that can be worked out by hand."""
    zero, four = numbers(0.0), numbers(math.log(4.0))
    expect.close(
        code.gaussian_kl(zero + 1, zero, zero, zero), numbers(0.5), "the same variance: 0.5 nats⟦, ½ (1 - 0)²⟧"
    )
    expect.close(code.gaussian_kl(zero, four, zero, zero), numbers(0.5 * (3 - math.log(4))), "KL(N(0, 4) to N(0, 1))⟦ = ½ (4 - 1 - ln 4)⟧")  # fmt: skip
    expect.close(code.gaussian_kl(zero + 1, zero, zero, four), numbers(0.5 * (math.log(4) - 0.5)), "KL(N(1, 1) to N(0, 4))⟦ = ½ (ln 4 - 1 + (1 + 1) / 4)⟧")  # fmt: skip


@given(shape=shapes, seed=st.integers(0, 2**32 - 1))
def test_gaussian_kl_is_cross_entropy_minus_entropy(code, shape, seed):
    """It is the cross entropy less the entropy."""
    four = bells(shape, Generator().manual_seed(seed))
    expect.close(code.gaussian_kl(*four), kl(*four), DISTANCE, **FREE)


def test_gaussian_kl_is_zero_for_equal_bells_and_above_zero_for_others(code, rng):
    """It is 0 for equal bells and above 0 for others."""
    mean1, logvar1, mean2, logvar2 = bells((50,), rng)
    got = code.gaussian_kl(mean1, logvar1, mean1, logvar1)
    expect.close(got, torch.zeros_like(mean1), "a distribution is at no distance from itself", **FREE)
    got = code.gaussian_kl(mean1, logvar1, mean2, logvar2)
    expect.tensor(got, DISTANCE, shape=(50,))
    expect.holds(bool((got.detach() > 0).all()), "KL is above 0 for two different distributions", got=got.detach(), want="only numbers above 0")  # fmt: skip


def test_gaussian_kl_takes_log_variances_as_they_are(code, rng):
    """Log-variances are taken as they are, large ones too."""
    mean1, mean2 = cases.normal((6,), rng), cases.normal((6,), rng)
    logvar1, logvar2 = numbers(12.5, 12.5, 0.0, -4.0, 11.0, 13.0), numbers(0.0, 13.0, 12.5, 11.0, 12.0, -4.0)
    why = "nothing holds a log-variance within bounds: deviations of some hundreds are compared like others; "
    expect.close(
        code.gaussian_kl(mean1, logvar1, mean2, logvar2), kl(mean1, logvar1, mean2, logvar2), why + DISTANCE, **FREE
    )


def test_gaussian_kl_broadcasts_its_arguments(code, rng):
    """Arguments of different shapes are broadcast."""
    for shapes in (((3, 2, 4), (3, 1, 1), (3, 2, 4), (3, 1, 1)), ((3, 1, 2), (4, 1), (2,), ()), ((), (5,), (), (2, 1))):
        four = [cases.normal(shape, rng) for shape in shapes]
        expect.close(code.gaussian_kl(*four), kl(*four), "the four tensors are broadcast against each other", **FREE)


def test_gaussian_kl_keeps_the_dtype_and_its_arguments(code, rng):
    """The result has the data's dtype, and the arguments stay as they are."""
    for dtype in (torch.float32, torch.float64):
        mean1, logvar1, mean2, logvar2 = four = [part.to(dtype) for part in bells((4, 3), rng)]
        got = expect.untouched(code.gaussian_kl, KEEP, mean1=mean1, logvar1=logvar1, mean2=mean2, logvar2=logvar2)
        expect.close(got, kl(*(part.double() for part in four)).to(dtype), KEEP, **SINGLE)


def test_gaussian_kl_lets_gradients_through(code, rng):
    """Gradients flow back through it, and they are the exact ones."""
    pull = cases.normal((3, 4), rng)
    four = tracked(*bells((3, 4), rng))
    got = code.gaussian_kl(*four)
    mean1, logvar1, mean2, logvar2 = (part.detach() for part in four)
    apart, ratio = (mean1 - mean2) / logvar2.exp(), (logvar1 - logvar2).exp()
    expect.gradients(
        got,
        pull,
        FLOW,
        mean1=(four[0], apart * pull),
        logvar1=(four[1], 0.5 * (ratio - 1) * pull),
        mean2=(four[2], -apart * pull),
        logvar2=(four[3], 0.5 * (1 - ratio - (mean1 - mean2) * apart) * pull),
    )
