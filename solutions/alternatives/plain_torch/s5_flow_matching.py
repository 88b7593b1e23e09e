"""Different: plain torch, one function a formula, lerp and addcmul, no helper of the course and no exercise calls another."""

from itertools import pairwise

import torch
from scipy.optimize import linear_sum_assignment


def interpolate(noise, data, t):
    return torch.lerp(noise, data, t[(...,) + (None,) * (data.dim() - 1)])


def target_velocity(noise, data):
    return torch.sub(data, noise)


def gaussian_path(noise, data, t, sigma_min=1e-4):
    velocity = data - noise + sigma_min * noise
    return noise + t.view(len(t), *([1] * (data.dim() - 1))) * velocity, velocity


def cfm_loss(model, noise, data, t):
    target = data - noise
    x = noise + t.view(len(t), *([1] * (data.dim() - 1))) * target
    return torch.nn.functional.mse_loss(model(x, t), target)


@torch.no_grad()
def euler_sample(velocity, noise, steps):
    x = noise.clone()
    grid = torch.linspace(0, 1, steps + 1, dtype=noise.dtype)
    for before, after in pairwise(grid):
        x += (after - before) * velocity(x.clone(), before.repeat(len(x)))
    return x


@torch.no_grad()
def midpoint_sample(velocity, noise, steps):
    x, t = noise.clone(), torch.zeros(len(noise), dtype=noise.dtype)
    for _ in range(steps):
        slope = velocity(x, t)
        slope = velocity(torch.add(x, slope, alpha=0.5 / steps), t + 0.5 / steps)
        x = torch.add(x, slope, alpha=1.0 / steps)
        t = t + 1.0 / steps
    return x


def logit_normal_times(n, mean=0.0, std=1.0, generator=None):
    return torch.empty(n).normal_(mean, std, generator=generator).sigmoid_()


def shift_times(t, shift):
    return t / (shift + (1 - shift) * t)


def velocity_to_data(v, x_t, t):
    return torch.addcmul(x_t, 1 - t.view(len(t), *([1] * (v.dim() - 1))), v)


def velocity_to_eps(v, x_t, t):
    return torch.addcmul(x_t, t.view(len(t), *([1] * (v.dim() - 1))), v, value=-1)


def velocity_to_score(v, x_t, t):
    t = t.view(len(t), *([1] * (v.dim() - 1)))
    return (t * v - x_t) / (1 - t)


def ot_pairing(noise, data):
    with torch.no_grad():
        a, b = noise.flatten(1).double(), data.flatten(1).double()
        cost = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    return data.index_select(0, torch.as_tensor(linear_sum_assignment(cost.numpy())[1]))


def reflow_pairs(velocity, noise, steps):
    x = noise.detach()
    with torch.no_grad():
        for i in range(steps):
            x = x + velocity(x, torch.full(noise.shape[:1], i / steps, dtype=noise.dtype)) / steps
    return noise, x


def straightness(velocity, noise, steps):
    x, total, squares = noise, 0, 0
    for i in range(steps):
        v = velocity(x, torch.full(noise.shape[:1], i / steps, dtype=noise.dtype))
        x, total, squares = x + v / steps, total + v / steps, squares + v**2 / steps
    # The variance of the velocities along the path: the mean of squares less the square of the mean
    return (squares - total**2).reshape(len(noise), -1).sum(1).mean()


def consistency_coefficients(sigma, sigma_data=0.5, sigma_min=0.002):
    variance = sigma_data**2
    return variance / (variance + (sigma - sigma_min).pow(2)), sigma_data * (sigma - sigma_min) * torch.rsqrt(
        variance + sigma.pow(2)
    )


def consistency_function(network, x, sigma, sigma_data=0.5, sigma_min=0.002):
    s = sigma.view(len(sigma), *([1] * (x.dim() - 1)))
    total = torch.sqrt(s**2 + sigma_data**2)
    answer = network(x / total, torch.log(sigma) * 0.25)
    return sigma_data**2 * x / ((s - sigma_min) ** 2 + sigma_data**2) + sigma_data * (s - sigma_min) / total * answer


def consistency_training_loss(network, ema_network, data, noise, sigma_lo, sigma_hi, sigma_data=0.5, sigma_min=0.002):
    sides = []
    for net, sigma in ((network, sigma_hi), (ema_network, sigma_lo)):
        x = data + noise * sigma.view(len(sigma), *([1] * (data.dim() - 1)))
        sides.append(consistency_function(net, x, sigma, sigma_data, sigma_min))
    return torch.nn.functional.mse_loss(sides[0], sides[1].detach())


def consistency_distillation_loss(
    network, ema_network, denoiser, data, noise, sigma_lo, sigma_hi, sigma_data=0.5, sigma_min=0.002
):
    shape = (len(data), *([1] * (data.dim() - 1)))
    hi, lo = sigma_hi.view(shape), sigma_lo.view(shape)
    x = torch.addcmul(data, hi, noise)
    with torch.no_grad():
        d = (x - denoiser(x, sigma_hi)) / hi
        ahead = x + (lo - hi) * d
        down = torch.lerp(d, (ahead - denoiser(ahead, sigma_lo)) / lo, 0.5)
        target = consistency_function(ema_network, x + (lo - hi) * down, sigma_lo, sigma_data, sigma_min)
    return torch.nn.functional.mse_loss(consistency_function(network, x, sigma_hi, sigma_data, sigma_min), target)


@torch.no_grad()
def consistency_sample(f, x, sigmas, sigma_min=0.002, generator=None):
    first, *rest = torch.as_tensor(sigmas, dtype=x.dtype)
    x = f(x, first.expand(len(x)))
    for sigma in rest:
        z = torch.empty_like(x).normal_(generator=generator)
        x = f(x + z * torch.sqrt((sigma - sigma_min) * (sigma + sigma_min)), sigma.expand(len(x)))
    return x
