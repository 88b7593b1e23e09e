"""Different: steps back as products of two Gaussians, by precisions; bytes priced by integrating the density; this part."""

import math

import torch

from exercises.toolkit import extract


def witnesses(betas):
    """Precisions in x_{t-1}: of what x_0 says (infinite at t = 0) and of what x_t says."""
    betas = betas.double()
    alpha_bar = torch.cumprod(1 - betas, 0)
    before = torch.cat([alpha_bar.new_ones(1), alpha_bar[:-1]])
    return before, 1 / (1 - before), (1 - betas) / betas


def vlb_term(x0, x_t, t, eps, betas):
    before, prior, likelihood = witnesses(betas)
    precision = prior + likelihood
    precision[0] = precision[1]
    now = torch.cumprod(1 - betas.double(), 0)
    guess = (x_t - extract((1 - now).sqrt(), t, x_t) * eps) / extract(now.sqrt(), t, x_t)
    # x_t says the same in both; the means differ by what the two x_0 say, weighed by their precision
    weight = before.sqrt() * prior / precision
    weight[0] = 1
    apart = extract(weight, t, x0) * (x0 - guess)
    kl = 0.5 * extract(precision, t, x0) * apart**2
    # At t = 0 x_t has no say: the mean is the guess itself
    logvar = extract(-precision.log(), t, x0).expand_as(x0)
    nats = torch.where(extract(torch.arange(len(betas)), t, x0) == 0, decoder_nll(x0, guess, logvar), kl)
    return nats.flatten(1).mean(1) / math.log(2)


def decoder_nll(x0, mean, logvar):
    """Gauss-Legendre quadrature of the density where it is smooth over the bin, ends of the tails where it is not."""
    nodes, weights = (part.to(x0.dtype) for part in quadrature(24))
    std = (logvar / 2).exp()
    half = 1 / 255
    z = (x0 - mean).abs() / std
    w = half / std
    # Smooth: over a bin of 2 w at z the log-density changes by 2 z w
    grid = z[..., None] + w[..., None] * nodes
    smooth = torch.logsumexp(-(grid**2) / 2 + weights.log(), -1) + w.log() - math.log(2 * math.pi) / 2
    # Not smooth: the whole tail beyond the near end, as good as all of the bin's mass, less the tail beyond the far end
    near, far = torch.special.log_ndtr(w - z), torch.special.log_ndtr(-w - z)
    sharp = near + torch.log1p(-torch.exp((far - near).clamp(max=-1e-3)))
    inside = torch.where(2 * w * (z + w) < 1, smooth, sharp)
    low = torch.special.log_ndtr((x0 + half - mean) / std)
    high = torch.special.log_ndtr((mean - x0 + half) / std)
    return -torch.where(x0 < -0.999, low, torch.where(x0 > 0.999, high, inside))


def quadrature(n):
    """Nodes and weights on [-1, 1], from the eigenvalues of Golub and Welsch's matrix."""
    k = torch.arange(1, n, dtype=torch.float64)
    off = k / (4 * k**2 - 1).sqrt()
    nodes, vectors = torch.linalg.eigh(torch.diag(off, 1) + torch.diag(off, -1))
    return nodes, 2 * vectors[0] ** 2


def ancestral_sample(model, x_T, betas, kind="eps", variance="small", clip=False, generator=None):
    known = {
        "eps": lambda p, x, a: (x - (1 - a).sqrt() * p) / a.sqrt(),
        "x0": lambda p, x, a: p,
        "v": lambda p, x, a: a.sqrt() * x - (1 - a).sqrt() * p,
    }
    if kind not in known:
        raise ValueError(f"kind={kind}")
    if variance not in {"small", "large"}:
        raise ValueError(f"variance={variance}")
    before, prior, likelihood = witnesses(betas)
    now = torch.cumprod(1 - betas.double(), 0)
    x = x_T
    for level in range(len(betas) - 1, -1, -1):
        t = torch.full((x.shape[0],), level, dtype=torch.int64)
        with torch.no_grad():
            guess = known[kind](model(x, t), x, now[level].to(x.dtype))
            if clip:
                guess = guess.clamp(min=-1).clamp(max=1)
            if level == 0:
                return guess.clone()
            total = prior[level] + likelihood[level]
            seen = (1 - betas[level].double()).sqrt() / betas[level].double() * x  # likelihood times x / √α
            mean = (prior[level] * before[level].sqrt() * guess + seen) / total
            std = total.rsqrt() if variance == "small" else betas[level].double().sqrt()
            x = (mean + std * torch.normal(0.0, 1.0, x.shape, generator=generator, dtype=x.dtype)).to(x_T.dtype)
    return x
