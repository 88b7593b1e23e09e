"""The checks of consistency_coefficients."""

import torch
from torch import Tensor

from exercises.checks import expect
from exercises.checks.cases import numbers
from exercises.checks.s5_flow_matching import batches, pairs
from exercises.checks.s5_flow_matching.rules import GUARD

SKIP = "c_skip = σ_data² / ((σ - σ_min)² + σ_data²)"
OUT = "c_out = σ_data (σ - σ_min) / √(σ² + σ_data²)"
PAIR = "a pair (c_skip, c_out), each of sigma's shape and dtype"


def formula(sigma: Tensor, sigma_data: float = 0.5, sigma_min: float = 0.002) -> tuple[Tensor, Tensor]:
    above = sigma - sigma_min
    return 1 / (1 + (above / sigma_data) ** 2), above / ((sigma / sigma_data) ** 2 + 1).sqrt()


def compared(got, want: tuple[Tensor, Tensor], why: str = "", **tolerance: float) -> None:
    pairs.close(got, want, (SKIP + why, OUT + why), names=("c_skip", "c_out"), **tolerance)


def test_consistency_coefficients_by_hand(code):
    """With sigma_data 3 and sigma_min 1, at the levels 4 and 1."""
    got = code.consistency_coefficients(numbers(4.0, 1.0), 3.0, 1.0)
    compared(
        got,
        (numbers(0.5, 1.0), numbers(1.8, 0.0)),
        "; at σ = 4: 9 / (3² + 9) = 1/2, and 3 * 3 / √(16 + 9) = 9/5",
        **GUARD,
    )


def test_consistency_coefficients_at_the_lowest_level_let_the_input_through(code):
    """At sigma_min they are 1 and 0, and not nearly: the network has no say there."""
    for parameters in ((0.5, 0.002), (0.5, 0.3), (1.7, 0.05)):
        got = code.consistency_coefficients(numbers(parameters[1]), *parameters)
        why = f"; at σ = σ_min = {parameters[1]}, with σ_data = {parameters[0]}, the boundary f(x, σ_min) = x must hold"
        compared(got, (numbers(1.0), numbers(0.0)), why, rtol=1e-5, atol=1e-10)


def test_consistency_coefficients_at_every_level(code, rng):
    """From sigma_min to 80, with other parameters too, given by place or by name."""
    for sigma_data, sigma_min in ((0.5, 0.002), (1.3, 0.1), (2.0, 0.5), (0.5, 0.0)):
        sigma = batches.levels(6, rng, sigma_min or 0.1, 80.0)
        want = formula(sigma, sigma_data, sigma_min)
        why = f", with σ_data = {sigma_data} and σ_min = {sigma_min}"
        compared(code.consistency_coefficients(sigma, sigma_data, sigma_min), want, why, **GUARD)
        compared(code.consistency_coefficients(sigma, sigma_min=sigma_min, sigma_data=sigma_data), want, why, **GUARD)


def test_consistency_coefficients_default_to_0_5_and_0_002(code):
    """Without parameters sigma_data is 0.5 and sigma_min 0.002."""
    sigma = numbers(0.002, 0.01, 1.0, 80.0)
    compared(
        code.consistency_coefficients(sigma),
        formula(sigma),
        ", with σ_data = 0.5 and σ_min = 0.002",
        **GUARD,
    )


def test_consistency_coefficients_keep_the_dtype_and_their_argument(code, rng):
    """float32 stays float32, one level or many, and nothing is changed in place."""
    for dtype in (torch.float32, torch.float64):
        for count in (1, 4):
            sigma = batches.levels(count, rng, 0.1, 80.0).to(dtype)
            got = expect.untouched(code.consistency_coefficients, PAIR, sigma=sigma)
            want = tuple(part.to(dtype) for part in formula(sigma.double()))
            compared(got, want, f"; {PAIR}", rtol=1e-5, atol=1e-6)
