"""Different: everything is said of scores and log-densities, by Bayes' rule; eps is only how they come in and go out."""

import torch
from torch.distributions import Bernoulli, Categorical

from exercises.toolkit import extract


def score_of(eps, std):
    return -eps / std


def eps_of(score, std):
    return -score * std


def wide(scale, like):
    if not isinstance(scale, torch.Tensor):
        return scale
    return scale.to(like.dtype).reshape(len(like), *[1] * (like.ndim - 1))


def classifier_score(classifier, x_t, t, y):
    with torch.enable_grad():
        x = torch.empty_like(x_t).copy_(x_t.detach()).requires_grad_()
        log_posterior = Categorical(logits=classifier(x, t)).log_prob(y)
        (score,) = torch.autograd.grad(log_posterior, x, torch.ones_like(log_posterior))
    return score.detach()


def classifier_guided_eps(eps, score, t, alpha_bar, scale):
    std = (1 - extract(alpha_bar, t, eps)).sqrt()
    return eps_of(score_of(eps, std) + wide(scale, eps) * score, std)


def noisy_classifier_loss(classifier, x0, y, t, noise, alpha_bar):
    a = extract(alpha_bar, t, x0)
    x_t = a.sqrt() * (x0 + (1 / a - 1).sqrt() * noise)
    return -Categorical(logits=classifier(x_t, t)).log_prob(y).mean()


def drop_labels(y, null, p, generator=None):
    """A label is kept where a uniform number, seen as a quantile of the coin, lies in its upper part."""
    quantiles = torch.rand(y.shape, generator=generator)
    kept = quantiles >= Bernoulli(probs=p).mean
    return torch.where(kept, y, torch.tensor(null))


def cfg_loss(model, x0, y, t, noise, alpha_bar, null, p, generator=None):
    a = extract(alpha_bar, t, x0)
    std = (1 - a).sqrt()
    x_t = a.sqrt() * x0 + std * noise
    wrong = score_of(model(x_t, t, drop_labels(y, null, p, generator)), std) - score_of(noise, std)
    return (std * wrong).square().mean()


def tilted(log_ratio, scale, base):
    """The power of a ratio of densities, times the base: gradients of logarithms, and eps like them."""
    return base + wide(scale, base) * log_ratio


def guided_eps(model, x_t, t, y, null, scale):
    base, own = torch.tensor_split(
        model(torch.cat([x_t] * 2), torch.cat([t] * 2), torch.cat([torch.tensor([null] * len(y)), y])), 2
    )
    return tilted(own - base, scale, base)


def negative_guided_eps(model, x_t, t, y, y_negative, scale):
    own, base = model(torch.cat([x_t] * 2), torch.cat([t] * 2), torch.cat([y, y_negative])).tensor_split(2)
    return tilted(own - base, scale, base)


def rescale_guidance(guided, conditional, phi):
    variances = [batch.flatten(1).var(1, unbiased=False) for batch in (conditional, guided)]
    factor = (variances[0] / variances[1]).sqrt()
    return guided * wide(phi * factor + 1 - phi, guided)


def interval_scale(t, T, scale, low, high):
    before, after = t < low * T, t > high * T
    return torch.full(t.shape, float(scale)).masked_fill(before | after, 1.0)


@torch.no_grad()
def guided_sample(model, x_T, y, alpha_bar, null, scale, n):
    """The mean of the data given x_t by Tweedie's formula, and the rest of x_t shrunk to the next level."""
    T, x = len(alpha_bar), x_T
    levels = [round(T - i * T / n) - 1 for i in range(n)]
    for i, level in enumerate(levels):
        t = torch.full((len(x),), level)
        a = extract(alpha_bar, t, x)
        score = score_of(guided_eps(model, x, t, y, null, scale), (1 - a).sqrt())
        data = (x + (1 - a) * score) / a.sqrt()
        if i == n - 1:
            return data
        after = extract(alpha_bar, torch.full((len(x),), levels[i + 1]), x)
        x = after.sqrt() * data + ((1 - after) / (1 - a)).sqrt() * (x - a.sqrt() * data)
    return x
