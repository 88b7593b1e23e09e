"""Different: classes all through; processes are nn.Modules with float32 buffers, samplers are objects with a step."""

import abc
import math
from itertools import pairwise

import torch
from torch import nn


class Score:
    """A score as an object: an offset from the mean, over a variance."""

    def __init__(self, offset, variance):
        self.offset, self.variance = offset, variance

    def tensor(self):
        return self.offset.neg() / self.variance


def score_from_eps(eps, std):
    return Score(eps, std).tensor()


def score_from_x0(x0, x_t, mean_coef, std):
    return Score(x_t - mean_coef * x0, std * std).tensor()


class Process(nn.Module, abc.ABC):
    def __init__(self, start, end):
        super().__init__()
        self.register_buffer("start", torch.tensor(float(start)))
        self.register_buffer("end", torch.tensor(float(end)))

    def forward(self, x, t):
        return self.coefficients(x, t)

    def expand(self, values, like):
        return values.to(like.dtype).to(like.device).unflatten(0, (len(values), *[1] * (like.ndim - 1)))

    @abc.abstractmethod
    def coefficients(self, x, t): ...


class VPSDE(Process):
    def __init__(self, beta_min=0.1, beta_max=20.0):
        super().__init__(beta_min, beta_max)

    def beta(self, t):
        return self.start + t * (self.end - self.start)

    def marginal(self, t, like):
        t = self.expand(t, like)
        average = (self.beta(torch.zeros_like(t)) + self.beta(t)) / 2
        mean_coef = torch.exp(-average * t / 2)
        return mean_coef, torch.sqrt((1 - mean_coef) * (1 + mean_coef))

    def coefficients(self, x, t):
        beta = self.beta(self.expand(t, x))
        return -(beta * x) / 2, beta**0.5


class VESDE(Process):
    def __init__(self, sigma_min=0.01, sigma_max=50.0):
        super().__init__(sigma_min, sigma_max)

    def sigma(self, t):
        return self.start * (self.end / self.start) ** t

    def marginal(self, t, like):
        t = self.expand(t, like)
        sigma = self.sigma(t)
        std = torch.sqrt((sigma - self.start) * (sigma + self.start))
        return torch.ones_like(std), std

    def coefficients(self, x, t):
        sigma = self.sigma(self.expand(t, x))
        return x.new_zeros(x.shape), sigma * (2 * (self.end.log() - self.start.log())).sqrt()


class Matching(nn.Module):
    def __init__(self, sde):
        super().__init__()
        self.noised, self.loss = sde.marginal, nn.MSELoss()

    def forward(self, score_model, x0, t, noise):
        mean_coef, std = self.noised(t, x0)
        x_t = torch.add(mean_coef * x0, std * noise)
        return self.loss(-std * score_model(x_t, t), noise)


def dsm_loss(score_model, x0, t, noise, sde):
    return Matching(sde)(score_model, x0, t, noise)


class Reverse:
    """A process seen backwards, with a share of its noise: 1 for the SDE, 0 for the ODE."""

    def __init__(self, sde, noisiness):
        self.sde, self.noisiness = sde, noisiness

    def coefficients(self, score, x, t):
        drift, diffusion = self.sde.coefficients(x, t)
        return drift - (1 + self.noisiness) / 2 * diffusion**2 * score, self.noisiness * diffusion


def reverse_coefficients(sde, score, x, t):
    return Reverse(sde, 1).coefficients(score, x, t)


def probability_flow_drift(sde, score, x, t):
    return Reverse(sde, 0).coefficients(score, x, t)[0]


class Walker:
    """What both samplers share: where they are, and how far the next step goes."""

    def __init__(self, sde, score_model, x, steps, t_end):
        self.sde, self.score_model, self.x, self.left = sde, score_model, x, steps
        self.steps, self.dt = steps, (t_end - 1) / steps

    @property
    def time(self):
        return 1 + (self.steps - self.left) * self.dt

    def look(self, x, time, noisiness):
        t = torch.ones(len(x), dtype=x.dtype, device=x.device) * time
        return Reverse(self.sde, noisiness).coefficients(self.score_model(x, t), x, t)

    def run(self):
        with torch.no_grad():
            while self.left:
                self.step()
                self.left -= 1
        return self.x


class Wanderer(Walker):
    generator = None

    def step(self):
        drift, diffusion = self.look(self.x, self.time, 1)
        self.x = self.x + self.dt * drift
        if self.left > 1:
            z = torch.zeros_like(self.x).normal_(generator=self.generator)
            self.x = self.x + math.sqrt(-self.dt) * diffusion * z


class Glider(Walker):
    def step(self):
        first, _ = self.look(self.x, self.time, 0)
        second, _ = self.look(self.x + self.dt * first, self.time + self.dt, 0)
        self.x = torch.lerp(self.x + self.dt * first, self.x + self.dt * second, 0.5)


def euler_maruyama(sde, score_model, x_T, steps, t_end=1e-3, generator=None):
    walker = Wanderer(sde, score_model, x_T, steps, t_end)
    walker.generator = generator
    print(f"{steps} steps")
    return walker.run()


def ode_sample(sde, score_model, x_T, steps, t_end=1e-3):
    return Glider(sde, score_model, x_T, steps, t_end).run()


class Langevin:
    def __init__(self, snr):
        self.snr = snr

    def size(self, score, noise):
        norms = [torch.stack([row.norm() for row in batch]).mean() for batch in (noise, score)]
        return 2 * (self.snr * norms[0] / norms[1]) ** 2

    def __call__(self, x, score, noise):
        size = self.size(score, noise)
        return x + size * score + (size + size).sqrt() * noise


def langevin_correct(x, score, snr, noise):
    return Langevin(snr)(x, score, noise)


class Divergence:
    def __init__(self, probe):
        self.probe = probe

    def __call__(self, fn, x):
        with torch.enable_grad():
            leaf = torch.empty_like(x).copy_(x.detach()).requires_grad_()
            fn(leaf).backward(self.probe, inputs=[leaf])
        return torch.sum(leaf.grad * self.probe, dim=tuple(range(1, x.dim())))


def hutchinson_divergence(fn, x, probe):
    return Divergence(probe)(fn, x)


class Likelihood:
    """Heun's method on position and log density together."""

    def __init__(self, sde, score_model, probe):
        self.sde, self.score_model, self.divergence = sde, score_model, Divergence(probe)

    def rates(self, x, time):
        t = torch.ones(len(x), dtype=x.dtype, device=x.device) * time

        def velocity(y):
            return probability_flow_drift(self.sde, self.score_model(y, t), y, t)

        with torch.no_grad():
            return velocity(x), self.divergence(velocity, x)

    def step(self, x, log_p, time, h):
        v1, d1 = self.rates(x, time)
        v2, d2 = self.rates(x + h * v1, time + h)
        return x + h / 2 * (v1 + v2), log_p + h / 2 * (d1 + d2)

    def prior(self, x):
        std = self.sde.marginal(torch.ones(len(x), dtype=x.dtype, device=x.device), x)[1]
        return torch.distributions.Normal(torch.zeros_like(x), std * torch.ones_like(x)).log_prob(x).flatten(1).sum(1)


def log_likelihood(sde, score_model, x, steps, probe, t_start=1e-5):
    likelihood = Likelihood(sde, score_model, probe)
    x, log_p = x.detach(), torch.zeros(len(x), dtype=x.dtype, device=x.device)
    times = [t_start + (1 - t_start) * i / steps for i in range(steps + 1)]
    for now, then in pairwise(times):
        x, log_p = likelihood.step(x, log_p, now, then - now)
    return log_p + likelihood.prior(x)
