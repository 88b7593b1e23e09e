"""Pictures of section 1: two moons turn into static and back."""

import math
from typing import Any

import torch
from matplotlib.figure import FigureBase
from torch import Generator, Tensor

from exercises.gallery import Picture
from exercises.toolkit import plots, two_moons

BETAS = torch.logspace(math.log10(5e-4), math.log10(0.45), 100)
"""T = 100 geometric levels, from moons to static."""
POINTS = 2000


def forward(code: Any, on: FigureBase) -> None:
    x0, alpha_bar = two_moons(POINTS, Generator().manual_seed(0)), code.compute_alpha_bar(BETAS)
    noise = torch.randn(x0.shape, generator=Generator().manual_seed(1))
    panels = {"data": x0} | {
        f"t = {level}, ᾱ = {alpha_bar[level]:.3f}": code.q_sample(x0, _at(level, x0), noise, alpha_bar)
        for level in (20, 50, 75, 99)
    }
    plots.points(panels, "q_sample: the moons drown", on)


def survival(code: Any, on: FigureBase) -> None:
    alpha_bar = code.compute_alpha_bar(BETAS)
    lines = {"√ᾱ, of the signal": alpha_bar.sqrt(), "√(1-ᾱ), of the noise": (1 - alpha_bar).sqrt()}
    plots.curves(lines, "t", "compute_alpha_bar: how much is left, and how much is added", on)


def clocks(code: Any, on: FigureBase) -> None:
    embedding = code.timestep_embedding(torch.arange(len(BETAS)), 32)
    plots.image(embedding.T, "t", "component", "timestep_embedding: fast hands and slow ones", on)


def reverse(code: Any, on: FigureBase) -> None:
    generator = Generator().manual_seed(0)
    model, data = code.TinyDenoiser(), two_moons(4 * POINTS, generator)
    code.train_denoiser(model, data, code.compute_alpha_bar(BETAS), 1500, lr=2e-3, generator=generator)
    x = torch.randn(POINTS, 2, generator=generator)
    panels = {"static": x}
    for level in reversed(range(len(BETAS))):
        with torch.no_grad():
            t = _at(level, x)
            x = code.reverse_step(x, t, model(x, t), BETAS, torch.randn(x.shape, generator=generator))
        if level in (75, 50, 20, 0):
            panels[f"after the step from t = {level}"] = x
    plots.points(panels, "reverse_step, with a denoiser that you trained for a few seconds", on)


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
