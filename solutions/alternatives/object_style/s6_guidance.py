"""Different: a noised batch, a guided model and a walk are objects; functions only put them to work."""

from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import nn


@dataclass
class Noised:
    """A batch at its levels."""

    x0: torch.Tensor
    t: torch.Tensor
    noise: torch.Tensor
    alpha_bar: torch.Tensor

    def factor(self, values):
        return values[self.t].to(self.x0.dtype).reshape(-1, *[1] * (self.x0.ndim - 1))

    @property
    def x_t(self):
        return self.factor(self.alpha_bar.sqrt()) * self.x0 + self.factor((1 - self.alpha_bar).sqrt()) * self.noise


class Scorer(nn.Module):
    """The log-probability of given labels, and its slope."""

    def __init__(self, classifier, t, y):
        super().__init__()
        self.ask, self.t, self.y = classifier, t, y

    def forward(self, x):
        return torch.log_softmax(self.ask(x, self.t), 1).gather(1, self.y.unsqueeze(1)).squeeze(1)

    def slope(self, x):
        with torch.set_grad_enabled(True):
            leaf = x.detach().requires_grad_(True)
            return torch.autograd.grad(self(leaf).sum(), leaf)[0]


class Guided:
    """A model seen from one label towards another, at a scale."""

    def __init__(self, model, y, other, scale):
        self.model, self.labels, self.scale = model, torch.cat([other, y]), scale

    def __call__(self, x_t, t):
        guesses = self.model(torch.cat([x_t, x_t]), torch.cat([t, t]), self.labels)
        start, end = guesses[: len(t)], guesses[len(t) :]
        if isinstance(self.scale, torch.Tensor):
            scale = self.scale.to(x_t.dtype).view(-1, *[1] * (x_t.ndim - 1))
        else:
            scale = self.scale
        return start + scale * (end - start)


class Walk:
    """Trailing levels, by exact fractions, and the clean data after the last."""

    def __init__(self, alpha_bar, n):
        T = len(alpha_bar)
        self.levels = [round(T - Fraction(i * T, n)) - 1 for i in range(n)]
        self.kept = [float(alpha_bar[level]) for level in self.levels] + [1.0]

    def down(self, guess, x):
        for number, level in enumerate(self.levels):
            eps = guess(x, torch.full((len(x),), level))
            a, b = self.kept[number], self.kept[number + 1]
            x = b**0.5 * (x - (1 - a) ** 0.5 * eps) / a**0.5 + (1 - b) ** 0.5 * eps
        return x


def classifier_score(classifier, x_t, t, y):
    return Scorer(classifier, t, y).slope(x_t)


def classifier_guided_eps(eps, score, t, alpha_bar, scale):
    batch = Noised(eps, t, score, alpha_bar)
    if isinstance(scale, torch.Tensor):
        scale = scale.to(eps.dtype).reshape(-1, *[1] * (eps.ndim - 1))
    return eps.sub(batch.factor((1 - alpha_bar) ** 0.5) * score * scale)


def noisy_classifier_loss(classifier, x0, y, t, noise, alpha_bar):
    return -Scorer(classifier, t, y)(Noised(x0, t, noise, alpha_bar).x_t).mean()


def drop_labels(y, null, p, generator=None):
    chances = torch.empty(len(y)).uniform_(generator=generator)
    kept = y.clone()
    kept[chances < p] = null
    return kept


def cfg_loss(model, x0, y, t, noise, alpha_bar, null, p, generator=None):
    labels = drop_labels(y, null, p, generator)
    return nn.MSELoss()(model(Noised(x0, t, noise, alpha_bar).x_t, t, labels), noise)


def guided_eps(model, x_t, t, y, null, scale):
    return Guided(model, y, y * 0 + null, scale)(x_t, t)


def negative_guided_eps(model, x_t, t, y, y_negative, scale):
    return Guided(model, y, y_negative, scale)(x_t, t)


def rescale_guidance(guided, conditional, phi):
    axes = list(range(1, guided.ndim))
    matched = guided / guided.std(axes, keepdim=True) * conditional.std(axes, keepdim=True)
    return (1 - phi) * guided + phi * matched


def interval_scale(t, T, scale, low, high):
    share = t.to(torch.float64).div(T)
    return torch.where(share.ge(low).logical_and(share.le(high)), torch.tensor(float(scale)), torch.tensor(1.0))


def guided_sample(model, x_T, y, alpha_bar, null, scale, n):
    with torch.no_grad():
        return Walk(alpha_bar, n).down(Guided(model, y, torch.full_like(y, null), scale), x_T)
