"""The checks of VPSDE."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from exercises.checks import cases, expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.s3_score_sde.inputs import column, moments, seeds, shapes, times
from exercises.checks.s3_score_sde.marginals import agrees_with_itself, coefficients, compared, keeps_types, marginal
from exercises.checks.s3_score_sde.rules import EACH, FREE, ROOTED

VP_JUMP = "mean_coef = exp(-½ ∫₀ᵗ β), std² = 1 - mean_coef², with ∫₀ᵗ β = beta_min t + ½ (beta_max - beta_min) t²"
VP_MOVE = "drift = -½ β(t) x, diffusion = √β(t), with β(t) = beta_min + t (beta_max - beta_min)"


def vp_marginal(t: Tensor, like: Tensor, low: float = 0.1, high: float = 20.0) -> tuple[Tensor, Tensor]:
    integral = column(low * t + (high - low) * t**2 / 2, like)
    return torch.exp(-integral / 2), (-torch.expm1(-integral)).sqrt()


def vp_coefficients(x: Tensor, t: Tensor, low: float = 0.1, high: float = 20.0) -> tuple[Tensor, Tensor]:
    beta = column(low + t * (high - low), x)
    return -beta * x / 2, beta.sqrt()


def test_VPSDE_marginal_by_hand(code):
    """The marginal, by numbers that can be worked out by hand."""
    unit = -math.log(0.6)  # β from 1 to 3 of it: ∫₀¹ β is 2, and ∫₀^½ β is 3/4
    sde, t = code.VPSDE(unit, 3 * unit), numbers(1.0, 0.5)
    want = numbers(0.6, 0.6**0.375)[:, None], numbers(0.8, (1 - 0.6**0.75) ** 0.5)[:, None]
    why = "β from -log 0.6 to three times as much leaves 0.6 of x_0 at t = 1"
    compared(marginal(sde, t, torch.zeros(2, 3, dtype=torch.float64)), want, why, **ROOTED)


@given(low=st.floats(0.01, 2), rise=st.floats(0.1, 30), shape=shapes, seed=seeds)
def test_VPSDE_marginal_is_the_solution_of_the_sde(code, low, rise, shape, seed):
    """The marginal solves the SDE that the coefficients state."""
    t, like = times(shape[0], Generator().manual_seed(seed), 0.0), torch.zeros(shape, dtype=torch.float64)
    got = marginal(code.VPSDE(beta_min=low, beta_max=low + rise), t, like)
    compared(got, vp_marginal(t, like, low, low + rise), VP_JUMP, **ROOTED)


@given(low=st.floats(0.01, 2), rise=st.floats(0.1, 30), shape=shapes, seed=seeds)
def test_VPSDE_coefficients_are_half_of_beta_and_its_root(code, low, rise, shape, seed):
    """The coefficients are -β x / 2, and the root of β."""
    generator = Generator().manual_seed(seed)
    t, x = times(shape[0], generator, 0.0), cases.normal(shape, generator)
    got = coefficients(code.VPSDE(low, low + rise), x, t)
    compared(got, vp_coefficients(x, t, low, low + rise), VP_MOVE)


def test_VPSDE_coefficients_and_marginal_tell_of_the_same_process(code, rng):
    """The coefficients and the marginal are of the same process."""
    for parameters in ((), (0.5, 4.0)):
        agrees_with_itself(code.VPSDE(*parameters), rng, VP_MOVE)


def test_VPSDE_by_default_goes_from_0_1_to_20_and_two_of_them_do_not_mix(code):
    """By default β goes from 0.1 to 20, and two of them in one program do not mix."""
    sde, x, t = code.VPSDE(), torch.ones(4, 1, dtype=torch.float64), numbers(1.0, 0.5, 1e-2, 1e-3)
    code.VPSDE(1.0, 2.0)  # parameters belong to an object, not to its class
    why = "β(t) = 0.1 + 19.9 t; "
    compared(marginal(sde, t, x), vp_marginal(t, x), why + VP_JUMP, **ROOTED)
    compared(coefficients(sde, x, t), vp_coefficients(x, t), why + VP_MOVE)


def test_VPSDE_has_added_nothing_at_t_0(code):
    """At t = 0 the data is as it was."""
    t, like = numbers(0.0, 0.0), torch.zeros(2, 3, dtype=torch.float64)
    mean_coef, std = code.VPSDE().marginal(t, like)
    why = "at t = 0 the SDE has done nothing yet: mean_coef is 1, std is 0, and no small time stands for it"
    expect.close(mean_coef, torch.ones(2, 1, dtype=torch.float64), why, **FREE)
    expect.close(std, torch.zeros(2, 1, dtype=torch.float64), why, rtol=0.0, atol=2e-5)


def test_VPSDE_works_on_any_shape_and_layout(code, rng):
    """It works on data of any shape, however it lies in memory."""
    sde = code.VPSDE(0.5, 9.0)
    for case in cases.corners(rng):
        t = moments(case, rng)
        compared(marginal(sde, t, case.x0), vp_marginal(t, case.x0, 0.5, 9.0), EACH, **ROOTED)
        compared(coefficients(sde, case.x0, t), vp_coefficients(case.x0, t, 0.5, 9.0), EACH)


def test_VPSDE_keeps_the_dtype_its_arguments_and_the_gradient(code, rng):
    """Results have the data's dtype and let gradients through; the arguments stay as they are."""
    keeps_types(code.VPSDE(0.1, 20.0), vp_marginal, vp_coefficients, rng)
    t, pull, (x,) = times(3, rng), cases.normal((3, 2), rng), tracked(cases.normal((3, 2), rng))
    drift, _ = coefficients(code.VPSDE(0.1, 20.0), x, t)
    slope = vp_coefficients(torch.ones_like(x), t)[0].detach()
    expect.gradients(drift, pull, "the drift is differentiable in x", x=(x, slope * pull))
