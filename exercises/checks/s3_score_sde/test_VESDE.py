"""The checks of VESDE."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from exercises.checks import cases, expect
from exercises.checks.cases import numbers
from exercises.checks.s3_score_sde.inputs import column, moments, seeds, shapes, times
from exercises.checks.s3_score_sde.marginals import agrees_with_itself, coefficients, compared, keeps_types, marginal
from exercises.checks.s3_score_sde.rules import EACH

VE_JUMP = "mean_coef = 1 and std² = σ(t)² - σ(0)²: the noise that the SDE itself has added since t = 0"
VE_MOVE = "drift = 0, diffusion = σ(t) √(2 log(sigma_max / sigma_min)), with σ(t) = sigma_min (sigma_max / sigma_min)^t"


def ve_marginal(t: Tensor, like: Tensor, low: float = 0.01, high: float = 50.0) -> tuple[Tensor, Tensor]:
    std = low * torch.expm1(2 * math.log(high / low) * column(t, like)).sqrt()
    return torch.ones_like(std), std


def ve_coefficients(x: Tensor, t: Tensor, low: float = 0.01, high: float = 50.0) -> tuple[Tensor, Tensor]:
    return torch.zeros_like(x), math.sqrt(2 * math.log(high / low)) * low * (high / low) ** column(t, x)


def test_VESDE_marginal_by_hand(code):
    """The marginal, by numbers that can be worked out by hand."""
    sde, t = code.VESDE(3.0, 5.0), numbers(1.0, 0.5)
    want = torch.ones(2, 1, dtype=torch.float64), numbers(4.0, 6.0**0.5)[:, None]
    why = "σ goes from 3 to 5: at t = 1 the variance is 5² - 3² = 4², at t = 0.5 it is 3 * 5 - 3²"
    compared(marginal(sde, t, torch.zeros(2, 3, dtype=torch.float64)), want, why)


@given(low=st.floats(0.005, 1), ratio=st.floats(1.5, 5000), shape=shapes, seed=seeds)
def test_VESDE_marginal_is_the_solution_of_the_sde(code, low, ratio, shape, seed):
    """The marginal solves the SDE that the coefficients state."""
    t, like = times(shape[0], Generator().manual_seed(seed), 1e-3), torch.zeros(shape, dtype=torch.float64)
    got = marginal(code.VESDE(sigma_min=low, sigma_max=low * ratio), t, like)
    compared(got, ve_marginal(t, like, low, low * ratio), VE_JUMP)


def test_VESDE_has_added_nothing_at_t_0(code):
    """At t = 0 the data is as it was."""
    t, like = numbers(0.0, 0.0), torch.zeros(2, 3, dtype=torch.float64)
    _, std = code.VESDE().marginal(t, like)
    why = "at t = 0 the SDE has added no noise yet: std is 0, and no small time stands for it"
    expect.close(std, torch.zeros(2, 1, dtype=torch.float64), why, rtol=0.0, atol=1e-5)


@given(low=st.floats(0.005, 1), ratio=st.floats(1.5, 5000), shape=shapes, seed=seeds)
def test_VESDE_coefficients_are_no_drift_and_the_growth_of_sigma(code, low, ratio, shape, seed):
    """The coefficients are no drift, and the growth of σ²."""
    generator = Generator().manual_seed(seed)
    t, x = times(shape[0], generator, 0.0), cases.normal(shape, generator)
    got = coefficients(code.VESDE(low, low * ratio), x, t)
    compared(got, ve_coefficients(x, t, low, low * ratio), VE_MOVE)


def test_VESDE_coefficients_and_marginal_tell_of_the_same_process(code, rng):
    """The coefficients and the marginal are of the same process."""
    for parameters in ((), (0.5, 4.0)):
        agrees_with_itself(code.VESDE(*parameters), rng, VE_MOVE)


def test_VESDE_by_default_goes_from_0_01_to_50_and_two_of_them_do_not_mix(code):
    """By default σ goes from 0.01 to 50, and two of them in one program do not mix."""
    sde, x, t = code.VESDE(), torch.ones(4, 1, dtype=torch.float64), numbers(1.0, 0.5, 1e-2, 1e-3)
    code.VESDE(1.0, 2.0)  # parameters belong to an object, not to its class
    why = "σ(t) = 0.01 * 5000^t; "
    compared(marginal(sde, t, x), ve_marginal(t, x), why + VE_JUMP)
    compared(coefficients(sde, x, t), ve_coefficients(x, t), why + VE_MOVE)


def test_VESDE_works_on_any_shape_and_layout(code, rng):
    """It works on data of any shape, however it lies in memory."""
    sde = code.VESDE(0.5, 9.0)
    for case in cases.corners(rng):
        t = moments(case, rng)
        compared(marginal(sde, t, case.x0), ve_marginal(t, case.x0, 0.5, 9.0), EACH)
        compared(coefficients(sde, case.x0, t), ve_coefficients(case.x0, t, 0.5, 9.0), EACH)


def test_VESDE_keeps_the_dtype_and_its_arguments(code, rng):
    """The result has the data's dtype, and the arguments stay as they are."""
    keeps_types(code.VESDE(0.01, 50.0), ve_marginal, ve_coefficients, rng)
