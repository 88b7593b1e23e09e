"""The checks of compute_alpha_bar."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator

from exercises.checks import cases, expect
from exercises.checks.cases import numbers
from exercises.checks.rules import KEEP


def test_compute_alpha_bar_by_hand(code):
    """Numbers that can be worked out by hand."""
    got = code.compute_alpha_bar(numbers(0.5, 0.2, 0.75))
    expect.close(got, numbers(0.5, 0.4, 0.1), "ᾱ = (0.5, 0.5 * 0.8, 0.5 * 0.8 * 0.25)")


@given(levels=st.integers(1, 30), seed=st.integers(0, 2**32 - 1))
def test_compute_alpha_bar_is_the_running_product_of_what_each_step_keeps(code, levels, seed):
    """It is the running product of what each step keeps."""
    betas = cases.schedule(levels, Generator().manual_seed(seed), smallest=1e-4)
    expect.close(code.compute_alpha_bar(betas), cases.alpha_bar_of(betas), "ᾱ_t = Π_{s ≤ t} (1 - β_s), s = t included")


def test_compute_alpha_bar_of_the_schedule_of_ddpm(code):
    """The schedule of the DDPM paper gives its known values."""
    got = code.compute_alpha_bar(torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64))
    why = "DDPM's linear schedule leaves 4e-5 of the variance"
    expect.tensor(got, why, shape=(1000,), dtype=torch.float64)
    want = numbers(0.9999, 0.07858724, 4.0358298e-5)
    expect.close(got[[0, 499, 999]], want, why, rtol=1e-7, atol=1e-9)  # as many digits as are written here


def test_compute_alpha_bar_is_exact_next_to_1_and_next_to_0(code):
    """It is exact for betas next to 0 and next to 1."""
    betas = numbers(1e-6, 0.9, 0.99, 0.999, 0.9999)
    got = code.compute_alpha_bar(betas)
    why = "ᾱ goes from just below 1 down to 1e-10 here, and nothing bounds it: a clamp would change the levels"
    expect.close(got, cases.alpha_bar_of(betas), why, rtol=1e-5, atol=0.0)


def test_compute_alpha_bar_keeps_the_dtype_and_its_argument(code, rng):
    """The result has the argument's dtype, and the argument stays as it is."""
    betas = cases.schedule(8, rng, smallest=0.1)
    for table in (betas, betas.float(), betas[::2], betas[:1].expand(5)):
        want = cases.alpha_bar_of(table.double()).to(table.dtype)
        got = expect.untouched(code.compute_alpha_bar, KEEP, betas=table)
        expect.close(got, want, KEEP, rtol=1e-5, atol=1e-6)  # float32: eight roundings of 6e-8, or a logarithm's
        expect.close(code.compute_alpha_bar(table), want, "betas may lie in memory in any way", rtol=1e-5, atol=1e-6)
