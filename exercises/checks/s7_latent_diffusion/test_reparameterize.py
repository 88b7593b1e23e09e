"""The checks of reparameterize."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator

from exercises.checks import cases, expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.s7_latent_diffusion.evidence import close, gradients, in_its_dtype
from exercises.checks.s7_latent_diffusion.rules import FLOW, KEEP, SINGLE

DRAW = "⟦z = mean + std ε, and ⟧the standard deviation is the root of exp(logvar)"


def test_reparameterize_by_hand_at_variance_four(code):
    """With variance 4 the noise is doubled, and the mean added."""
    logvar = numbers(math.log(4.0), 0.0, math.log(0.25))
    got = code.reparameterize(numbers(1.0, 1.0, 1.0)[None], logvar[None], numbers(1.0, -1.0, 1.0)[None])
    close(got, numbers(3.0, 0.0, 1.5)[None], "variances 4, 1 and 1/4 are deviations 2, 1 and 1/2: " + DRAW)


@given(
    shape=st.lists(st.integers(1, 4), min_size=2, max_size=4).map(tuple),
    seed=st.integers(0, 2**32 - 1),
)
def test_reparameterize_draws_each_element_from_its_own_normal_distribution(code, shape, seed):
    """Each element is its mean plus its own standard deviation times its noise."""
    rng = Generator().manual_seed(seed)
    mean, logvar, noise = (cases.normal(shape, rng) for _ in range(3))
    close(code.reparameterize(mean, 2 * logvar, noise), mean + torch.exp(logvar) * noise, DRAW)


def test_reparameterize_works_on_any_shape_and_layout_and_far_out(code, rng):
    """Vectors, images, a batch of one; variances from exp(-30) to exp(20), the ends that an encoder may give."""
    for shape in cases.SHAPES:
        for layout in cases.LAYOUTS:
            mean, logvar, noise = (cases.normal(shape, rng, layout) for _ in range(3))
            close(code.reparameterize(mean, logvar, noise), mean + torch.exp(logvar / 2) * noise, DRAW)
    logvar, one = numbers(-30.0, 0.0, 20.0)[None], numbers(1.0, 1.0, 1.0)[None]
    got = code.reparameterize(0 * one, logvar, one)
    want = numbers(math.exp(-15), 1.0, math.exp(10))[None]
    close(got, want, "nothing is added to the variance or cut from it: " + DRAW, rtol=1e-7, atol=1e-12)


def test_reparameterize_draws_where_no_gradient_is_recorded(code, rng):
    """It is the same draw where gradients are off."""
    mean, logvar, noise = (cases.normal((3, 2, 2), rng) for _ in range(3))
    with torch.no_grad():
        got = code.reparameterize(mean, logvar, noise)
    close(got, mean + torch.exp(logvar / 2) * noise, "a draw is a draw, whether gradients are recorded or not: " + DRAW)


def test_reparameterize_keeps_the_dtype_and_its_arguments(code, rng):
    """The result has the mean's dtype, and nothing is changed in place."""
    for dtype in (torch.float32, torch.float64):
        mean, logvar, noise = (cases.normal((3, 2, 2), rng).to(dtype) for _ in range(3))
        got = expect.untouched(code.reparameterize, KEEP, mean=mean, logvar=logvar, noise=noise)
        want = mean.double() + torch.exp(logvar.double() / 2) * noise.double()
        in_its_dtype(got, want.to(dtype), KEEP, **SINGLE)


def test_reparameterize_lets_gradients_through_to_mean_and_logvar(code, rng):
    """The reason for the trick: the draw is differentiable in the distribution's parameters."""
    given_values = [cases.normal((3, 2, 2), rng) for _ in range(3)]
    mean, logvar, noise = tracked(*given_values)
    got, pull, std = code.reparameterize(mean, logvar, noise), cases.normal((3, 2, 2), rng), torch.exp(logvar / 2)
    gradients(
        got,
        pull,
        FLOW,
        mean=(mean, pull),
        logvar=(logvar, (pull * std * noise / 2).detach()),
        noise=(noise, (pull * std).detach()),
    )
