"""Pictures of section 2: schedules, weights, the price of a byte, and three targets."""

from typing import Any

import torch
from torch import Generator, Tensor

from exercises.gallery import Picture
from exercises.toolkit.glyphs import glyphs
from exercises.toolkit.plots import Drawing, Images, Lines

T = 1000


def alpha_bar_of(betas: Tensor) -> Tensor:
    return torch.cumprod(1 - betas.double(), dim=0)


def schedules(code: Any) -> Drawing:
    linear, cosine = code.linear_schedule(T), code.cosine_schedule(T)
    lines = {"linear": linear, "linear, mended": code.zero_terminal_snr(linear), "cosine": cosine}
    signal = {name: alpha_bar_of(betas).sqrt() for name, betas in lines.items()}
    return Drawing("", [Lines("how much of the signal is left", signal, "t", ylabel="√ᾱ")])


def ratios(code: Any) -> Drawing:
    lines = {"linear": code.linear_schedule(T), "cosine": code.cosine_schedule(T)}
    logs = {name: code.snr(alpha_bar_of(betas)).log() for name, betas in lines.items()}
    return Drawing("", [Lines("snr: the cosine falls more evenly", logs, "t", ylabel="log of the ratio")])


def bytes_priced(code: Any) -> Drawing:
    levels = torch.arange(256, dtype=torch.float64) / 127.5 - 1
    lines = {
        f"σ = {std:g}": code.decoder_nll(levels, torch.full_like(levels, 0.2), torch.full_like(levels, std).log() * 2)
        for std in (0.05, 0.1, 0.3)
    }
    return Drawing("", [Lines("decoder_nll under a normal of mean 0.2", lines, "byte", ylabel="nats")])


def targets(code: Any) -> Drawing:
    """What a model is asked for at three levels: noise, data, or in between."""
    x0, _ = glyphs(1, Generator().manual_seed(3))
    eps = torch.randn(x0.shape, generator=Generator().manual_seed(4))
    alpha_bar = alpha_bar_of(code.cosine_schedule(T))
    rows = {}
    for level in (50, 500, 950):
        t, a = torch.tensor([level]), float(alpha_bar[level])
        x_t = a**0.5 * x0 + (1 - a) ** 0.5 * eps
        rows[f"t = {level}: x_t, ε, x0, v"] = torch.cat([x_t, eps, x0, code.velocity(x0, eps, t, alpha_bar)])
    return Drawing("three targets", Images(rows))


PICTURES = (
    Picture("schedules side by side", ("linear_schedule", "cosine_schedule", "zero_terminal_snr"), schedules),
    Picture("signal to noise", ("linear_schedule", "cosine_schedule", "snr"), ratios),
    Picture("the price of a byte", ("decoder_nll",), bytes_priced),
    Picture("what a model may be asked for", ("cosine_schedule", "velocity"), targets),
)
