"""What lesson 2 quotes, measured on the code it is given: the reference, or a learner's module.

`exact(code)` follows from formulas alone, and gives each number as the lesson writes it, by its meaning.
"""

import math
from types import ModuleType

import torch
from torch import Generator, Tensor

from exercises.toolkit.worlds import Gaussian

T = 1000
LN2 = math.log(2)


def rng(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def alpha_bar_of(betas: Tensor) -> Tensor:
    return torch.cumprod(1 - betas.double(), dim=0)


def schedules(code: ModuleType) -> dict[str, Tensor]:
    """Betas of the schedules that the lesson compares, in float64."""
    linear = code.linear_schedule(T).double()
    return {
        "linear": linear,
        "linear, mended": code.zero_terminal_snr(linear),
        "cosine": code.cosine_schedule(T).double(),
    }


def bound(code: ModuleType, betas: Tensor, variance: float = 1.0) -> Tensor:
    """The bound's terms of t = 1 .. T-1 in bits, for normal data of this variance and the best guess of its noise.

    The terms are quadratic in data and noise, so that ± one standard deviation of each gives the exact mean.
    """
    alpha_bar = alpha_bar_of(betas)
    t = torch.arange(1, len(betas)).repeat_interleave(4)
    signs = torch.tensor([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64)
    x0, noise = signs.repeat(len(betas) - 1, 1).T[..., None]
    x0, a = variance**0.5 * x0, alpha_bar[t][:, None]
    x_t = a.sqrt() * x0 + (1 - a).sqrt() * noise
    eps = Gaussian(0.0, variance).eps(x_t, t, alpha_bar)
    return code.vlb_term(x0, x_t, t, eps, betas).reshape(-1, 4).mean(dim=1)


def end_variance(code: ModuleType, betas: Tensor, variance: str) -> float:
    """The variance that a chain ends with on unit normal data, where ε = √(1-ᾱ) x is the best guess.

    Then the mean of a step back is √(1-β) x, and the noise that it adds has the log-variance of v = -1 or 1.
    """
    v = 1.0
    levels, share = torch.arange(len(betas)), -1.0 if variance == "small" else 1.0
    added = code.learned_log_variance(torch.full((len(betas), 1), share).double(), levels, betas).exp().flatten()
    for t in reversed(range(len(betas))):
        v = (1 - betas[t].item()) * v + (added[t].item() if t > 0 else 0.0)
    return v


def price(code: ModuleType, byte: int, mean: float, std: float) -> float:
    """What a byte costs, in nats."""
    parts = (torch.tensor([value], dtype=torch.float64) for value in (byte / 127.5 - 1, mean, 2 * math.log(std)))
    return code.decoder_nll(*parts).item()


def exact(code: ModuleType) -> dict[str, str]:
    betas = schedules(code)
    kept = {name: alpha_bar_of(table) for name, table in betas.items()}
    ratio = {name: code.snr(table) for name, table in kept.items()}
    zero = torch.zeros(1, dtype=torch.float64)
    wide = zero + math.log(4)
    terms = bound(code, betas["linear"])
    left = code.prior_kl(torch.ones(1, 1, dtype=torch.float64), kept["linear"]).item()
    network = code.UNet()
    return {
        "linear ᾱ[499]": f"{kept['linear'][499]:.3f}",
        "cosine ᾱ[499]": f"{kept['cosine'][499]:.3f}",
        "first level with more noise than signal, linear": f"{int((ratio['linear'] > 1).sum())}",
        "first level with more noise than signal, cosine": f"{int((ratio['cosine'] > 1).sum())}",
        "linear √ᾱ[999]": f"{kept['linear'][999].sqrt():.4f}",
        "first cosine beta": f"{betas['cosine'][0]:.6f}",
        "last cosine beta": f"{betas['cosine'][999]:.3f}",
        "last but one, mended": f"{betas['linear, mended'][998]:.3f}",
        "√ᾱ[499], mended": f"{kept['linear, mended'][499].sqrt():.3f}",
        "√ᾱ[499], linear": f"{kept['linear'][499].sqrt():.3f}",
        "SNR[0], linear": f"{ratio['linear'][0]:.0f}",
        "first level with SNR below 5, linear": f"{int((ratio['linear'] > 5).sum())}",
        "first level with SNR below 5, cosine": f"{int((ratio['cosine'] > 5).sum())}",
        "KL(N(0, 4) to N(0, 1))": f"{code.gaussian_kl(zero, wide, zero, zero).item():.3f}",
        "KL(N(0, 1) to N(0, 4))": f"{code.gaussian_kl(zero, zero, zero, wide).item():.3f}",
        "a byte 9 σ away": f"{price(code, 128, 0.003921568627 - 0.9, 0.1):.1f}",
        "the middle byte, σ = 0.1": f"{price(code, 128, 0.003921568627, 0.1):.2f}",
        "prior KL, linear": f"{left:.6f}",
        "the bound's sum in nats": f"{terms.sum().item() * LN2:.3f}",
        "the bound's sum in bits": f"{terms.sum().item():.2f}",
        "share of the bound below t = 100": f"{terms[:99].sum().item() / terms.sum().item():.0%}",
        "small end variance": f"{end_variance(code, betas['linear'], 'small'):.4f}",
        "large end variance": f"{end_variance(code, betas['linear'], 'large'):.4f}",
        "UNet parameters": f"{sum(parameter.numel() for parameter in network.parameters())}",
    }


def measured(code: ModuleType) -> dict[str, str]:
    """Nothing in this lesson comes of a training."""
    return {}
