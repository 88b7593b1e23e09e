"""Different: loops over the samples and Python floats; in a doubled batch each sample stands beside its twin."""

import math

import numpy as np
import torch
from torch.distributions import Categorical


def scale_of(scale, row):
    return float(scale[row]) if isinstance(scale, torch.Tensor) else scale


def noised(x0, t, noise, alpha_bar):
    rows = []
    for x, level, z in zip(x0, t.tolist(), noise, strict=True):
        a = alpha_bar[level].item()
        rows.append(math.sqrt(a) * x + math.sqrt(1 - a) * z)
    return torch.stack(rows)


def classifier_score(classifier, x_t, t, y):
    scores = []
    for row in range(len(x_t)):
        with torch.enable_grad():
            x = x_t[row : row + 1].detach().clone().requires_grad_(True)
            log_p = torch.log_softmax(classifier(x, t[row : row + 1]), dim=-1)[0, y[row]]
            scores.append(torch.autograd.grad(log_p, x)[0].squeeze(0))
    return torch.stack(scores)


def classifier_guided_eps(eps, score, t, alpha_bar, scale):
    rows = []
    for row, level in enumerate(t.tolist()):
        rows.append(eps[row] - math.sqrt(1 - alpha_bar[level].item()) * scale_of(scale, row) * score[row])
    return torch.stack(rows)


def noisy_classifier_loss(classifier, x0, y, t, noise, alpha_bar):
    x_t, total = noised(x0, t, noise, alpha_bar), 0.0
    for row in range(len(y)):
        logits = classifier(x_t[row : row + 1], t[row : row + 1])
        total = total - Categorical(logits=logits).log_prob(y[row : row + 1]).squeeze()
    return total / len(y)


def drop_labels(y, null, p, generator=None):
    seed = int(torch.randint(2**62, (), generator=generator))
    coins = np.random.default_rng(seed).random(len(y))
    labels = [null if coin < p else label for coin, label in zip(coins, y.tolist(), strict=True)]
    return torch.tensor(labels, dtype=y.dtype, device=y.device)


def cfg_loss(model, x0, y, t, noise, alpha_bar, null, p, generator=None):
    guess = model(noised(x0, t, noise, alpha_bar), t, drop_labels(y, null, p, generator))
    errors = [(one - other).pow(2).mean() for one, other in zip(guess, noise, strict=True)]
    return sum(errors) / len(errors)


def guided_eps(model, x_t, t, y, null, scale):
    return negative_guided_eps(model, x_t, t, y, torch.full_like(y, null), scale)


def negative_guided_eps(model, x_t, t, y, y_negative, scale):
    twins = [index for row in range(len(x_t)) for index in (row, row)]
    labels = torch.stack([y, y_negative], dim=1).reshape(-1)
    guesses = model(x_t[twins], t[twins], labels)
    rows = []
    for row in range(len(x_t)):
        own, other, s = guesses[2 * row], guesses[2 * row + 1], scale_of(scale, row)
        rows.append(s * own + (1 - s) * other)
    return torch.stack(rows)


def rescale_guidance(guided, conditional, phi):
    return torch.stack([g * (phi * c.std() / g.std() + 1 - phi) for g, c in zip(guided, conditional, strict=True)])


def interval_scale(t, T, scale, low, high):
    return torch.tensor([scale if low <= level / T <= high else 1.0 for level in t.tolist()], dtype=torch.float32)


def guided_sample(model, x_T, y, alpha_bar, null, scale, n):
    T, x = len(alpha_bar), x_T.detach()
    for i in range(n):
        now, then = math.floor(T - i * T / n + 0.5) - 1, math.floor(T - (i + 1) * T / n + 0.5) - 1
        with torch.no_grad():
            eps = guided_eps(model, x, torch.tensor([now] * len(y)), y, null, scale)
        signal, static = math.sqrt(alpha_bar[now].item()), math.sqrt(1 - alpha_bar[now].item())
        x0 = (x - static * eps) / signal
        if then < 0:
            return x0
        x = math.sqrt(alpha_bar[then].item()) * x0 + math.sqrt(1 - alpha_bar[then].item()) * eps
    return x
