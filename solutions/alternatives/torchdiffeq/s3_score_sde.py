"""Different: torchdiffeq integrates, Heun's method for samples and RK4 for the likelihood, on position and log p at once."""

import torch
import torchdiffeq


def probability_flow_drift(sde, score, x, t):
    f, g = sde.coefficients(x, t)
    return f - g**2 * score / 2


def velocity(sde, score_model):
    def at(time, x):
        t = time.to(x.dtype).repeat(len(x))
        return probability_flow_drift(sde, score_model(x, t), x, t)

    return at


def grid(start, end, steps, x):
    return torch.linspace(start, end, steps + 1, dtype=torch.float64).to(x.device)


def ode_sample(sde, score_model, x_T, steps, t_end=1e-3):
    with torch.no_grad():
        return torchdiffeq.odeint(velocity(sde, score_model), x_T, grid(1, t_end, steps, x_T), method="heun2")[-1]


def hutchinson_divergence(fn, x, probe):
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        return (torch.autograd.grad(fn(x), x, probe)[0] * probe).flatten(1).sum(1)


def log_likelihood(sde, score_model, x, steps, probe, t_start=1e-5):
    field = velocity(sde, score_model)

    def rates(time, state):
        x, _ = state
        return field(time, x), hutchinson_divergence(lambda y: field(time, y), x, probe)

    start = x.detach(), x.new_zeros(len(x))
    with torch.no_grad():
        path, gain = torchdiffeq.odeint(rates, start, grid(t_start, 1, steps, x), method="rk4")
        end = path[-1]
        std = sde.marginal(torch.ones_like(gain[-1]), end)[1].expand_as(end)
        return torch.distributions.Normal(torch.zeros_like(end), std).log_prob(end).flatten(1).sum(1) + gain[-1]
