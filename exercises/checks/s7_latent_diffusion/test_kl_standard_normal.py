"""The checks of kl_standard_normal."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from exercises.checks import cases, expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.s7_latent_diffusion.evidence import close, gradients, in_its_dtype
from exercises.checks.s7_latent_diffusion.rules import FLOW, KEEP, KL, SAMPLE, SINGLE


def divergence(mean: Tensor, logvar: Tensor) -> Tensor:
    """KL of each sample, term by term."""
    return sum(
        0.5 * (m**2 + torch.exp(v) - 1 - v)
        for m, v in zip(mean.flatten(1).unbind(1), logvar.flatten(1).unbind(1), strict=True)
    )


def test_kl_standard_normal_by_hand_at_mean_one_and_a_quarter_of_the_variance(code):
    """At mean 1 and variance 1/4 a number costs 0.818 nats, and two cost twice as much."""
    one = 0.5 * (1 + 0.25 - 1 + math.log(4))
    logvar = numbers(-math.log(4))[None]
    why = "0.818147 nats for mean 1 and variance ¼⟦: ½ (1 + ¼ - 1 + log 4)⟧"
    close(code.kl_standard_normal(numbers(1.0)[None], logvar), numbers(one), why)
    got = code.kl_standard_normal(numbers(1.0)[None].expand(1, 2), logvar.expand(1, 2))
    close(got, numbers(2 * one), why + ", and there are two of them: " + SAMPLE)


@given(
    shape=st.lists(st.integers(1, 4), min_size=2, max_size=4).map(tuple),
    seed=st.integers(0, 2**32 - 1),
)
def test_kl_standard_normal_is_the_sum_over_a_samples_elements(code, shape, seed):
    """One number a sample: the closed form of each element, added up over all axes but the batch."""
    rng = Generator().manual_seed(seed)
    mean, logvar = cases.normal(shape, rng), 2 * cases.normal(shape, rng)
    close(code.kl_standard_normal(mean, logvar), divergence(mean, logvar), KL)


def test_kl_standard_normal_is_what_torch_distributions_say(code, rng):
    """torch.distributions knows the same divergence."""
    for shape in cases.SHAPES:
        for layout in cases.LAYOUTS:
            mean, logvar = cases.normal(shape, rng, layout), cases.normal(shape, rng, layout)
            ours = torch.distributions.Normal(mean, torch.exp(logvar / 2))
            want = torch.distributions.kl_divergence(ours, torch.distributions.Normal(0.0, 1.0)).flatten(1).sum(1)
            close(code.kl_standard_normal(mean, logvar), want, KL)


def test_kl_standard_normal_is_zero_at_the_standard_normal_and_right_at_the_ends_of_logvar(code):
    """Static costs nothing; logvar may be -30 or 20."""
    zeros = torch.zeros(3, 2, 2, dtype=torch.float64)
    why = "a latent that is standard normal costs nothing"
    close(code.kl_standard_normal(zeros, zeros), zeros[:, 0, 0], why)
    logvar = numbers(-30.0, 20.0)[:, None]
    want = numbers(0.5 * (math.exp(-30) - 1 + 30), 0.5 * (math.exp(20) - 1 - 20))
    close(code.kl_standard_normal(0 * logvar, logvar), want, "at logvar = -30 and 20: " + KL)


def test_kl_standard_normal_keeps_the_dtype_and_its_arguments(code, rng):
    """The result has the mean's dtype, and nothing is changed in place."""
    for dtype in (torch.float32, torch.float64):
        mean, logvar = (cases.normal((3, 2, 2), rng).to(dtype) for _ in range(2))
        got = expect.untouched(code.kl_standard_normal, KEEP, mean=mean, logvar=logvar)
        in_its_dtype(got, divergence(mean.double(), logvar.double()).to(dtype), KEEP, **SINGLE)


def test_kl_standard_normal_lets_gradients_through(code, rng):
    """It is a part of a loss: its slope is the mean, and half of the variance less 1."""
    mean, logvar = tracked(cases.normal((3, 2, 2), rng), cases.normal((3, 2, 2), rng))
    pull = cases.normal((3,), rng)
    each, got = pull[:, None, None], code.kl_standard_normal(mean, logvar)
    gradients(
        got,
        pull,
        FLOW,
        mean=(mean, (each * mean).detach()),
        logvar=(logvar, (each * (torch.exp(logvar) - 1) / 2).detach()),
    )
