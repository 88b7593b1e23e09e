"""The checks of linear_schedule."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from exercises.checks import expect
from exercises.checks.cases import numbers
from exercises.checks.s2_ddpm.rules import REFUSED, TABLE

STRAIGHT = "β_t = beta_start + t / (T-1) (beta_end - beta_start), both ends included"


def test_linear_schedule_by_hand(code):
    """Numbers that can be worked out by hand."""
    want = numbers(0.1, 0.2, 0.3, 0.4, 0.5, dtype=torch.float32)
    expect.close(
        code.linear_schedule(5, 0.1, 0.5), want, "five values, equally spaced, from 0.1 to 0.5, both included", **TABLE
    )


def test_linear_schedule_of_ddpm(code):
    """The numbers of the DDPM paper give its known values."""
    got = code.linear_schedule(1000)
    want = torch.tensor([1e-4 + t / 999 * (0.02 - 1e-4) for t in range(1000)], dtype=torch.float64)
    expect.close(got, want.float(), "DDPM's betas: 1000 from 1e-4 to 0.02, whatever T is; " + STRAIGHT, **TABLE)
    kept = torch.cumprod(1 - got.detach().double(), 0)[[499, 999]]
    why = "DDPM's schedule leaves ᾱ_499 = 0.0785872 and ᾱ_999 = 4.03583e-5"
    expect.close(kept, numbers(0.0785872, 4.03583e-5), why, rtol=2e-6, atol=0.0)


@given(T=st.integers(2, 60), start=st.floats(1e-5, 0.1), end=st.floats(0.1, 0.9))
def test_linear_schedule_goes_from_start_to_end_by_equal_steps(code, T, start, end):
    """It goes from start to end by equal steps."""
    want = numbers(*(start + t / (T - 1) * (end - start) for t in range(T)), dtype=torch.float32)
    expect.close(code.linear_schedule(T, start, end), want, STRAIGHT, **TABLE)
    expect.close(code.linear_schedule(T=T, beta_start=start, beta_end=end), want, STRAIGHT, **TABLE)


def test_linear_schedule_of_one_level_is_its_start(code):
    """With one level it is the start."""
    for start, end in ((1e-4, 0.02), (0.3, 0.7)):
        want = numbers(start, dtype=torch.float32)
        expect.close(code.linear_schedule(1, start, end), want, "T = 1 gives beta_start alone", **TABLE)


def test_linear_schedule_refuses_T_below_1(code):
    """T below 1 is refused."""
    for T in (0, -1, -7):
        expect.raises(ValueError, lambda T=T: code.linear_schedule(T), REFUSED)
