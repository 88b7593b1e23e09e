"""Different: a level is an angle, and (x_t, v) is (x_0, eps) turned by it: conversions are rotations and their inverses."""

import math

import torch

from exercises.toolkit import extract


def angle(alpha_bar):
    alpha_bar = alpha_bar.double()
    return torch.atan2((1 - alpha_bar).sqrt(), alpha_bar.sqrt())


def turn(theta, x, y):
    """The pair (x, y) turned by theta, one angle a sample."""
    cos, sin = extract(theta.cos(), torch.arange(len(x)), x), extract(theta.sin(), torch.arange(len(x)), x)
    return cos * x + sin * y, cos * y - sin * x


def cosine_schedule(T, s=0.008, max_beta=0.999):
    if T <= 0:
        raise ValueError(f"expected T >= 1, got {T}")
    edges = torch.tensor([math.pi / 2 * (t / T + s) / (1 + s) for t in range(T + 1)], dtype=torch.float64)
    after, before = edges[1:], edges[:-1]
    # 1 - cos² a / cos² b = sin(a - b) sin(a + b) / cos² b
    betas = torch.sin(after - before) * torch.sin(after + before) / torch.cos(before) ** 2
    return betas.clip(max=max_beta).to(torch.float32)


def snr(alpha_bar):
    return (1 / torch.tan(angle(alpha_bar)) ** 2).to(alpha_bar.dtype)


def velocity(x0, eps, t, alpha_bar):
    return turn(angle(alpha_bar)[t], x0, eps)[1]


def to_both(prediction, x_t, t, alpha_bar, kind):
    theta = angle(alpha_bar)[t]
    if kind == "v":
        return turn(-theta, x_t, prediction)
    rows = torch.arange(len(x_t))
    if kind == "eps":
        sec, tan = extract(1 / theta.cos(), rows, x_t), extract(theta.tan(), rows, x_t)
        return sec * x_t - tan * prediction, prediction
    if kind == "x0":
        csc, cot = extract(1 / theta.sin(), rows, x_t), extract(1 / theta.tan(), rows, x_t)
        return prediction, csc * x_t - cot * prediction
    raise ValueError(f"no such kind: {kind!r}")


def to_x0(prediction, x_t, t, alpha_bar, kind):
    return to_both(prediction, x_t, t, alpha_bar, kind)[0]


def to_eps(prediction, x_t, t, alpha_bar, kind):
    return to_both(prediction, x_t, t, alpha_bar, kind)[1]


def prediction_loss(model, x0, t, noise, alpha_bar, kind="eps", gamma=None):
    names = ["eps", "x0", "v"]
    if kind not in names:
        raise ValueError(f"kind is {kind!r}, not in {names}")
    theta = angle(alpha_bar)[t]
    x_t, v = turn(theta, x0, noise)
    error = (noise, x0, v)[names.index(kind)] - model(x_t, t)
    weight = torch.ones_like(theta)
    if gamma is not None:
        # Every weight is that of an error of x0, which is the error of v over sin², and of eps over tan²
        of_x0 = (1 / theta.tan() ** 2).clamp(max=gamma)
        weight = of_x0 * (theta.tan() ** 2, torch.ones_like(theta), theta.sin() ** 2)[names.index(kind)]
    return (extract(weight, torch.arange(len(x0)), x0) * error * error).mean()
