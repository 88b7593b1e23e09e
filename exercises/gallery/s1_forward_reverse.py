"""Pictures of section 1: two moons turn into static and back."""

import math
from typing import Any

import torch
from torch import Generator, Tensor

from exercises.gallery import Picture
from exercises.toolkit import two_moons
from exercises.toolkit.moons import nearer_moon
from exercises.toolkit.plots import Cloud, Drawing, Heat, Lines

BETAS = torch.logspace(math.log10(5e-4), math.log10(0.45), 100)
"""T = 100 geometric levels, from moons to static."""
POINTS = 2000


def forward(code: Any) -> Drawing:
    x0, alpha_bar = two_moons(POINTS, Generator().manual_seed(0)), code.compute_alpha_bar(BETAS)
    noise = torch.randn(x0.shape, generator=Generator().manual_seed(1))
    which = nearer_moon(x0)
    panels = [Cloud("data", x0, labels=which)]
    for level in (20, 50, 75, 99):
        x_t = code.q_sample(x0, _at(level, x0), noise, alpha_bar)
        panels.append(Cloud(f"t = {level}, ᾱ = {float(alpha_bar[level]):.3f}", x_t, labels=which))
    return Drawing("q_sample: the moons drown", panels)


def survival(code: Any) -> Drawing:
    alpha_bar = code.compute_alpha_bar(BETAS)
    lines = {"√ᾱ, of the signal": alpha_bar.sqrt(), "√(1-ᾱ), of the noise": (1 - alpha_bar).sqrt()}
    return Drawing("", [Lines("compute_alpha_bar: how much is left, and how much is added", lines, "t")])


def clocks(code: Any) -> Drawing:
    embedding = code.timestep_embedding(torch.arange(len(BETAS)), 32)
    title = "timestep_embedding(t, 32): fast hands and slow ones"
    return Drawing("", [Heat(title, embedding.T, "t", "entry", signed=True, upright=True)])


def reverse(code: Any) -> Drawing:
    generator = Generator().manual_seed(0)
    model, data = code.TinyDenoiser(), two_moons(4 * POINTS, generator)
    code.train_denoiser(model, data, code.compute_alpha_bar(BETAS), 1500, lr=2e-3, generator=generator)
    x = torch.randn(POINTS, 2, generator=generator)
    seen = {"static": x}
    for level in reversed(range(len(BETAS))):
        with torch.no_grad():
            t = _at(level, x)
            x = code.reverse_step(x, t, model(x, t), BETAS, torch.randn(x.shape, generator=generator))
        if level in (50, 20, 0):
            seen[f"after the step from t = {level}"] = x
    which = nearer_moon(x.float())
    panels = [Cloud(name, batch, labels=which) for name, batch in seen.items()]
    panels.append(Cloud("data", data[:POINTS], labels=nearer_moon(data[:POINTS])))
    return Drawing("reverse_step, with a denoiser that you trained for a few seconds", panels)


def _at(level: int, x: Tensor) -> Tensor:
    return torch.full((len(x),), level)


PICTURES = (
    Picture("the forward process on two moons", ("compute_alpha_bar", "q_sample"), forward),
    Picture("what survives, level by level", ("compute_alpha_bar",), survival),
    Picture("the embedding of time", ("timestep_embedding",), clocks),
    Picture(
        "training, and the reverse chain",
        ("compute_alpha_bar", "TinyDenoiser", "train_denoiser", "reverse_step"),
        reverse,
    ),
)
