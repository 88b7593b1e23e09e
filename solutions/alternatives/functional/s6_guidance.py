"""Different: torch.func differentiates the classifier, vmap scales and rescales each sample; scores are sums over one-hots."""

from functools import partial

import torch
from torch.func import grad, vmap
from torch.nn import functional as F

from exercises.toolkit import extract


def classifier_score(classifier, x_t, t, y):
    def log_p(x):
        logits = classifier(x, t)
        return (F.log_softmax(logits, dim=1) * F.one_hot(y, logits.shape[1])).sum()

    return grad(log_p)(x_t)


def classifier_guided_eps(eps, score, t, alpha_bar, scale):
    scale = torch.as_tensor(scale, dtype=eps.dtype).expand(len(eps))
    std = (1 - extract(alpha_bar, t, eps)).sqrt().flatten()
    return vmap(lambda e, s, factor: e - factor * s)(eps, score, scale * std)


def noisy_classifier_loss(classifier, x0, y, t, noise, alpha_bar):
    a = extract(alpha_bar, t, x0)
    logits = classifier(torch.sqrt(a) * x0 + torch.sqrt(1 - a) * noise, t)
    return F.nll_loss(F.log_softmax(logits, dim=1), y)


def drop_labels(y, null, p, generator=None):
    kept = torch.rand(len(y), dtype=torch.float64, generator=generator) >= p
    return y * kept + null * ~kept


def cfg_loss(model, x0, y, t, noise, alpha_bar, null, p, generator=None):
    a = extract(alpha_bar, t, x0)
    error = model(torch.sqrt(a) * x0 + torch.sqrt(1 - a) * noise, t, drop_labels(y, null, p, generator)) - noise
    return vmap(lambda row: row.flatten().dot(row.flatten()) / row.numel())(error).mean()


def blended(both, scale):
    own, other = both.unflatten(0, (2, -1))
    scale = torch.as_tensor(scale).to(own).expand(len(own))
    return vmap(lambda e, o, s: s * e + (1 - s) * o)(own, other, scale)


def guided_eps(model, x_t, t, y, null, scale):
    labels = F.pad(y[None], (0, 0, 0, 1), value=null).flatten()
    return blended(model(torch.stack([x_t, x_t]).flatten(0, 1), torch.stack([t, t]).flatten(), labels), scale)


def negative_guided_eps(model, x_t, t, y, y_negative, scale):
    return blended(
        model(torch.stack([x_t, x_t]).flatten(0, 1), t.tile(2), torch.stack([y, y_negative]).flatten()), scale
    )


def rescale_guidance(guided, conditional, phi):
    return vmap(lambda g, c: g + phi * (c.std(correction=0) / g.std(correction=0) - 1) * g)(guided, conditional)


def interval_scale(t, T, scale, low, high):
    inside = (t / T).clamp(low, high) == t / T
    return (1 + inside * (scale - 1)).float()


def guided_sample(model, x_T, y, alpha_bar, null, scale, n):
    """In the coordinate x / √ᾱ a step is a straight line along eps, as long as the change of √(1/ᾱ - 1)."""
    T, x = len(alpha_bar), x_T
    levels = [round(T * (n - i) / n) - 1 for i in range(n)]
    with torch.no_grad():
        for level, after in zip(levels, [*levels[1:], None], strict=True):
            a = alpha_bar[level].double()
            b = torch.ones_like(a) if after is None else alpha_bar[after].double()
            eps = guided_eps(model, x, torch.full_like(y, level), y, null, scale)
            line = partial(torch.add, x / a.sqrt(), eps)
            x = b.sqrt() * line(alpha=((1 / b - 1).sqrt() - (1 / a - 1).sqrt()).item())
    return x
