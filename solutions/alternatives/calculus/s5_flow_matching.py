"""Different: by derivatives: velocities are forward derivatives of places, scores are gradients of log densities."""

import torch
from scipy.stats import logistic, norm
from torch.distributions import Normal


def _wide(values, like):
    return values.reshape((-1,) + (1,) * (like.dim() - 1))


def _shrunk(noise, data, t, sigma_min):
    return noise * (1 - t * (1 - sigma_min)) + t * data


def target_velocity(noise, data):
    t = torch.zeros(len(data), dtype=data.dtype).reshape((-1,) + (1,) * (data.dim() - 1)).expand(data.shape)
    return torch.func.jvp(lambda time: noise + time * (data - noise), (t.clone(),), (torch.ones_like(t),))[1]


def gaussian_path(noise, data, t, sigma_min=1e-4):
    clock = _wide(t, data).expand(data.shape).clone()
    return torch.func.jvp(lambda time: _shrunk(noise, data, time, sigma_min), (clock,), (torch.ones_like(clock),))


def logit_normal_times(n, mean=0.0, std=1.0, generator=None):
    ranks = torch.rand(n, generator=generator, dtype=torch.float64).clamp(1e-15, 1 - 1e-15)
    return torch.from_numpy(logistic.cdf(norm.ppf(ranks.numpy(), mean, std))).float()


def velocity_to_data(v, x_t, t):
    start = x_t - _wide(t, x_t) * v
    return start + v


def velocity_to_eps(v, x_t, t):
    end = x_t + v - _wide(t, x_t) * v
    return end - v


def velocity_to_score(v, x_t, t):
    clock = _wide(t, x_t)
    center = clock * (x_t + (1 - clock) * v)

    def log_density(place):
        return Normal(center, (1 - clock).expand(x_t.shape), validate_args=False).log_prob(place).sum()

    return torch.func.grad(log_density)(x_t)


def straightness(velocity, noise, steps):
    x, slopes = noise, []
    for i in range(steps):
        slopes.append(velocity(x, torch.full((len(x),), i / steps, dtype=x.dtype)))
        x = torch.add(x, slopes[-1], alpha=1 / steps)
    return torch.stack(slopes).var(dim=0, correction=0).flatten(1).sum(1).mean()


def consistency_coefficients(sigma, sigma_data=0.5, sigma_min=0.002):
    angle = torch.atan((sigma - sigma_min) / sigma_data)
    return angle.cos() ** 2, (sigma - sigma_min) * torch.cos(torch.atan(sigma / sigma_data))
