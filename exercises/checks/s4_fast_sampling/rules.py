"""What the checks of section 4 say again and again, and how near is near."""

from typing import Any

from torch import Tensor

from exercises.checks import expect

SINGLE = {"rtol": 1e-4, "atol": 1e-4}
"""For float32, in data or tables: coefficients are off by some 10 ulp after a cancellation in 1 - ᾱ >= 0.02,
10 * 6e-8 / 0.02 = 3e-5, and multiply numbers up to 3."""
PEOPLE = "the model is told the level in an int64 tensor of shape (B,), the same for every sample"
SHOWN = "the model sees x, in the shape and dtype of what the sampler was given"
MIX = "x_prev = √ᾱ_prev x̂_0 + √(1-ᾱ_prev-σ²) eps + σ noise, x̂_0 = (x_t - √(1-ᾱ_t) eps) / √ᾱ_t"
SIGMA = "σ = eta √((1-ᾱ_prev)/(1-ᾱ_t)) √(1 - ᾱ_t/ᾱ_prev)"
CLEAN = "t = -1 is clean data, where ᾱ is 1"
SECOND = (
    "x_t = (σ_t/σ_s) x - α_t (e^(-h) - 1) D with h = λ_t - λ_s, "
    "D = x0_pred + h / (2 (λ_s - λ_prev)) (x0_pred - x0_prev)"
)


def close(got: Any, want: Tensor, why: str) -> None:
    """`got` is `want`, but for what a guard may do: 1e-8 beside a σ of ordinary size costs nothing, whoever adds it.

    Where a guard shows, an end is tried.
    """
    expect.close(got, want, why, rtol=1e-5, atol=1e-5)


def near(got: Any, want: Tensor, why: str) -> None:
    """`got` is `want`, but for what is lost where λ, given as a float, is made a float32 tensor.

    A λ of up to 9 is then off by 5e-7, and a step of 0.2 by a few millionths, which multiplies numbers up to 20.
    """
    expect.close(got, want, why, **SINGLE)
