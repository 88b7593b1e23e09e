"""The papers' formulas of section 1, in float64: what several checks expect."""

import torch
from torch import Tensor

from exercises.checks.cases import Case, numbers


def jump(case: Case) -> Tensor:
    a = case.at(case.alpha_bar)
    return a.sqrt() * case.x0 + (1 - a).sqrt() * case.noise


def unjump(case: Case) -> Tensor:
    a = case.at(case.alpha_bar)
    return (case.x_t - (1 - a).sqrt() * case.eps) / a.sqrt()


def posterior(case: Case) -> tuple[Tensor, Tensor, Tensor]:
    """The coefficients of x_0 and x_t in the mean, and the variance, (B, 1, ..., 1), by Bayes' rule.

    Before x_t = √α_t x_{t-1} + √β_t ε is seen, x_{t-1} is N(√ᾱ_{t-1} x_0, 1-ᾱ_{t-1}). Precisions add, and the mean is
    the average that they weigh. Before t = 0 the variance is 0 from the start.
    """
    beta, before = case.at(case.betas), case.at(torch.cat([numbers(1.0), case.alpha_bar[:-1]]))
    prior = torch.where(before < 1, 1 - before, 1.0)
    variance = torch.where(before < 1, 1 / (1 / prior + (1 - beta) / beta), 0.0)
    of_x0 = torch.where(before < 1, variance * before.sqrt() / prior, 1.0)
    return of_x0, variance * (1 - beta).sqrt() / beta, variance


def ancestral(case: Case) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of p(x_{t-1} | x_t)."""
    of_x0, of_x_t, variance = posterior(case)
    return of_x0 * unjump(case) + of_x_t * case.x_t, variance.sqrt()
