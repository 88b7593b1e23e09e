"""Different: on top of diffusers: its DDIM, inverse DDIM and DPM-Solver multistep schedulers; the others are left out."""

import math
from itertools import pairwise

import torch
from diffusers import DDIMInverseScheduler, DDIMScheduler, DPMSolverMultistepScheduler


def timesteps(T, n):
    if not 0 < n <= T:
        raise ValueError("n is not in 1 .. T")
    made = DDIMScheduler(T, timestep_spacing="trailing")
    made.set_timesteps(n)
    return made.timesteps[:n].long()  # a stride that is no float's may give one too many


def scheduler(kind, alpha_bar, **options):
    """A scheduler with this table; its own constructor would round it to float32."""
    made = kind(len(alpha_bar), timestep_spacing="trailing", **options)
    made.alphas_cumprod = alpha_bar
    return made


def leap(alpha_bar, t, t_prev):
    """A schedule of two levels, t_prev and t; clean data is behind them where t_prev is -1."""
    a, b = alpha_bar[t], alpha_bar[t_prev] if t_prev >= 0 else torch.ones_like(alpha_bar[0])
    made = scheduler(DDIMScheduler, torch.stack([b, a]), clip_sample=False, set_alpha_to_one=True)
    made.set_timesteps(2)
    return made


def ddim_step(x_t, eps, t, t_prev, alpha_bar, eta=0.0, noise=None):
    made = leap(alpha_bar, t, t_prev)
    return made.step(eps, 1, x_t, eta=float(eta), variance_noise=noise).prev_sample.to(x_t.dtype)


@torch.no_grad()
def ddim_sample(model, x_T, alpha_bar, n, eta=0.0, generator=None):
    x, steps = x_T, [*timesteps(len(alpha_bar), n).tolist(), -1]
    for t, t_prev in pairwise(steps):
        eps = model(x, torch.full((len(x),), t))
        x = leap(alpha_bar, t, t_prev).step(eps, 1, x, eta=float(eta), generator=generator).prev_sample.to(x.dtype)
    return x


@torch.no_grad()
def ddim_invert(model, x0, alpha_bar, n):
    x, t = x0, -1
    for after in timesteps(len(alpha_bar), n).flip(0).tolist():
        # its step goes from timestep - T // n up to timestep: here the level it comes from is put in that place
        table = torch.stack([alpha_bar[t] if t >= 0 else torch.ones_like(alpha_bar[0]), alpha_bar[after]])
        made = scheduler(DDIMInverseScheduler, table, clip_sample=False)
        made.num_inference_steps = 2
        eps = model(x, torch.full((len(x),), after))
        x = made.step(eps, 1, x).prev_sample.to(x.dtype)
        t = after
    return x


def half_log_snr(alpha_bar):
    made = scheduler(DPMSolverMultistepScheduler, alpha_bar)
    return torch.log(made.alphas_cumprod.sqrt()) - torch.log((1 - made.alphas_cumprod).sqrt())


def multistep(lams):
    """A multistep scheduler whose grid is these λ."""
    made = DPMSolverMultistepScheduler(1000, algorithm_type="dpmsolver++", solver_order=2, final_sigmas_type="zero")
    made.sigmas = torch.tensor([math.exp(-lam) for lam in lams], dtype=torch.float64)
    return made


def dpmpp_2m_step(x, x0_pred, x0_prev, lam_prev, lam_s, lam_t):
    if x0_prev is None or math.isinf(lam_t):
        made = multistep([float(lam_s), float(lam_t)])
        made._step_index = 0
        return made.dpm_solver_first_order_update(x0_pred, sample=x).to(x.dtype)
    made = multistep([float(lam_prev), float(lam_s), float(lam_t)])
    made._step_index = 1
    return made.multistep_dpm_solver_second_order_update([x0_prev, x0_pred], sample=x).to(x.dtype)


def karras_sigmas(n, sigma_min=0.002, sigma_max=80.0, rho=7.0):
    from diffusers import EDMEulerScheduler

    made = EDMEulerScheduler(sigma_min, sigma_max, rho=rho)
    made.set_timesteps(n)
    return made.sigmas
