"""Different: plain torch, everything computed in float64 and cast back; grids by linspace, fourth-order Runge-Kutta."""

import math
from itertools import pairwise

import torch


def score_from_eps(eps, std):
    return torch.div(eps, std).neg()


def score_from_x0(x0, x_t, mean_coef, std):
    return (mean_coef.double() * x0.double() - x_t.double()).div(std.double().pow(2)).to(x_t.dtype)


def wide(t, like):
    return t.to(device=like.device, dtype=torch.float64).view([-1] + [1] * (like.dim() - 1))


class VPSDE:
    def __init__(self, beta_min=0.1, beta_max=20.0):
        self.b0, self.b1 = float(beta_min), float(beta_max)

    def marginal(self, t, like):
        t = wide(t, like)
        integral = self.b0 * t + 0.5 * (self.b1 - self.b0) * t**2
        variance = 1.0 - torch.exp(-integral)
        return torch.exp(-0.5 * integral).to(like.dtype), variance.sqrt().to(like.dtype)

    def coefficients(self, x, t):
        beta = torch.lerp(torch.full_like(wide(t, x), self.b0), torch.full_like(wide(t, x), self.b1), wide(t, x))
        return (-0.5 * beta * x).to(x.dtype), torch.sqrt(beta).to(x.dtype)


class VESDE:
    def __init__(self, sigma_min=0.01, sigma_max=50.0):
        self.s0, self.s1 = float(sigma_min), float(sigma_max)

    def sigma(self, t):
        return self.s0 * (self.s1 / self.s0) ** t

    def marginal(self, t, like):
        std = (self.sigma(wide(t, like)) ** 2 - self.s0**2).sqrt().to(like.dtype)
        return torch.ones_like(std), std

    def coefficients(self, x, t):
        diffusion = self.sigma(wide(t, x)) * math.sqrt(2 * (math.log(self.s1) - math.log(self.s0)))
        return 0 * x, diffusion.to(x.dtype)


def dsm_loss(score_model, x0, t, noise, sde):
    mean_coef, std = sde.marginal(t, x0)
    return torch.nn.functional.mse_loss(std * score_model(torch.addcmul(mean_coef * x0, std, noise), t), -noise)


def reverse_coefficients(sde, score, x, t):
    f, g = sde.coefficients(x, t)
    return torch.addcmul(f, g**2, score, value=-1), g


@torch.no_grad()
def euler_maruyama(sde, score_model, x_T, steps, t_end=1e-3, generator=None):
    times = torch.linspace(1, t_end, steps + 1, dtype=torch.float64)
    x = x_T.clone()
    for i in range(steps):
        dt = float(times[i + 1] - times[i])
        t = times[i].to(x.dtype).expand(x.size(0)).to(x.device)
        drift, diffusion = reverse_coefficients(sde, score_model(x, t), x, t)
        z = torch.empty_like(x).normal_(generator=generator) if i + 1 < steps else torch.zeros_like(x)
        x = x + dt * drift + math.sqrt(-dt) * diffusion * z
    return x


def probability_flow_drift(sde, score, x, t):
    f, g = sde.coefficients(x, t)
    return torch.addcmul(f, g**2, score, value=-0.5)


@torch.no_grad()
def ode_sample(sde, score_model, x_T, steps, t_end=1e-3):
    times = torch.linspace(1, t_end, steps + 1, dtype=torch.float64).tolist()
    x = x_T
    for t, s in pairwise(times):
        now = torch.full([x.size(0)], t, dtype=x.dtype, device=x.device)
        then = torch.full([x.size(0)], s, dtype=x.dtype, device=x.device)
        d = probability_flow_drift(sde, score_model(x, now), x, now)
        trial = x + (s - t) * d
        x = x + (s - t) * (0.5 * d + 0.5 * probability_flow_drift(sde, score_model(trial, then), trial, then))
    return x


def langevin_correct(x, score, snr, noise):
    norms = [torch.linalg.vector_norm(v.reshape(v.size(0), -1), dim=-1).mean() for v in (score, noise)]
    epsilon = 2 * (snr * norms[1] / norms[0]).pow(2)
    return x + epsilon * score + torch.sqrt(2 * epsilon) * noise


def hutchinson_divergence(fn, x, probe):
    with torch.set_grad_enabled(True):
        leaf = x.detach().clone().requires_grad_(True)
        out = (fn(leaf) * probe).sum()
        gradient = torch.autograd.grad(out, leaf)[0]
    return torch.einsum("bi,bi->b", gradient.reshape(x.size(0), -1), probe.reshape(x.size(0), -1))


@torch.no_grad()
def log_likelihood(sde, score_model, x, steps, probe, t_start=1e-5):
    h = (1.0 - t_start) / steps
    delta = torch.zeros(x.size(0), dtype=x.dtype, device=x.device)

    def rates(x, time):
        t = torch.full([x.size(0)], time, dtype=x.dtype, device=x.device)
        velocity = lambda y: probability_flow_drift(sde, score_model(y, t), y, t)  # noqa: E731
        return velocity(x), hutchinson_divergence(velocity, x, probe)

    for i in range(steps):
        t = t_start + i * h
        k1, l1 = rates(x, t)
        k2, l2 = rates(x + h / 2 * k1, t + h / 2)
        k3, l3 = rates(x + h / 2 * k2, t + h / 2)
        k4, l4 = rates(x + h * k3, t + h)
        x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        delta = delta + h / 6 * (l1 + 2 * l2 + 2 * l3 + l4)
    variance = sde.marginal(torch.ones_like(delta), x)[1] ** 2
    prior = -0.5 * (x**2 / variance + torch.log(2 * math.pi * variance))
    return prior.reshape(x.size(0), -1).sum(-1) + delta
