"""Different: derivatives do the work; scores from autograd of a log density, coefficients from autograd of the marginal."""

from itertools import pairwise

import torch
from torch.distributions import Independent, Normal


def score_from_eps(eps, std):
    """As the score at an offset std ε from a mean of 0."""
    return score_from_x0(torch.zeros_like(eps), std * eps, torch.ones_like(std), std)


def score_from_x0(x0, x_t, mean_coef, std):
    with torch.enable_grad():
        place = x_t + torch.zeros_like(x_t, requires_grad=True)
        log_density = Normal(mean_coef * x0, std).log_prob(place).sum()
        return torch.autograd.grad(log_density, place, create_graph=True)[0]


def _shape(t, like):
    return t[(...,) + (None,) * (like.ndim - 1)].type_as(like)


def _rates(sde, x, t):
    """(d log mean_coef / dt, d variance / dt), each sample's own."""
    with torch.enable_grad():
        t = t.detach().to(x.dtype).requires_grad_()
        log_mean_coef, variance = sde.curves(t)
        of_mean = torch.autograd.grad(log_mean_coef.sum() + 0 * t.sum(), t, retain_graph=True)[0]
        of_variance = torch.autograd.grad(variance.sum(), t)[0]
    return of_mean, of_variance, variance.detach()


class _Curves:
    def marginal(self, t, like):
        log_mean_coef, variance = self.curves(_shape(t, like))
        return log_mean_coef.exp(), variance**0.5

    def coefficients(self, x, t):
        of_mean, of_variance, variance = _rates(self, x, t)
        square = of_variance - 2 * of_mean * variance
        return _shape(of_mean, x) * x, _shape(square, x) ** 0.5


class VPSDE(_Curves):
    def __init__(self, beta_min=0.1, beta_max=20.0):
        self.line = beta_min, beta_max - beta_min

    def curves(self, t):
        start, rise = self.line
        half_integral = (start * t + rise * t * t / 2) / 2
        return -half_integral, 1 - torch.exp(-2 * half_integral)


class VESDE(_Curves):
    def __init__(self, sigma_min=0.01, sigma_max=50.0):
        self.ends = sigma_min, sigma_max

    def curves(self, t):
        low, high = self.ends
        return torch.zeros_like(t), low**2 * ((high / low) ** (2 * t) - 1)


def dsm_loss(score_model, x0, t, noise, sde):
    mean_coef, std = sde.marginal(t, x0)
    x_t = mean_coef * x0 + std * noise
    target = (mean_coef * x0 - x_t) / std**2
    return torch.mean(std**2 * (score_model(x_t, t) - target) ** 2)


def reverse_coefficients(sde, score, x, t):
    flow = probability_flow_drift(sde, score, x, t)
    drift, diffusion = sde.coefficients(x, t)
    return 2 * flow - drift, diffusion


def euler_maruyama(sde, score_model, x_T, steps, t_end=1e-3, generator=None):
    """Each step as a draw from a normal distribution."""
    x = x_T.detach()
    for i in range(steps):
        t = torch.full_like(x.flatten(1)[:, 0], (i * t_end + (steps - i)) / steps)
        with torch.no_grad():
            drift, diffusion = reverse_coefficients(sde, score_model(x, t), x, t)
        mean = x - (1 - t_end) / steps * drift
        if i == steps - 1:
            return mean
        std = (diffusion**2 * (1 - t_end) / steps).sqrt().expand_as(x)
        x = torch.normal(mean, std, generator=generator)
    return x


def probability_flow_drift(sde, score, x, t):
    drift, diffusion = sde.coefficients(x, t)
    return drift - 0.5 * diffusion.pow(2) * score


def ode_sample(sde, score_model, x_T, steps, t_end=1e-3):
    grid = [(i * t_end + (steps - i)) / steps for i in range(steps + 1)]

    def velocity(x, time):
        t = torch.full_like(x.flatten(1)[:, 0], time)
        return probability_flow_drift(sde, score_model(x, t), x, t)

    with torch.inference_mode():
        x = x_T.clone()
        for here, there in pairwise(grid):
            euler = x + (there - here) * velocity(x, here)
            x = (
                x + euler + (there - here) * velocity(euler, there)
            ) / 2  # the average of x + h k1 and what k2 adds to x
    return x.clone()


def langevin_correct(x, score, snr, noise):
    axes = tuple(range(1, x.ndim))
    ratio = torch.linalg.vector_norm(noise, dim=axes).mean() / torch.linalg.vector_norm(score, dim=axes).mean()
    push = snr * ratio
    return x + 2 * push**2 * score + 2 * push * noise


def hutchinson_divergence(fn, x, probe):
    return (torch.autograd.functional.vjp(fn, x.detach(), probe)[1] * probe).sum(dim=tuple(range(1, x.ndim)))


def log_likelihood(sde, score_model, x, steps, probe, t_start=1e-5):
    """The midpoint method, with velocity and divergence from one evaluation."""
    step = (1 - t_start) / steps

    def rates(x, time):
        t = torch.full_like(x.flatten(1)[:, 0], time)
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            velocity = probability_flow_drift(sde, score_model(x, t), x, t)
            pulled = torch.autograd.grad(velocity, x, probe)[0]
        return velocity.detach(), (pulled * probe).flatten(1).sum(1)

    log_p = 0
    for i in range(steps):
        start = t_start + i * step
        slope, _ = rates(x, start)
        slope, divergence = rates(x + step / 2 * slope, start + step / 2)
        x, log_p = x.detach() + step * slope, log_p + step * divergence
    _, std = sde.marginal(torch.ones_like(log_p), x)
    return log_p + Independent(Normal(torch.zeros_like(x), std.expand_as(x)), x.ndim - 1).log_prob(x)
