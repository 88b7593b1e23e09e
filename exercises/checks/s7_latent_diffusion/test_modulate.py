"""The checks of modulate."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from exercises.checks import cases, expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.s7_latent_diffusion.evidence import close, gradients, in_its_dtype
from exercises.checks.s7_latent_diffusion.rules import FLOW, KEEP, SINGLE

RULE = "x (1 + scale) + shift, with a sample's own shift and scale for each of its tokens"


def moved(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Token by token."""
    return torch.stack([token * (1 + scale) + shift for token in x.unbind(1)], dim=1)


def batch(rng: Generator, samples: int, tokens: int, dim: int, layout: str = "contiguous") -> list[Tensor]:
    return [cases.normal(shape, rng, layout) for shape in ((samples, tokens, dim), (samples, dim), (samples, dim))]


def test_modulate_by_hand(code):
    """At x = 3, shift 10 and scale 1 give 16; at zero they change nothing."""
    x = numbers(3.0, -1.0).reshape(1, 2, 1)
    ten, one = numbers(10.0)[None], numbers(1.0)[None]
    close(code.modulate(x, ten, one), numbers(16.0, 8.0).reshape(1, 2, 1), "3 (1 + 1) + 10 = 16: " + RULE)
    close(code.modulate(x, 0 * ten, 0 * one), x, "with shift and scale zero nothing changes: " + RULE)


@given(sizes=st.lists(st.integers(1, 4), min_size=3, max_size=3), seed=st.integers(0, 2**32 - 1))
def test_modulate_gives_every_token_its_samples_shift_and_scale(code, sizes, seed):
    """Every token of a sample is treated alike, and every sample in its own way."""
    given_values = batch(Generator().manual_seed(seed), *sizes)
    close(code.modulate(*given_values), moved(*given_values), RULE)


def test_modulate_works_where_axes_are_alike_and_in_any_layout(code, rng):
    """As many samples as tokens as numbers: torch would line up the wrong axes and say nothing."""
    for sizes in ((3, 3, 3), (2, 2, 4), (1, 1, 3), (4, 2, 4), (1, 5, 5), (5, 1, 2)):
        for layout in cases.LAYOUTS:
            given_values = batch(rng, *sizes, layout)
            close(code.modulate(*given_values), moved(*given_values), RULE)


def test_modulate_keeps_the_dtype_and_its_arguments(code, rng):
    """The result has x's dtype, and nothing is changed in place."""
    for dtype in (torch.float32, torch.float64):
        x, shift, scale = (value.to(dtype) for value in batch(rng, 3, 2, 4))
        got = expect.untouched(code.modulate, KEEP, x=x, shift=shift, scale=scale)
        in_its_dtype(got, moved(x.double(), shift.double(), scale.double()).to(dtype), KEEP, **SINGLE)


def test_modulate_lets_gradients_through(code, rng):
    """The condition learns through shift and scale, what came before through x."""
    x, shift, scale = tracked(*batch(rng, 3, 2, 4))
    got, pull = code.modulate(x, shift, scale), cases.normal((3, 2, 4), rng)
    gradients(
        got,
        pull,
        FLOW,
        x=(x, (pull * (1 + scale[:, None])).detach()),
        shift=(shift, pull.sum(1)),
        scale=(scale, (pull * x).sum(1).detach()),
    )
