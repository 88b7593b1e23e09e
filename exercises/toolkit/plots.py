"""The course's pictures: each function draws and returns a matplotlib Figure, and shows nothing; `save` writes it.

Given `on`, a part of a larger figure (see `rows`), a function draws there instead.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure, FigureBase
from torch import Tensor

SIDE = 2.6
"""Inches of one square panel."""
LIMIT = 3.2
"""Half the side of a panel of points: static of unit variance fits into it."""
INK = "#2563eb"


def points(panels: Mapping[str, Tensor], title: str = "", on: FigureBase | None = None) -> FigureBase:
    """Sets of points (N, 2) side by side, each under its name."""
    figure = on or Figure(figsize=(SIDE * len(panels), SIDE + 0.5), layout="constrained")
    figure.suptitle(title)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (name, batch) in zip(axes, panels.items(), strict=True):
        axis.scatter(*_numbers(batch).T, s=2, alpha=0.4, color=INK, linewidths=0)
        axis.set(title=name, xlim=(-LIMIT, LIMIT), ylim=(-LIMIT, LIMIT), xticks=[], yticks=[], aspect="equal")
    return figure


def paths(panels: Mapping[str, Tensor], title: str = "", on: FigureBase | None = None) -> FigureBase:
    """Paths (steps + 1, N, 2) of points side by side, each set under its name: a dot begins a line."""
    figure = on or Figure(figsize=(SIDE * len(panels), SIDE + 0.5), layout="constrained")
    figure.suptitle(title)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (name, track) in zip(axes, panels.items(), strict=True):
        axis.plot(*_numbers(track).transpose(2, 0, 1), linewidth=0.6, alpha=0.8, color=INK)
        axis.scatter(*_numbers(track)[0].T, s=6, color="black", linewidths=0, zorder=3)
        axis.set(title=name, xlim=(-LIMIT, LIMIT), ylim=(-LIMIT, LIMIT), xticks=[], yticks=[], aspect="equal")
    return figure


def curves(
    lines: Mapping[str, Sequence[float] | Tensor], xlabel: str, title: str = "", on: FigureBase | None = None
) -> FigureBase:
    """Values against their index, a line for each name."""
    figure = on or Figure(figsize=(2 * SIDE, SIDE + 0.5), layout="constrained")
    axis = figure.subplots()
    for name, values in lines.items():
        axis.plot(_numbers(values) if isinstance(values, Tensor) else values, label=name)
    axis.set(xlabel=xlabel, title=title)
    axis.legend(frameon=False)
    return figure


def image(matrix: Tensor, xlabel: str, ylabel: str, title: str = "", on: FigureBase | None = None) -> FigureBase:
    """A matrix (rows, columns) as an image, red above zero and blue below, its first row at the bottom."""
    figure = on or Figure(figsize=(2 * SIDE, SIDE + 0.5), layout="constrained")
    axis = figure.subplots()
    values = _numbers(matrix)
    top = abs(values).max()
    shown = axis.imshow(values, cmap="RdBu_r", vmin=-top, vmax=top, origin="lower", aspect="auto")
    axis.set(xlabel=xlabel, ylabel=ylabel, title=title)
    figure.colorbar(shown)
    return figure


def picture_grid(panels: Mapping[str, Tensor], title: str = "", on: FigureBase | None = None) -> FigureBase:
    """Images (N, 1, H, W) from -1, black, to 1, white: a row for each name."""
    longest = max(len(batch) for batch in panels.values())
    figure = on or Figure(figsize=(0.6 * longest + 1, 0.6 * len(panels) + 0.6), layout="constrained")
    figure.suptitle(title)
    axes = figure.subplots(len(panels), longest, squeeze=False)
    for line, (name, batch) in zip(axes, panels.items(), strict=True):
        for axis, picture in zip(line, _numbers(batch)[:, 0], strict=False):
            axis.imshow(picture, cmap="gray", vmin=-1, vmax=1)
        for axis in line:
            axis.set_axis_off()
        line[0].set_title(name, loc="left", fontsize=8)
    return figure


def rows(count: int) -> tuple[Figure, list[FigureBase]]:
    """A figure, and the `count` parts of it from top to bottom, to be given as `on`."""
    figure = Figure(figsize=(5 * SIDE, (SIDE + 0.5) * count), layout="constrained")
    return figure, list(figure.subfigures(count, 1, squeeze=False)[:, 0])


def save(figure: Figure, path: Path) -> Path:
    """Write the figure as a picture, making its folder; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    return path


def _numbers(values: Tensor) -> np.ndarray:
    return values.detach().cpu().numpy()
