"""Section 4 in the library that you will use: diffusers' fast schedulers give the numbers of your samplers.

They do so with `timestep_spacing="trailing"`, the last ᾱ set to one and nothing clipped, which are not the defaults of all.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

BETAS = torch.linspace(0.01, 0.2, 20)
"""Not from 1e-4, as usual: the schedulers keep their tables in float32, where 1 - ᾱ would lose half of its digits."""
ALPHA_BAR = torch.cumprod(1 - BETAS, dim=0)
N = 5
"""Steps, a divisor of T: with others some schedulers work out the level before, where yours looks it up."""
CLOSE = {"rtol": 1e-3, "atol": 1e-4}
"""Float32 tables: 1 - ᾱ at the first level, 0.01, is known to 1e-7 / 0.01; 20 steps follow, which divide by down to 0.1."""
TRAILING = {"timestep_spacing": "trailing", "trained_betas": BETAS.tolist(), "num_train_timesteps": len(BETAS)}

Says = Callable[[str, object], None]


@pytest.fixture
def diffusers():
    return pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'diffusers>=0.30'")


def model(x: Tensor, t: Tensor) -> Tensor:
    """Some model of eps."""
    level = torch.as_tensor(t).reshape(-1, *[1] * (x.ndim - 1)) / len(BETAS)
    return torch.tanh(x * (1 + level)) - 0.2 * level


def run(scheduler: Any, x: Tensor, eps: Callable[[Tensor, Tensor], Tensor] = model) -> Tensor:
    """The library's own loop."""
    for t in scheduler.timesteps:
        x = scheduler.step(eps(scheduler.scale_model_input(x, t), t), t, x).prev_sample
    return x


@pytest.mark.needs("timesteps")
def test_trailing_timesteps_are_yours(code, diffusers, record_property: Says) -> None:
    made = diffusers.DDIMScheduler(1000, timestep_spacing="trailing")
    for n in (1, 8, 20, 30, 1000):
        made.set_timesteps(n)
        assert code.timesteps(1000, n).tolist() == made.timesteps.tolist()
    record_property("says", 'timestep_spacing="trailing" visits the levels of your timesteps')


@pytest.mark.needs("ddim_step")
def test_its_ddim_step_is_yours(code, rng: Generator, diffusers, record_property: Says) -> None:
    made = diffusers.DDIMScheduler(clip_sample=False, **TRAILING)
    made.set_timesteps(N)
    x_t, eps, noise = torch.randn(3, 6, 3, 4, generator=rng)
    levels = made.timesteps.tolist()
    for eta in (0.0, 0.3, 1.0):
        for t, t_prev in zip(levels, [*levels[1:], -1], strict=True):
            theirs = made.step(eps, t, x_t, eta=eta, variance_noise=noise if eta else None).prev_sample
            torch.testing.assert_close(code.ddim_step(x_t, eps, t, t_prev, ALPHA_BAR, eta, noise), theirs, **CLOSE)
    record_property("says", "diffusers.DDIMScheduler.step gives the numbers of your ddim_step, whatever eta")


@pytest.mark.needs("ddim_sample")
def test_its_euler_is_your_ddim_in_other_coordinates(code, rng: Generator, diffusers, record_property: Says) -> None:
    x_T = torch.randn(6, 3, 4, generator=rng)
    made = diffusers.EulerDiscreteScheduler(**TRAILING)
    made.set_timesteps(N)
    theirs = run(made, x_T / ALPHA_BAR[-1].sqrt())
    torch.testing.assert_close(code.ddim_sample(model, x_T, ALPHA_BAR, N), theirs, **CLOSE)
    record_property(
        "says", "EulerDiscreteScheduler, which divides x by the root of ᾱ, ends where your ddim_sample does"
    )


@pytest.mark.needs("ddim_invert")
def test_its_inverse_is_ddim_invert(code, rng: Generator, diffusers, record_property: Says) -> None:
    x0 = torch.randn(6, 3, 4, generator=rng)
    made = diffusers.DDIMInverseScheduler(clip_sample=False, set_alpha_to_one=True, **TRAILING)
    made.set_timesteps(N)
    torch.testing.assert_close(code.ddim_invert(model, x0, ALPHA_BAR, N), run(made, x0), **CLOSE)
    record_property("says", "DDIMInverseScheduler gives the static of your ddim_invert")


@pytest.mark.needs("dpmpp_2m_sample")
def test_its_multistep_solver_is_dpmpp_2m_sample(code, rng: Generator, diffusers, record_property: Says) -> None:
    x_T = torch.randn(6, 3, 4, generator=rng)
    for n in (1, 2, N, len(BETAS)):
        made = diffusers.DPMSolverMultistepScheduler(**TRAILING)  # its defaults are dpmsolver++, order 2, midpoint
        made.set_timesteps(n)
        torch.testing.assert_close(code.dpmpp_2m_sample(model, x_T, ALPHA_BAR, n), run(made, x_T), **CLOSE)
    record_property("says", "DPMSolverMultistepScheduler gives the samples of your dpmpp_2m_sample")


@pytest.mark.needs("karras_sigmas", "edm_precondition")
def test_its_edm_scheduler_has_your_levels_and_coefficients(
    code, rng: Generator, diffusers, record_property: Says
) -> None:
    made = diffusers.EDMEulerScheduler(sigma_min=0.002, sigma_max=80.0, sigma_data=0.5, rho=7.0)
    made.set_timesteps(18)
    yours = code.karras_sigmas(18)
    torch.testing.assert_close(yours.float(), made.sigmas.float())
    sigma = yours[:-1].float()
    c_skip, c_out, c_in, c_noise = code.edm_precondition(sigma)
    x, answer = torch.randn(2, len(sigma), generator=rng)
    torch.testing.assert_close(c_in * x, made.precondition_inputs(x, sigma))
    torch.testing.assert_close(c_skip * x + c_out * answer, made.precondition_outputs(x, answer, sigma))
    torch.testing.assert_close(c_noise, made.precondition_noise(sigma))
    record_property(
        "says", "EDMEulerScheduler has the levels of your karras_sigmas and the coefficients of edm_precondition"
    )


@pytest.mark.needs("karras_sigmas", "heun_sample")
def test_its_heun_is_heun_sample(code, rng: Generator, diffusers, record_property: Says) -> None:
    """The library's model is told a level t, and yours σ: here both are one that looks at x alone."""
    made = diffusers.HeunDiscreteScheduler(use_karras_sigmas=True, **TRAILING | {"timestep_spacing": "linspace"})
    made.set_timesteps(8)
    low, high = ((1 / ALPHA_BAR[level] - 1).sqrt().item() for level in (0, -1))
    sigmas = code.karras_sigmas(8, low, high).float()
    levels = torch.cat([made.sigmas[:1], made.sigmas[1::2]])  # each level but the first and the last stands there twice
    torch.testing.assert_close(sigmas, levels, **CLOSE)

    def denoiser(x: Tensor, sigma: Tensor) -> Tensor:
        spread = sigma.reshape(-1, 1, 1)
        return x - spread * torch.tanh(x / (1 + spread**2).sqrt())

    x = high * torch.randn(6, 3, 4, generator=rng)
    theirs = run(made, x, lambda scaled, t: torch.tanh(scaled))
    torch.testing.assert_close(code.heun_sample(denoiser, x, sigmas), theirs, **CLOSE)
    record_property("says", "HeunDiscreteScheduler with use_karras_sigmas gives the samples of your heun_sample")
