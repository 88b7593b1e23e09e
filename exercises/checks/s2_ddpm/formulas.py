"""The papers' formulas of section 2, in float64: what several checks expect."""

import math

import torch
from torch import Tensor

from exercises.checks import cases
from exercises.checks.cases import Case

BITS = math.log(2)
"""Nats in a bit."""


def roots(case: Case) -> tuple[Tensor, Tensor]:
    """√ᾱ_t and √(1-ᾱ_t), shaped to multiply the batch."""
    a = case.at(case.alpha_bar)
    return a.sqrt(), (1 - a).sqrt()


def jump(case: Case) -> Tensor:
    signal, static = roots(case)
    return signal * case.x0 + static * case.noise


def per_sample(batch: Tensor) -> Tensor:
    """The mean over each sample's elements, (B,)."""
    return batch.flatten(1).mean(1)


def slopes_x0(case: Case, kind: str) -> tuple[Tensor, Tensor]:
    """What multiplies the prediction, and what multiplies x_t, in x0."""
    signal, static = roots(case)
    return {
        "eps": (-static / signal, 1 / signal),
        "x0": (torch.ones_like(signal), torch.zeros_like(signal)),
        "v": (-static, signal),
    }[kind]


def converted(case: Case, slopes: tuple[Tensor, Tensor]) -> Tensor:
    """`case.eps` stands for the prediction, of whatever kind."""
    return slopes[0] * case.eps + slopes[1] * case.x_t


def all_bytes() -> Tensor:
    """All 8-bit values in [-1, 1]."""
    return torch.arange(256, dtype=torch.float64) / 127.5 - 1


def byte_nll(x0: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """The exact price, by log Φ in the left tail, where it keeps its digits: seen to agree with 60-digit arithmetic."""
    std, half = (logvar / 2).exp(), 1 / 255
    away = (x0 - mean).abs()
    near, far = torch.special.log_ndtr((half - away) / std), torch.special.log_ndtr(-(half + away) / std)
    inside = near + torch.log1p(-torch.exp((far - near).clamp(max=-1e-300)))
    lowest = torch.special.log_ndtr((x0 + half - mean) / std)
    highest = torch.special.log_ndtr((mean - x0 + half) / std)
    return -torch.where(x0 < -0.999, lowest, torch.where(x0 > 0.999, highest, inside))


def byte_slopes(x0: Tensor, mean: Tensor, logvar: Tensor) -> tuple[Tensor, Tensor]:
    """Exact derivatives in mean and logvar: those of a bin are differences of the density, over its mass."""
    std, half = (logvar / 2).exp(), 1 / 255
    right, left = (x0 + half - mean) / std, (x0 - half - mean) / std
    log_mass = -byte_nll(x0, mean, logvar)

    def share(z: Tensor, open_end: Tensor) -> Tensor:
        density = torch.exp(-(z**2) / 2 - math.log(2 * math.pi) / 2 - log_mass)
        return torch.where(open_end, 0.0, density)

    at_right, at_left = share(right, x0 > 0.999), share(left, x0 < -0.999)
    in_mean = (at_right - at_left) / std
    in_logvar = (at_right * right - at_left * left) / 2
    return in_mean, in_logvar


def posterior(case: Case) -> tuple[Tensor, Tensor, Tensor]:
    """Both coefficients and the variance of q(x_{t-1} | x_t, x_0), (B, 1, ..., 1), from Bayes' rule.

    x_{t-1} is N(√ᾱ_{t-1} x_0, 1-ᾱ_{t-1}) before x_t = √α_t x_{t-1} + √β_t ε is seen: precisions add, and the mean is
    the average weighted by them. Before t = 0 the variance is 0 and x_{t-1} is x_0.
    """
    beta = case.at(case.betas)
    before = case.at(torch.cat([torch.ones_like(case.alpha_bar[:1]), case.alpha_bar[:-1]]))
    alpha = 1 - beta
    spread = torch.where(before < 1, 1 - before, 1.0)
    variance = torch.where(before < 1, 1 / (1 / spread + alpha / beta), 0.0)
    of_x0 = torch.where(before < 1, variance * before.sqrt() / spread, 1.0)
    return of_x0, variance * alpha.sqrt() / beta, variance


def small_variance(betas: Tensor) -> Tensor:
    """β̃ of each level, that of t = 1 in the place of t = 0 too, (T,)."""
    a = cases.alpha_bar_of(betas)
    after_first = betas[1:] * (1 - a[:-1]) / (1 - a[1:])
    return torch.cat([after_first[:1], after_first])


def between(case: Case, v: Tensor) -> Tensor:
    small, large = case.at(small_variance(case.betas)).log(), case.at(case.betas).log()
    return small + (v + 1) / 2 * (large - small)
