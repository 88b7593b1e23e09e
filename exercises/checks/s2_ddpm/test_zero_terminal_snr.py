"""The checks of zero_terminal_snr."""

import math
from itertools import pairwise

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from exercises.checks import cases, expect
from exercises.checks.cases import numbers
from exercises.checks.rules import KEEP, SINGLE

MENDED = "√ᾱ'_t = (√ᾱ_t - √ᾱ_{T-1}) √ᾱ_0 / (√ᾱ_0 - √ᾱ_{T-1}), and β'_t = 1 - ᾱ'_t / ᾱ'_{t-1}"


def mended(betas: Tensor) -> Tensor:
    root = [math.sqrt(level) for level in cases.alpha_bar_of(betas.double()).tolist()]
    moved = [(r - root[-1]) * root[0] / (root[0] - root[-1]) for r in root]
    kept = [moved[0] ** 2, *((after / before) ** 2 for before, after in pairwise(moved))]
    return torch.tensor([1 - share for share in kept], dtype=betas.dtype)


def test_zero_terminal_snr_by_hand(code):
    """Numbers that can be worked out by hand."""
    got = code.zero_terminal_snr(numbers(0.36, 0.75))
    expect.close(got, numbers(0.36, 1.0), "√ᾱ = (0.8, 0.4) becomes (0.8, 0): the first β is kept, the last is 1")
    got = code.zero_terminal_snr(numbers(0.36, 0.4375, 1 - 4 / 9))
    why = "√ᾱ = (0.8, 0.6, 0.4), minus 0.4, times 2, is (0.8, 0.4, 0): β = 0.36, 1 - (0.4/0.8)², 1"
    expect.close(got, numbers(0.36, 0.75, 1.0), why)


@given(levels=st.integers(2, 12), seed=st.integers(0, 2**32 - 1))
def test_zero_terminal_snr_moves_and_stretches_the_root_of_alpha_bar(code, levels, seed):
    """√ᾱ is moved and stretched."""
    betas = cases.schedule(levels, Generator().manual_seed(seed), smallest=0.01)
    expect.close(code.zero_terminal_snr(betas), mended(betas), MENDED)


def test_zero_terminal_snr_ends_in_static_and_begins_as_before(code):
    """The last level is pure static, and the first is as it was."""
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    got = code.zero_terminal_snr(betas)
    expect.close(got, mended(betas), MENDED, rtol=1e-6, atol=1e-9)
    expect.close(got[-1:], numbers(1.0), "the last level has SNR 0: its β is 1", rtol=0.0, atol=1e-12)
    expect.close(got[:1], betas[:1], "the first level is kept", rtol=1e-7, atol=0.0)


def test_zero_terminal_snr_keeps_the_dtype_and_its_argument(code, rng):
    """The result has the argument's dtype, and the argument stays as it is."""
    betas = cases.schedule(8, rng, smallest=0.1)
    for table in (betas, betas.float(), betas[::2]):
        want = mended(table.double()).to(table.dtype)
        got = expect.untouched(code.zero_terminal_snr, KEEP, betas=table)
        # In float32 a few roundings of 6e-8, which the subtraction near the end makes some 50 times as large
        expect.close(got, want, KEEP, **SINGLE)
        expect.close(code.zero_terminal_snr(table), want, "betas may lie in memory in any way", **SINGLE)
