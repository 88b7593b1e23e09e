"""Different: one sample at a time in Python floats, stacked at the end; KLs from torch.distributions."""

import math
from itertools import pairwise

import torch


def product(betas, t):
    """The product of 1 - beta over all steps up to t; 1 for t = -1."""
    return math.prod(1 - beta for beta in betas[: t + 1])


def small_variance(betas, t):
    """Of the posterior; that of t = 1 where t is 0."""
    t = max(t, 1)
    return betas[t] * (1 - product(betas, t - 1)) / (1 - product(betas, t))


def linear_schedule(T, beta_start=1e-4, beta_end=0.02):
    if T < 1:
        raise ValueError("a schedule needs a level")
    if T == 1:
        return torch.tensor([beta_start], dtype=torch.float32)
    return torch.tensor([((T - 1 - t) * beta_start + t * beta_end) / (T - 1) for t in range(T)], dtype=torch.float32)


def cosine_schedule(T, s=0.008, max_beta=0.999):
    if T < 1:
        raise ValueError("a schedule needs a level")

    def f(u):
        return (1 + math.cos(math.pi * (u + s) / (1 + s))) / 2

    return torch.tensor([min(max_beta, 1 - f((t + 1) / T) / f(t / T)) for t in range(T)], dtype=torch.float32)


def snr(alpha_bar):
    return torch.tensor([a / (1 - a) for a in alpha_bar.tolist()], dtype=alpha_bar.dtype, device=alpha_bar.device)


def zero_terminal_snr(betas):
    numbers = betas.tolist()
    root = [math.sqrt(product(numbers, t)) for t in range(len(numbers))]
    first, last = root[0], root[-1]
    moved = [1.0] + [first * (r - last) / (first - last) for r in root]
    return torch.tensor([1 - (b / a) ** 2 for a, b in pairwise(moved)], dtype=betas.dtype)


def velocity(x0, eps, t, alpha_bar):
    levels = [float(alpha_bar[step]) for step in t.tolist()]
    return torch.stack([math.sqrt(a) * e - math.sqrt(1 - a) * x for x, e, a in zip(x0, eps, levels, strict=True)])


def to_x0(prediction, x_t, t, alpha_bar, kind):
    rows = []
    for p, x, step in zip(prediction, x_t, t.tolist(), strict=True):
        a = float(alpha_bar[step])
        match kind:
            case "eps":
                rows.append((x - math.sqrt(1 - a) * p) / math.sqrt(a))
            case "x0":
                rows.append(p)
            case "v":
                rows.append(math.sqrt(a) * x - math.sqrt(1 - a) * p)
            case _:
                raise ValueError(f"kind {kind!r} is none of eps, x0, v")
    return torch.stack(rows)


def to_eps(prediction, x_t, t, alpha_bar, kind):
    if kind not in ("eps", "x0", "v"):
        raise ValueError(f"kind {kind!r} is none of eps, x0, v")
    rows = []
    for said, x, step in zip(prediction, x_t, t.tolist(), strict=True):
        a = float(alpha_bar[step])
        if kind == "v":
            rows.append(math.sqrt(1 - a) * x + math.sqrt(a) * said)
        else:
            rows.append(said if kind == "eps" else (x - math.sqrt(a) * said) / math.sqrt(1 - a))
    return torch.stack(rows)


def prediction_loss(model, x0, t, noise, alpha_bar, kind="eps", gamma=None):
    if kind not in ("eps", "x0", "v"):
        raise ValueError(f"kind {kind!r} is none of eps, x0, v")
    levels = [float(alpha_bar[step]) for step in t.tolist()]
    x_t = torch.stack([math.sqrt(a) * x + math.sqrt(1 - a) * z for x, z, a in zip(x0, noise, levels, strict=True)])
    target = noise if kind == "eps" else x0 if kind == "x0" else velocity(x0, noise, t, alpha_bar)
    answer = model(x_t, t)
    total = 0.0
    for a, said, wanted in zip(levels, answer, target, strict=True):
        weight = 1.0
        if gamma is not None:
            ratio = a / (1 - a)
            weight = min(ratio, gamma) / {"eps": ratio or 1.0, "x0": 1.0, "v": ratio + 1}[kind]
        total = total + weight * ((said - wanted) ** 2).sum()
    return total / x0.numel()


def gaussian_kl(mean1, logvar1, mean2, logvar2):
    one = torch.distributions.Normal(mean1, torch.exp(logvar1 / 2))
    two = torch.distributions.Normal(mean2, torch.exp(logvar2 / 2))
    return torch.distributions.kl_divergence(one, two)


def prior_kl(x0, alpha_bar):
    a = float(alpha_bar[-1])
    one = torch.distributions.Normal(math.sqrt(a) * x0, torch.full_like(x0, math.sqrt(1 - a)))
    two = torch.distributions.Normal(torch.zeros_like(x0), torch.ones_like(x0))
    return torch.distributions.kl_divergence(one, two).reshape(len(x0), -1).mean(1) / math.log(2)


def learned_log_variance(v, t, betas):
    numbers, rows = betas.tolist(), []
    for row, step in zip(v, t.tolist(), strict=True):
        low, high = math.log(small_variance(numbers, step)), math.log(numbers[step])
        rows.append(low + (row + 1) * (high - low) / 2)
    return torch.stack(rows)


def ancestral_sample(model, x_T, betas, kind="eps", variance="small", clip=False, generator=None):
    if variance not in ("small", "large"):
        raise ValueError(f"variance {variance!r} is neither small nor large")
    numbers = betas.tolist()
    alpha_bar = torch.tensor([product(numbers, t) for t in range(len(numbers))], dtype=torch.float64)
    noises = torch.randn((len(numbers), *x_T.shape), generator=generator, dtype=x_T.dtype)  # all at once
    with torch.no_grad():
        x = x_T
        for t in range(len(numbers) - 1, -1, -1):
            levels = torch.full((len(x),), t)
            guess = to_x0(model(x, levels), x, levels, alpha_bar, kind)
            if clip:
                guess = torch.clip(guess, -1, 1)
            beta, now, before = numbers[t], product(numbers, t), product(numbers, t - 1)
            x = (math.sqrt(before) * beta * guess + math.sqrt(1 - beta) * (1 - before) * x) / (1 - now)
            if t > 0:
                x = x + math.sqrt(small_variance(numbers, t) if variance == "small" else beta) * noises[t]
    return x


def ema_update(ema_model, model, decay):
    """By name, each tensor where it is met first."""
    done = set()
    with torch.no_grad():
        for slow_part, fast_part in zip(ema_model.modules(), model.modules(), strict=True):
            for table in ("_parameters", "_buffers"):
                for name, slow in getattr(slow_part, table).items():
                    if slow is None or id(slow) in done:
                        continue
                    done.add(id(slow))
                    fast = getattr(fast_part, table)[name]
                    slow.copy_(decay * slow + (1 - decay) * fast if slow.is_floating_point() else fast)
