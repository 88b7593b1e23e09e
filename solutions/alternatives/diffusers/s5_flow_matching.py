"""Different: diffusers' flow-matching scheduler, which has noise at sigma = 1 and the opposite velocity, turned round here."""

import torch
from diffusers import FlowMatchEulerDiscreteScheduler


def interpolate(noise, data, t):
    scheduler = FlowMatchEulerDiscreteScheduler()
    sigma = (1 - t).reshape(-1, *[1] * (data.ndim - 1))
    assert scheduler.config.shift == 1.0
    return sigma * noise + (1 - sigma) * data


def euler_sample(velocity, noise, steps):
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=[1 - i / steps for i in range(steps)])
    sigmas = [1 - i / steps for i in range(steps + 1)]
    x = noise.detach()
    with torch.no_grad():
        for timestep, sigma in zip(scheduler.timesteps, sigmas, strict=False):
            v = velocity(x, torch.full((len(x),), 1 - sigma, dtype=x.dtype))
            x = scheduler.step(-v, timestep, x).prev_sample.to(noise.dtype)
    return x


def shift_times(t, shift):
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    sigma = 1 - t
    return 1 - scheduler.config.shift * sigma / (1 + (scheduler.config.shift - 1) * sigma)
