"""Different: one sample at a time, in Python's own floats where a number is all that is needed, and NumPy in float64."""

import itertools
import math

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment


def interpolate(noise, data, t):
    return torch.stack([z + (x - z) * float(time) for z, x, time in zip(noise, data, t, strict=True)])


def target_velocity(noise, data):
    return torch.stack([x - z for z, x in zip(noise, data, strict=True)])


def gaussian_path(noise, data, t, sigma_min=1e-4):
    places, velocities = [], []
    for z, x, time in zip(noise, data, t.tolist(), strict=True):
        places.append((sigma_min * time + 1 - time) * z + time * x)
        velocities.append(x - z * (1 - sigma_min))
    return torch.stack(places), torch.stack(velocities)


def cfm_loss(model, noise, data, t):
    errors = model(interpolate(noise, data, t), t) - target_velocity(noise, data)
    return sum((error**2).mean() for error in errors) / len(errors)


def euler_sample(velocity, noise, steps):
    x, n = noise.detach(), len(noise)
    for i in range(steps):
        with torch.no_grad():
            v = velocity(x, torch.tensor([i / steps] * n, dtype=noise.dtype))
        x = torch.stack([a + b / steps for a, b in zip(x, v, strict=True)])
    return x


def midpoint_sample(velocity, noise, steps):
    def ask(x, time):
        with torch.no_grad():
            return velocity(x, torch.tensor([time] * len(x), dtype=noise.dtype))

    x = noise.detach()
    for i in range(steps):
        half = x + ask(x, i / steps) / (2 * steps)
        x = x + ask(half, (2 * i + 1) / (2 * steps)) / steps
    return x


def logit_normal_times(n, mean=0.0, std=1.0, generator=None):
    draws = [mean + std * torch.randn((), generator=generator, dtype=torch.float64).item() for _ in range(n)]
    return torch.tensor([1 / (1 + math.exp(-z)) for z in draws], dtype=torch.float32)


def shift_times(t, shift):
    return torch.tensor([time / (time + (1 - time) * shift) for time in t.tolist()], dtype=t.dtype)


def velocity_to_data(v, x_t, t):
    return torch.stack([x + (1 - time) * slope for slope, x, time in zip(v, x_t, t.tolist(), strict=True)])


def velocity_to_eps(v, x_t, t):
    return torch.stack([x - time * slope for slope, x, time in zip(v, x_t, t.tolist(), strict=True)])


def velocity_to_score(v, x_t, t):
    return torch.stack([(time * a - x) / (1 - time) for a, x, time in zip(v, x_t, t.tolist(), strict=True)])


def ot_pairing(noise, data):
    a, b = (batch.detach().double().numpy().reshape(len(batch), -1) for batch in (noise, data))
    cost = np.array([[np.sum((one - other) ** 2) for other in b] for one in a])
    if len(cost) <= 6:
        rows = range(len(cost))
        order = min(itertools.permutations(rows), key=lambda p: sum(cost[i][p[i]] for i in rows))
    else:
        order = linear_sum_assignment(cost)[1].tolist()
    return torch.stack([data[i] for i in order])


def reflow_pairs(velocity, noise, steps):
    return noise.clone(), euler_sample(velocity, noise, steps)


def straightness(velocity, noise, steps):
    path, slopes = [noise.detach()], []
    for i in range(steps):
        with torch.no_grad():
            slopes.append(velocity(path[-1], torch.tensor([i / steps] * len(noise), dtype=noise.dtype)))
        path.append(path[-1] + slopes[-1] / steps)
    total = 0.0
    for start, end, *along in zip(path[0], path[-1], *slopes, strict=True):
        total += sum(float(((end - start - slope).double() ** 2).sum()) for slope in along)
    return torch.tensor(total / steps / len(noise), dtype=noise.dtype)


def consistency_coefficients(sigma, sigma_data=0.5, sigma_min=0.002):
    skip = [sigma_data**2 / ((s - sigma_min) ** 2 + sigma_data**2) for s in sigma.tolist()]
    out = [sigma_data * (s - sigma_min) / math.hypot(s, sigma_data) for s in sigma.tolist()]
    return torch.tensor(skip, dtype=sigma.dtype), torch.tensor(out, dtype=sigma.dtype)


def consistency_function(network, x, sigma, sigma_data=0.5, sigma_min=0.002):
    skip, out = consistency_coefficients(sigma, sigma_data, sigma_min)
    answers = []
    for i, level in enumerate(sigma.tolist()):
        scaled = x[i : i + 1] / math.sqrt(level**2 + sigma_data**2)
        answer = network(scaled, torch.tensor([math.log(level) / 4], dtype=x.dtype))
        answers.append(float(skip[i]) * x[i : i + 1] + float(out[i]) * answer)
    return torch.cat(answers)


def consistency_training_loss(network, ema_network, data, noise, sigma_lo, sigma_hi, sigma_data=0.5, sigma_min=0.002):
    squares = []
    for i in range(len(data)):
        x, z, lo, hi = data[i : i + 1], noise[i : i + 1], sigma_lo[i : i + 1], sigma_hi[i : i + 1]
        high = consistency_function(network, x + float(hi) * z, hi, sigma_data, sigma_min)
        low = consistency_function(ema_network, (x + float(lo) * z).detach(), lo, sigma_data, sigma_min)
        squares.append(((high - low.detach()) ** 2).mean())
    return torch.stack(squares).mean()


def consistency_distillation_loss(
    network, ema_network, denoiser, data, noise, sigma_lo, sigma_hi, sigma_data=0.5, sigma_min=0.002
):
    squares = []
    for i in range(len(data)):
        lo, hi = float(sigma_lo[i]), float(sigma_hi[i])
        x = data[i : i + 1] + hi * noise[i : i + 1]
        high = consistency_function(network, x, sigma_hi[i : i + 1], sigma_data, sigma_min)
        with torch.no_grad():
            slope = (x - denoiser(x, sigma_hi[i : i + 1])) / hi
            trial = x - (hi - lo) * slope
            other = (trial - denoiser(trial, sigma_lo[i : i + 1])) / lo
            end = x - (hi - lo) * (slope + other) / 2
            low = consistency_function(ema_network, end, sigma_lo[i : i + 1], sigma_data, sigma_min)
        squares.append((high - low).pow(2).mean())
    return sum(squares) / len(squares)


def consistency_sample(f, x, sigmas, sigma_min=0.002, generator=None):
    for i, sigma in enumerate(float(s) for s in sigmas):
        with torch.no_grad():
            if i > 0:
                std = math.sqrt(max(0.0, sigma**2 - sigma_min**2))
                x = torch.stack([one + std * torch.randn(one.shape, dtype=one.dtype, generator=generator) for one in x])
            x = f(x, torch.tensor([sigma] * len(x), dtype=x.dtype))
    return x
