"""The checks of latent_scale."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from exercises.checks import cases, expect
from exercises.checks.cases import numbers
from exercises.checks.expect import Mismatch
from exercises.checks.s7_latent_diffusion.rules import KEEP

UNIT = "s is one number⟦, 1 / std of all elements together⟧: s z then has standard deviation 1"


def scaled(code, latents: Tensor, why: str = UNIT) -> None:
    """The scale is 1 / std, where the deviation may be taken with n or n - 1.

    A small number added to a deviation of 0.2 or more, and float32's roundings, change it by some 5e-6.
    """
    got = expect.untouched(code.latent_scale, KEEP, latents=latents)
    if isinstance(got, Tensor) and got.ndim:
        numbers = got.detach().flatten().double()
        raise Mismatch(why, numbers, f"shape {tuple(got.shape)}", "one number, a float or a 0-d tensor")
    if not isinstance(got, float):
        expect.tensor(got, why + "; a float or a 0-d tensor", shape=())
    value = torch.tensor(float(got), dtype=torch.float64)
    expect.finite(value, why)
    spread = latents.double()
    one, other = (1 / spread.std(correction=correction) for correction in (0, 1))
    nearer = min(one, other, key=lambda want: abs(float(value - want)))
    expect.close(value, nearer, why, rtol=1e-5, atol=0.0)


def test_latent_scale_by_hand(code):
    """Numbers that are 2 away from their mean have deviation 2, wherever the mean is: s = 1/2."""
    latents = numbers(-2.0, 2.0).repeat(50).reshape(25, 4)
    for mean in (0.0, 3.0):
        scaled(
            code, latents + mean, f"numbers {mean - 2:g} and {mean + 2:g} in turn have deviation 2, so s = ½: {UNIT}"
        )


@given(
    shape=st.lists(st.integers(2, 4), min_size=2, max_size=4).map(tuple),
    size=st.floats(0.2, 20),
    mean=st.floats(-5, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_latent_scale_brings_any_latents_to_unit_deviation(code, shape, size, mean, seed):
    """One over the standard deviation of all elements, the mean taken away."""
    latents = cases.normal(shape, Generator().manual_seed(seed))
    scaled(code, mean + size * latents / latents.std())


def test_latent_scale_is_one_number_whatever_the_axes(code, rng):
    """Channels and samples of unlike sizes still have one scale together, and each place its part in it."""
    for shape in ((6, 4, 2, 3), (3, 3, 3, 3), (1, 5), (5, 1), (2, 2, 2, 2, 2)):
        for layout in ("contiguous", "strided"):
            latents = cases.normal(shape, rng, layout)
            for axis, length in enumerate(shape):
                sizes = torch.linspace(0.5, 3.0, length, dtype=torch.float64)
                moved = sizes.reshape([-1 if other == axis else 1 for other in range(len(shape))])
                scaled(code, latents * moved + moved, f"{UNIT}, whatever axis {axis} of {tuple(shape)} holds")


def test_latent_scale_works_in_float32(code, rng):
    """Latents come from an encoder, in float32, and need not lie around zero."""
    for mean in (0.0, 1.5):
        scaled(code, (mean + 0.3 * cases.normal((8, 4, 2, 2), rng)).float())
