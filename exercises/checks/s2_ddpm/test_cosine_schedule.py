"""The checks of cosine_schedule."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from exercises.checks import expect
from exercises.checks.cases import numbers
from exercises.checks.s2_ddpm.rules import REFUSED, TABLE

COSINE = "β_t = min(1 - f((t+1)/T) / f(t/T), max_beta) with f(u) = cos²(π/2 (u+s) / (1+s))"


def cosine(T: int, s: float = 0.008, max_beta: float = 0.999) -> Tensor:
    f = [math.cos(math.pi / 2 * (t / T + s) / (1 + s)) ** 2 for t in range(T + 1)]
    return numbers(*(min(1 - f[t + 1] / f[t], max_beta) for t in range(T)), dtype=torch.float32)


def test_cosine_schedule_by_hand_without_offset(code):
    """Numbers that can be worked out by hand, without an offset."""
    got = code.cosine_schedule(3, s=0.0)
    why = "f(0) = 1, f(1/3) = cos² 30° = 3/4, f(2/3) = cos² 60° = 1/4, f(1) = 0: β = 1/4, 2/3, and 1 clipped to 0.999"
    expect.close(got, numbers(0.25, 2 / 3, 0.999, dtype=torch.float32), why, **TABLE)


def test_cosine_schedule_of_improved_ddpm(code):
    """The schedule of the Improved DDPM paper gives its known values."""
    got = code.cosine_schedule(1000)
    expect.close(got, cosine(1000), COSINE + ", computed in float64 and returned as float32", **TABLE)
    kept = torch.cumprod(1 - got.detach().double(), 0)[[0, 499, 999]]
    why = "s = 0.008 and max_beta = 0.999 leave ᾱ_0 = 0.9999587, ᾱ_499 = 0.4938436 and ᾱ_999 = 2.42877e-9"
    expect.close(kept, numbers(0.9999587, 0.4938436, 2.42877e-9), why, rtol=3e-5, atol=0.0)  # 1 - 0.999 in float32


@given(T=st.integers(1, 60), s=st.floats(0, 0.2), max_beta=st.floats(0.2, 0.9999))
def test_cosine_schedule_is_the_fall_of_a_squared_cosine(code, T, s, max_beta):
    """ᾱ falls like a squared cosine."""
    expect.close(code.cosine_schedule(T, s, max_beta), cosine(T, s, max_beta), COSINE, **TABLE)
    expect.close(code.cosine_schedule(T, s=s), cosine(T, s), COSINE, **TABLE)


def test_cosine_schedule_clips_the_betas_at_the_end(code):
    """The betas are clipped at the end."""
    for T, max_beta in ((1, 0.999), (8, 0.999), (8, 0.5), (8, 0.05), (8, 1.0)):
        why = f"f(1) = 0 makes the last β 1: all are clipped at max_beta, here {max_beta}, and at nothing else"
        expect.close(code.cosine_schedule(T, max_beta=max_beta), cosine(T, max_beta=max_beta), why, **TABLE)


def test_cosine_schedule_refuses_T_below_1(code):
    """T below 1 is refused."""
    for T in (0, -1, -7):
        expect.raises(ValueError, lambda T=T: code.cosine_schedule(T), REFUSED)
