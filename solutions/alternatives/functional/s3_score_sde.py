"""Different: small functions put together, torch.func for the vector-Jacobian product, Ralston's method by a tableau."""

from functools import partial, reduce
from math import log, pi, sqrt

import torch
from torch.func import vjp


def per_sample(values, x):
    return torch.as_tensor(values).to(x).view(-1, *(1 for _ in x.shape[1:]))


def score_from_eps(eps, std):
    return torch.negative(eps) * (1 / std)


def score_from_x0(x0, x_t, mean_coef, std):
    return score_from_eps((x_t - mean_coef * x0) / std, std)


def VPSDE(beta_min=0.1, beta_max=20.0):
    slope = beta_max - beta_min
    return Process(
        rate=lambda t: -(beta_min + slope * t) / 2,
        log_mean_coef=lambda t: -(slope * t**2 + 2 * beta_min * t) / 4,
        square=lambda t: beta_min + slope * t,
        variance=lambda t: -torch.expm1(-(slope * t**2 + 2 * beta_min * t) / 2),
    )


def VESDE(sigma_min=0.01, sigma_max=50.0):
    double = 2 * log(sigma_max / sigma_min)
    return Process(
        rate=torch.zeros_like,
        log_mean_coef=torch.zeros_like,
        square=lambda t: sigma_min**2 * double * torch.exp(double * t),
        variance=lambda t: sigma_min**2 * torch.expm1(double * t),
    )


class Process:
    """A linear process by four curves over time."""

    def __init__(self, **curves):
        self.curves = curves

    def marginal(self, t, like):
        t = per_sample(t, like)
        return torch.exp(self.curves["log_mean_coef"](t)), torch.sqrt(self.curves["variance"](t))

    def coefficients(self, x, t):
        t = per_sample(t, x)
        return self.curves["rate"](t) * x, torch.sqrt(self.curves["square"](t))


def dsm_loss(score_model, x0, t, noise, sde):
    mean_coef, std = sde.marginal(t, x0)
    residual = noise + std * score_model(mean_coef * x0 + std * noise, t)
    return (residual * residual).flatten(1).mean(dim=1).mean()


def reverse_coefficients(sde, score, x, t, share=1.0):
    drift, diffusion = sde.coefficients(x, t)
    return drift - share * diffusion * (diffusion * score), diffusion


def probability_flow_drift(sde, score, x, t):
    return reverse_coefficients(sde, score, x, t, share=0.5)[0]


def at(time, x):
    return torch.full(x.shape[:1], time, dtype=x.dtype, device=x.device)


def euler_maruyama(sde, score_model, x_T, steps, t_end=1e-3, generator=None):
    dt = (1 - t_end) / steps

    def step(x, i):
        t = at(1 - i * dt, x)
        drift, diffusion = reverse_coefficients(sde, score_model(x, t), x, t)
        z = torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x)
        return x - drift * dt + diffusion * sqrt(dt) * z * (i + 1 != steps)

    with torch.no_grad():
        return reduce(step, range(steps), x_T)


def ode_sample(sde, score_model, x_T, steps, t_end=1e-3):
    dt = (t_end - 1) / steps

    def velocity(x, time):
        return probability_flow_drift(sde, score_model(x, at(time, x)), x, at(time, x))

    def step(x, i):
        k1 = velocity(x, 1 + i * dt)
        k2 = velocity(x + dt * k1, 1 + i * dt + dt)
        return x + dt * torch.stack([k1, k2]).mean(dim=0)

    with torch.no_grad():
        return reduce(step, range(steps), x_T)


def langevin_correct(x, score, snr, noise):
    def size(batch):
        return batch.pow(2).reshape(len(batch), -1).sum(-1).pow(0.5).mean()

    r = snr * size(noise) / size(score)
    return torch.add(torch.add(x, 2 * r.square() * score), 2 * r * noise)


def hutchinson_divergence(fn, x, probe):
    _, pull = vjp(fn, x.detach())
    return torch.sum((pull(probe)[0] * probe).detach(), dim=list(range(1, x.ndim)))


RALSTON = [(0.0, 0.25), (2 / 3, 0.75)]


def log_likelihood(sde, score_model, x, steps, probe, t_start=1e-5):
    def velocity(t, y):
        return probability_flow_drift(sde, score_model(y, t), y, t)

    def rates(x, time):
        of_x = partial(velocity, at(time, x))
        answer, pull = vjp(of_x, x)
        return answer.detach(), torch.einsum("bi,bi->b", pull(probe)[0].detach().flatten(1), probe.flatten(1))

    h, x = (1 - t_start) / steps, x.detach()
    growth = torch.zeros(len(x), dtype=x.dtype, device=x.device)
    for i in range(steps):
        move, gain, last = 0.0, 0.0, torch.zeros_like(x)
        for node, weight in RALSTON:
            last, divergence = rates(x + node * h * last, t_start + (i + node) * h)
            move, gain = move + weight * last, gain + weight * divergence
        x, growth = x + h * move, growth + h * gain
    std = sde.marginal(at(1.0, x), x)[1].flatten()
    dims = x[0].numel()
    return growth - x.flatten(1).square().sum(1) / (2 * std**2) - dims * torch.log(std * sqrt(2 * pi))
