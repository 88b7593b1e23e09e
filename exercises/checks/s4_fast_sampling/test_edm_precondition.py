"""The checks of edm_precondition."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from exercises.checks import expect
from exercises.checks.cases import numbers
from exercises.checks.rules import KEEP

NAMES = ("c_skip", "c_out", "c_in", "c_noise")
FORMULAS = (
    "c_skip = σ_data² / (σ² + σ_data²)",
    "c_out = σ σ_data / √(σ² + σ_data²)",
    "c_in = 1 / √(σ² + σ_data²)",
    "c_noise = ln(σ) / 4",
)
PARTS = "a tuple (c_skip, c_out, c_in, c_noise), each of sigma's shape"


def wanted(sigma: float, data: float) -> list[float]:
    total = sigma**2 + data**2
    return [data**2 / total, sigma * data / math.sqrt(total), 1 / math.sqrt(total), math.log(sigma) / 4]


def parts(got, sigma: Tensor) -> Tensor:
    """The four coefficients, (4, B)."""
    found = expect.tensors(got, 4, PARTS, NAMES)
    for name, part in zip(NAMES, found, strict=True):
        expect.tensor(part, f"{name} is of sigma's shape and dtype", shape=sigma.shape, dtype=sigma.dtype)
    return torch.stack([part.detach() for part in found])


def compare(code, values: tuple[float, ...], *data: float) -> None:
    sigma = numbers(*values)
    found = parts(code.edm_precondition(sigma, *data), sigma)
    want = torch.stack([numbers(*wanted(value, *(data or (0.5,)))) for value in values], dim=1)
    near = torch.isclose(found, want, rtol=1e-5, atol=1e-5)
    if not near.all():
        row, place = (int(index) for index in (~near).nonzero()[0])
        what = f"{NAMES[row]} = {want[row, place].item():.6g} at σ = {values[place]:.6g}, σ_data = {(data or (0.5,))[0]:.6g}"
        came = f"{NAMES[row]} = {found[row, place].item():.6g}"
        expect.holds(False, FORMULAS[row], got=found, want=what, told=came)


def test_edm_precondition_by_hand(code):
    """By hand at σ = 1, with σ_data = 0.5: (0.2, 0.447214, 0.894427, 0)."""
    compare(code, (1.0,))


def test_edm_precondition_by_hand_at_other_levels(code):
    """At the levels 0.5, 2 and 3, where σ and σ² are told apart."""
    compare(code, (0.5, 2.0, 3.0))


def test_edm_precondition_with_another_sigma_data(code):
    """sigma_data is the data's, not always 0.5: here 1 and 3."""
    compare(code, (0.7, 2.0), 1.0)
    compare(code, (0.7, 2.0), 3.0)


@given(values=st.lists(st.floats(0.01, 80.0), min_size=1, max_size=5), data=st.floats(0.1, 5.0))
def test_edm_precondition_at_any_level(code, values, data):
    """Any levels, any sigma_data."""
    compare(code, tuple(values), data)


def test_edm_precondition_far_out(code):
    """From 0.001 to 1000: nothing is added, clamped or rounded away."""
    compare(code, (1e-3, 2e-3, 1e3), 0.5)


def test_edm_precondition_gives_input_and_target_the_variance_1(code):
    """For Gaussian data the network's input and its target have variance 1 at every level."""
    for data in (0.5, 2.0):
        sigma = numbers(0.05, 0.5, 1.0, 7.0)
        skip, out, scale, _ = parts(code.edm_precondition(sigma, data), sigma)
        variances = torch.stack(
            [scale**2 * (sigma**2 + data**2), ((1 - skip) ** 2 * data**2 + skip**2 * sigma**2) / out**2]
        )
        why = "c_in x has variance 1, and so has (x_0 - c_skip x) / c_out, where x = x_0 + σ ε and x_0 has σ_data"
        room = torch.isclose(variances, torch.ones_like(variances), rtol=1e-5, atol=1e-5)
        expect.holds(bool(room.all()), why, got=variances, want="ones: the input's variances, the target's below")


def test_edm_precondition_keeps_the_dtype_and_its_argument(code):
    """Coefficients come in sigma's dtype, and sigma stays as it is."""
    for dtype in (torch.float32, torch.float64):
        sigma = numbers(0.25, 1.5, 40.0).to(dtype)
        found = parts(expect.untouched(code.edm_precondition, KEEP, sigma=sigma), sigma)
        want = torch.stack([numbers(*wanted(value, 0.5)) for value in sigma.tolist()], dim=1).to(dtype)
        expect.close(found, want, KEEP, rtol=1e-5, atol=1e-6)
