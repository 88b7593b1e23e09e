"""The checks of decoder_nll."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from exercises.checks import cases, expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.rules import KEEP
from exercises.checks.s2_ddpm.formulas import all_bytes, byte_nll, byte_slopes
from exercises.checks.s2_ddpm.slopes import slopes_in

MASS = "-log of the normal mass from x0 - 1/255 to x0 + 1/255; at -1 it begins at minus, at 1 it ends at plus infinity"
NATS = {"rtol": 1e-9, "atol": 1e-3}
"""The contract's thousandth of a nat, and float64's own digits where there are millions of nats."""


def everywhere() -> tuple[Tensor, Tensor, Tensor]:
    """Bytes at the edges and inside, means within and far outside, widths from a hundredth of a bin to ten ranges."""
    x0 = all_bytes()[[0, 1, 37, 128, 254, 255]]
    mean = numbers(-3.0, -1.0, -0.5, 0.003, 0.31, 1.0, 2.5)
    logvar = numbers(-20.0, -14.0, -9.8, -6.0, -2.0, 0.0, 4.0)
    grid = torch.meshgrid(x0, mean, logvar, indexing="ij")
    return tuple(part.flatten() for part in grid)


def test_decoder_nll_by_hand(code):
    """Numbers that can be worked out by hand."""
    half = 1 / 255
    x0 = numbers(1.0, -1.0, all_bytes()[100].item(), all_bytes()[128].item())
    mean = numbers(1.0 - half, -1.0 + half, all_bytes()[100].item(), all_bytes()[128].item())
    logvar = 2 * numbers(math.log(0.1), math.log(0.1), math.log(half), math.log(1e-5))
    want = numbers(math.log(2), math.log(2), -math.log(math.erf(math.sqrt(0.5))), 0.0)
    why = "an edge bin that begins at the mean has half of the mass, ln 2 nats; one from -σ to σ has 68 %; a needle has all"
    expect.close(code.decoder_nll(x0, mean, logvar), want, why, **NATS)


def test_decoder_nll_is_a_distribution_over_the_256_bytes(code):
    """Over the 256 bytes the probabilities sum to 1."""
    for mean in (-2.0, -1.0, -0.997, 0.0, 0.4, 1.0, 1.5):
        for logvar in (-16.0, -10.0, -4.0, 0.0, 2.0):
            got = code.decoder_nll(
                all_bytes(), torch.full_like(all_bytes(), mean), torch.full_like(all_bytes(), logvar)
            )
            expect.tensor(got, "one price a byte", shape=(256,), dtype=torch.float64)
            total = torch.exp(-got.detach()).sum()
            why = f"the masses of all 256 bins add up to 1, here for mean {mean} and log-variance {logvar}"
            expect.close(total, numbers(1.0)[0], why, rtol=0.0, atol=1.1e-3)  # each within 1e-3 nats of its own


@given(k=st.integers(0, 255), mean=st.floats(-1.2, 1.2), logvar=st.floats(-12, 2))
def test_decoder_nll_is_the_exact_mass_of_the_bin(code, k, mean, logvar):
    """It is the exact mass of the byte's bin."""
    args = all_bytes()[[k]], numbers(mean), numbers(logvar)
    expect.close(code.decoder_nll(*args), byte_nll(*args), MASS + ", within 1e-3 nats", **NATS)


def test_decoder_nll_is_right_far_in_the_tails(code):
    """It is right far out in the tails."""
    args = everywhere()
    why = (
        "however far in a tail x0 lies, its bin has a mass, and the logarithm is exact to 1e-3 nats and finite: " + MASS
    )
    expect.close(code.decoder_nll(*args), byte_nll(*args), why, **NATS)


def test_decoder_nll_pulls_mean_and_logvar_back_from_the_tails(code):
    """In the tails, gradients pull mean and logvar back."""
    x0, mean, logvar = everywhere()
    inputs, std = tracked(mean, logvar), (logvar / 2).exp()
    why = "far in a tail the gradient still points home, with about its exact size"
    in_mean, in_logvar = slopes_in(code.decoder_nll(x0, *inputs), torch.ones_like(x0), why, *inputs)
    want_mean, want_logvar = byte_slopes(x0, mean, logvar)
    got, want = torch.stack([in_mean * std, in_logvar]), torch.stack([want_mean * std, want_logvar])
    # Within a fifth, or a hundredth of a nat for a step of one σ or of one in logvar: what 1e-3 nats allow
    expect.close(got, want, f"{why} (first in the mean, a step of one σ, then in logvar)", rtol=0.2, atol=0.01)


def test_decoder_nll_works_on_any_shape_and_layout(code, rng):
    """It works on data of any shape, however it lies in memory."""
    for case in cases.corners(rng):
        x0 = all_bytes()[(100 * case.x0 + 128).round().long().clamp(0, 255)]
        args = x0, case.x_t, 2 * case.noise - 3
        expect.close(code.decoder_nll(*args), byte_nll(*args), "elementwise, on data of any shape: " + MASS, **NATS)


def test_decoder_nll_keeps_the_dtype_and_its_arguments_and_is_finite_in_float32(code):
    """The result has the data's dtype and is finite in float32; the arguments stay as they are."""
    x0, mean, logvar = everywhere()
    near = logvar >= -10  # σ from a 150th: in float32 the distance of x0 and mean is known to 1e-7, 2e-5 σ
    for dtype, some in ((torch.float32, near), (torch.float64, near | ~near)):
        parts = [part[some].to(dtype) for part in (x0, mean, logvar)]
        got = expect.untouched(code.decoder_nll, KEEP, **dict(zip(("x0", "mean", "logvar"), parts, strict=True)))
        want = byte_nll(*(part.double() for part in parts)).to(dtype)
        expect.close(got, want, KEEP, rtol=1e-3, atol=5e-3)
        inputs = tracked(*parts[1:])
        why = "in a tail the gradient is finite, in float32 too"
        for grad in slopes_in(code.decoder_nll(parts[0], *inputs), torch.ones_like(want), why, *inputs):
            expect.finite(grad, why)


def test_decoder_nll_moves_with_the_data(code):
    """Where the data goes up the mean might as well go down: the gradient in x0 is minus the one in the mean."""
    x0 = all_bytes()[[1, 37, 128, 254]]
    mean, logvar = x0 + numbers(0.3, -0.05, 0.01, -0.2), numbers(-4.0, -5.0, -9.0, -2.0)
    (moved,) = tracked(x0)
    why = "the price is a function of the distance of x0 and mean, and differentiable in both"
    (found,) = slopes_in(code.decoder_nll(moved, mean, logvar), torch.ones_like(x0), why, moved)
    want, _ = byte_slopes(x0, mean, logvar)
    expect.close(found, -want, f"{why} (the gradient with respect to x0)", rtol=0.05, atol=0.05)
