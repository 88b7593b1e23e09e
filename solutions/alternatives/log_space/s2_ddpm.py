"""Different: everything by logarithms: log-SNR, logsigmoid, log-variances; the tails of the normal by erfcx."""

import math

import torch

from exercises.toolkit import extract


def log_alpha_bar(betas):
    return torch.cumsum(torch.log1p(-betas.double()), dim=0)


def log_one_minus_exp(x):
    """Log of 1 - exp(x), for x < 0."""
    return torch.where(x > -0.7, torch.log(-torch.expm1(x)), torch.log1p(-torch.exp(x)))


def log_small(betas):
    """Log of the posterior variance, that of t = 1 in the place of t = 0 too."""
    now = log_alpha_bar(betas)
    later = betas.double().log()[1:] + log_one_minus_exp(now[:-1]) - log_one_minus_exp(now[1:])
    return torch.cat([later[:1], later])


def linear_schedule(T, beta_start=1e-4, beta_end=0.02):
    if T < 1:
        raise ValueError(f"T = {T} is no number of steps")
    weights = torch.arange(T).double().div(T - 1 if T > 1 else 1)
    return torch.lerp(torch.tensor(beta_start).double(), torch.tensor(beta_end).double(), weights).float()


def cosine_schedule(T, s=0.008, max_beta=0.999):
    if T < 1:
        raise ValueError(f"T = {T} is no number of steps")
    u = torch.arange(T + 1).double() / T
    log_f = 2 * torch.log(torch.cos(torch.pi / 2 * (u + s) / (1 + s)).abs())
    return -torch.expm1(log_f.diff()).clamp(min=-max_beta).float()


def snr(alpha_bar):
    return torch.exp(torch.logit(alpha_bar))


def zero_terminal_snr(betas):
    half = log_alpha_bar(betas) / 2
    kept = half + log_one_minus_exp((half[-1] - half).clamp(max=0)) - log_one_minus_exp(half[-1] - half[0])
    kept = torch.cat([half[:1], kept[1:]])
    return torch.cat([betas[:1], -torch.expm1(2 * kept.diff()).to(betas.dtype)])


def gaussian_kl(mean1, logvar1, mean2, logvar2):
    gap = logvar1 - logvar2
    return (torch.expm1(gap) - gap + (mean1 - mean2) ** 2 / torch.exp(logvar2)) / 2


def log_tail(z):
    """Log Φ(z), by the scaled complementary error function on the left."""
    left = torch.log(torch.special.erfcx(-z.clamp(max=0) / math.sqrt(2)) / 2) - z.clamp(max=0) ** 2 / 2
    right = torch.log1p(-torch.special.erfc(z.clamp(min=0) / math.sqrt(2)) / 2)
    return torch.where(z < 0, left, right)


def decoder_nll(x0, mean, logvar):
    precision = torch.exp(-logvar.double() / 2)
    offset = x0.double() - mean.double()
    upper, lower = (offset + 1 / 255) * precision, (offset - 1 / 255) * precision
    mirrored = offset > 0
    upper, lower = torch.where(mirrored, -lower, upper), torch.where(mirrored, -upper, lower)
    inside = log_tail(upper) + log_one_minus_exp(log_tail(lower) - log_tail(upper))
    k = torch.round((x0.double() + 1) * 127.5)
    highest, lowest = log_tail((1 / 255 - offset) * precision), log_tail((1 / 255 + offset) * precision)
    return -torch.where(k == 0, lowest, torch.where(k == 255, highest, inside)).to(x0.dtype)


def prior_kl(x0, alpha_bar):
    last = alpha_bar.double()[-1]
    nats = (last * (x0.double() ** 2 - 1) - torch.log1p(-last)) / 2
    return torch.stack([sample.mean() for sample in nats]).div(math.log(2)).to(x0.dtype)


def vlb_term(x0, x_t, t, eps, betas):
    log_a = log_alpha_bar(betas)
    signal, static = (log_a / 2).exp(), (log_one_minus_exp(log_a) / 2).exp()
    x0_, x_t_, eps_ = x0.double(), x_t.double(), eps.double()
    true_eps = (x_t_ - extract(signal, t, x_t_) * x0_) / extract(static, t, x_t_)
    # DDPM's eq. 12: weight of a squared error of eps, by its logarithm
    log_weight = 2 * betas.double().log() - math.log(2) - log_small(betas) - torch.log1p(-betas.double())
    log_weight = log_weight - log_one_minus_exp(log_a)
    kl = extract(log_weight.exp(), t, x_t_) * (true_eps - eps_) ** 2
    guess = (x_t_ - extract(static, t, x_t_) * eps_) / extract(signal, t, x_t_)
    nats = kl.clone()
    first = t == 0
    if first.any():
        logvar = extract(log_small(betas), t, x_t_).expand_as(x_t_)
        nats[first] = decoder_nll(x0_[first], guess[first], logvar[first])
    return nats.flatten(1).mean(1).div(math.log(2)).to(x0.dtype)


def learned_log_variance(v, t, betas):
    small, large = extract(log_small(betas), t, v), extract(betas.double().log(), t, v)
    return (small + large) / 2 + v * (large - small) / 2


def ancestral_sample(model, x_T, betas, kind="eps", variance="small", clip=False, generator=None):
    """In terms of both guesses: x̂_0 noised again to the level before with as much of ε̂ as the fresh noise leaves room for."""
    if kind not in ("eps", "x0", "v") or variance not in ("small", "large"):
        raise ValueError(f"unknown kind or variance: {kind!r}, {variance!r}")
    log_a = log_alpha_bar(betas)
    log_var = log_small(betas) if variance == "small" else betas.double().log()
    x = x_T.detach().double()
    for level in range(len(betas) - 1, -1, -1):
        a, s = math.exp(log_a[level] / 2), math.sqrt(-math.expm1(log_a[level]))
        t = torch.tensor([level] * len(x), device=x.device)
        with torch.no_grad():
            p = model(x.to(x_T.dtype), t).double()
        guess = p if kind == "x0" else a * x - s * p if kind == "v" else (x - s * p) / a
        if clip:
            guess = guess.clamp(-1, 1)
        eps = (x - a * guess) / s
        a_before = math.exp(log_a[level - 1] / 2) if level else 1.0
        left = (1 - a_before**2) * math.sqrt(1 - betas[level].item()) / s  # of ε̂, beside the posterior's fresh noise
        x = a_before * guess + left * eps
        if level:
            z = torch.randn(x.shape, generator=generator, dtype=torch.float64, device=x.device)
            x = x + math.exp(log_var[level] / 2) * z
    return x.to(x_T.dtype)


def ema_update(ema_model, model, decay):
    """By subtracting the shrinking gap; `.data` is what autograd does not look at."""
    pairs = [*zip(ema_model.parameters(), model.parameters(), strict=True)]
    pairs += [*zip(ema_model.buffers(), model.buffers(), strict=True)]
    for slow, fast in pairs:
        if torch.is_floating_point(slow):
            slow.data.sub_((1 - decay) * (slow.data - fast.data))
        else:
            slow.data[...] = fast.data
