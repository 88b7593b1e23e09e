"""The checks of karras_sigmas."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from exercises.checks import expect
from exercises.checks.cases import numbers

GRID = "σ_i = (σ_max^(1/ρ) + i/(n-1) (σ_min^(1/ρ) - σ_max^(1/ρ)))^ρ for i = 0 .. n-1, and a 0 behind them"
ROUND = {"rtol": 1e-4, "atol": 1e-7}
"""float32, raised to the seventh power and more: 7 * 6e-8, times ten for the sum below it."""


def wanted(n: int, low: float = 0.002, high: float = 80.0, rho: float = 7.0) -> Tensor:
    bent = [high ** (1 / rho) + i / (n - 1) * (low ** (1 / rho) - high ** (1 / rho)) for i in range(n)]
    return numbers(*(value**rho for value in bent), 0.0)


def levels(got: Tensor, n: int) -> Tensor:
    """What came back, in float64; it is a tensor (n+1,) of float32 or float64."""
    why = "n levels and a final 0: a tensor of shape (n+1,)"
    expect.tensor(got, why)
    expect.holds(
        tuple(got.shape) == (n + 1,), why, got=got.double(), want=f"shape {(n + 1,)}", told=f"shape {tuple(got.shape)}"
    )
    expect.holds(
        got.dtype in (torch.float32, torch.float64),
        "levels come in float32",
        got=str(got.dtype),
        want="dtype torch.float32",
        told=f"dtype {got.dtype}",
    )
    return got.double()


def test_karras_sigmas_by_hand(code):
    """Three levels with EDM's own numbers: 80, 2.515219, 0.002, and 0."""
    got = levels(code.karras_sigmas(3), 3)
    expect.close(
        got,
        numbers(80, 2.515219, 0.002, 0),
        "from 80 down to 0.002, evenly in σ^(1/7), then 0; " + GRID,
        rtol=1e-4,
        atol=1e-6,
    )


def test_karras_sigmas_has_both_ends_and_a_zero(code):
    """The first is sigma_max, the one before the last sigma_min, and the last exactly 0; two levels are just these."""
    for n, low, high in ((2, 0.01, 50.0), (5, 0.1, 3.0), (40, 0.002, 80.0)):
        got = levels(code.karras_sigmas(n, low, high), n)
        expect.close(
            got[[0, -2, -1]],
            numbers(high, low, 0.0),
            "both ends are among the n levels, and 0 comes behind; " + GRID,
            **ROUND,
        )
        expect.equal(got[-1].item(), 0.0, "the last level is 0 exactly: a sampler looks for it")


@given(n=st.integers(2, 30), low=st.floats(1e-3, 0.5), high=st.floats(1.0, 100.0), rho=st.floats(1.0, 10.0))
def test_karras_sigmas_are_even_in_the_root(code, n, low, high, rho):
    """Any n, any ends, any rho."""
    got = levels(code.karras_sigmas(n, sigma_min=low, sigma_max=high, rho=rho), n)
    # a sum of numbers up to `high` in float32, of which little is left at the lower end
    expect.close(got, wanted(n, low, high, rho), GRID, rtol=1e-4, atol=5e-7 * high)


def test_karras_sigmas_with_rho_1_are_evenly_spaced(code):
    """Rho = 1 bends nothing: equal strides."""
    got = levels(code.karras_sigmas(5, 1.0, 9.0, 1.0), 5)
    expect.close(got, numbers(9, 7, 5, 3, 1, 0), "ρ = 1 divides the way from 9 to 1 evenly; " + GRID, **ROUND)


def test_karras_sigmas_take_their_arguments_in_the_order_of_the_signature(code):
    """sigma_min comes before sigma_max, then rho; what is not said is 0.002, 80 and 7."""
    for n, rest in ((6, ()), (6, (0.05,)), (6, (0.05, 20.0)), (6, (0.05, 20.0, 3.0))):
        expect.close(levels(code.karras_sigmas(n, *rest), n), wanted(n, *rest), GRID, **ROUND)
