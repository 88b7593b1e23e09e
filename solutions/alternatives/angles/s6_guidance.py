"""Different: a level is an angle whose cosine is the data's factor; jumps and DDIM steps are turns of x and v."""

import math
from itertools import pairwise

import torch

from exercises.toolkit import extract


def turn(alpha_bar, t, like):
    return torch.acos(extract(alpha_bar.double().sqrt(), t, like.double()))


def jump(x0, t, noise, alpha_bar):
    angle = turn(alpha_bar, t, x0)
    return angle.cos().to(x0) * x0 + angle.sin().to(x0) * noise


def classifier_guided_eps(eps, score, t, alpha_bar, scale):
    height = turn(alpha_bar, t, eps).sin().to(eps)
    return eps - torch.einsum("b...,b->b...", score * height, torch.as_tensor(scale).to(eps).expand(len(eps)))


def noisy_classifier_loss(classifier, x0, y, t, noise, alpha_bar):
    return torch.nn.CrossEntropyLoss()(classifier(jump(x0, t, noise, alpha_bar), t), y)


def cfg_loss(model, x0, y, t, noise, alpha_bar, null, p, generator=None):
    labels = y.clone()
    labels[torch.rand(y.shape, generator=generator) < p] = null
    return torch.linalg.vector_norm(noise - model(jump(x0, t, noise, alpha_bar), t, labels)) ** 2 / noise.numel()


def guided_eps(model, x_t, t, y, null, scale):
    """The point on the line, as a weighted sum of both guesses: weights 1 - s and s, which may be negative."""
    guesses = model(torch.cat([x_t, x_t]), torch.cat([t, t]), torch.cat([torch.full_like(y, null), y]))
    s = torch.as_tensor(scale).to(x_t).expand(len(x_t))
    return torch.einsum("hb,hb...->b...", torch.stack([1 - s, s]), guesses.unflatten(0, (2, len(x_t))))


def guided_sample(model, x_T, y, alpha_bar, null, scale, n):
    T, x = len(alpha_bar), x_T
    levels = [round(T - i * T / n) - 1 for i in range(n)]
    angles = [*torch.acos(alpha_bar.double().sqrt())[levels].tolist(), 0.0]
    with torch.no_grad():
        for level, (angle, after) in zip(levels, pairwise(angles), strict=True):
            eps = guided_eps(model, x, torch.full_like(y, level), y, null, scale)
            v = (eps - math.sin(angle) * x) / math.cos(angle)  # the way x moves as the angle grows
            x = math.cos(after - angle) * x + math.sin(after - angle) * v
    return x
