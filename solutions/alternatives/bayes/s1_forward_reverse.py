"""Different: the posterior as a product of two Gaussians, by precisions, from no formula of the paper; only this part."""

import torch

from exercises.toolkit import extract


def q_posterior(x0, x_t, t, betas):
    betas = betas.double()
    alpha_bar = torch.cumprod(1 - betas, 0)
    before = torch.cat([alpha_bar.new_ones(1), alpha_bar[:-1]])
    # x_{t-1} has the prior N(√ᾱ_{t-1} x_0, 1-ᾱ_{t-1}) and the likelihood N(x_t; √α_t x_{t-1}, β_t)
    prior_precision = 1 / (1 - before)
    likelihood_precision = (1 - betas) / betas
    variance = 1 / (prior_precision + likelihood_precision)
    weight_x0 = before.sqrt() * prior_precision * variance
    weight_x0[0] = 1  # the prior at t = 0 is a point, infinitely precise
    weight_x_t = (1 - betas).sqrt() / betas * variance
    return extract(weight_x0, t, x0) * x0 + extract(weight_x_t, t, x_t) * x_t, extract(variance, t, x0)


def reverse_step(x_t, t, eps, betas, noise):
    betas = betas.double()
    alpha_bar = torch.cumprod(1 - betas, 0)
    sigma = (1 - alpha_bar).sqrt()
    # The score of x_t is -ε/σ_t; Tweedie's formula undoes one step: E[√α_t x_{t-1} | x_t] = x_t + β_t score
    score = -eps / extract(sigma, t, eps)
    mean = (x_t + extract(betas, t, x_t) * score) / extract((1 - betas).sqrt(), t, x_t)
    _, variance = q_posterior(torch.zeros_like(x_t), x_t, t, betas)
    return torch.where(variance == 0, mean, mean + variance.sqrt() * noise)
