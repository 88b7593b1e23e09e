"""The checks of half_log_snr."""

import math
from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from exercises.checks import expect
from exercises.checks.cases import numbers
from exercises.checks.rules import KEEP

HALF = "λ = log(√ᾱ / √(1-ᾱ)), the logarithm of a ratio of amplitudes"


def alike(got: Any, want: Tensor, why: str, rtol: float = 1e-5, atol: float = 1e-5) -> None:
    """As `expect.close`, where infinity is an answer too."""
    expect.tensor(got, why, shape=want.shape, dtype=want.dtype)
    near = torch.isclose(got.detach(), want, rtol=rtol, atol=atol)
    expect.holds(bool(near.all()), why, got=got.detach(), want=str([round(value, 6) for value in want.tolist()]))


def astray(got: Any, want: Tensor, why: str) -> None:
    """As `alike`, for values so far out that it matters in which direction a guard moves them, and not how far."""
    expect.tensor(got, why, shape=want.shape, dtype=want.dtype)
    near = torch.isclose(got.detach(), want, rtol=1e-5, atol=1e-5).tolist()
    words = []
    for one, other, right in zip(got.tolist(), want.tolist(), near, strict=True):
        far = "huge, but finite" if math.inf > abs(one) > 1e30 else "too near to 0"
        words.append("right" if right else far if abs(one) < abs(other) else "too far from 0")
    if not all(near):
        raise expect.Mismatch(why, words, str(got.tolist()), str(want.tolist()))


def test_half_log_snr_by_hand(code):
    """By hand: 0 where signal and noise are equal, log 2 where the signal has twice the noise's size."""
    got = code.half_log_snr(numbers(0.8, 0.5, 0.2, 0.1))
    alike(
        got, numbers(math.log(2), 0.0, -math.log(2), -math.log(3)), "at ᾱ = 0.8 the amplitudes are as 2 to 1; " + HALF
    )


@given(values=st.lists(st.floats(0.001, 0.999), min_size=1, max_size=6))
def test_half_log_snr_of_every_level(code, values):
    """Half the log-odds of ᾱ, for each level."""
    want = numbers(*(0.5 * (math.log(value) - math.log(1 - value)) for value in values))
    alike(code.half_log_snr(numbers(*values)), want, HALF)


def test_half_log_snr_far_out(code):
    """Nothing is added or clamped: from 2e-9, where the cosine schedule ends, to 1e-9 below 1."""
    values = (1 - 2**-30, 1 - 2**-20, 1 - 2**-16, 2**-16, 2**-20, 2.428767e-9)
    want = numbers(*(0.5 * (math.log(value) - math.log(1 - value)) for value in values))
    astray(code.half_log_snr(numbers(*values)), want, "no epsilon, no clamp; " + HALF)


def test_half_log_snr_is_infinite_at_both_ends(code):
    """ᾱ = 0 gives -∞ and ᾱ = 1 gives +∞."""
    astray(
        code.half_log_snr(numbers(1.0, 0.5, 0.0)),
        numbers(math.inf, 0.0, -math.inf),
        "no noise is λ = ∞, no signal -∞; " + HALF,
    )


def test_half_log_snr_keeps_the_dtype_and_its_argument(code):
    """λ comes in alpha_bar's dtype, and alpha_bar stays as it is."""
    for dtype in (torch.float32, torch.float64):
        alpha_bar = numbers(0.75, 0.5, 0.25, 0.03125).to(dtype)
        got = expect.untouched(code.half_log_snr, KEEP, alpha_bar=alpha_bar)
        want = torch.log(alpha_bar.double() / (1 - alpha_bar.double())) / 2
        alike(got, want.to(dtype), KEEP, rtol=1e-5, atol=1e-6)
