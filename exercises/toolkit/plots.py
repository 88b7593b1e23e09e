"""The course's pictures: what is to be seen as data (`Drawing` of panels), and how it looks, the lessons' pictures included.

A drawing is drawn in colour; with another behind it, that one is grey, so that the two can be compared: `draw(yours, ours)`.
Nothing here shows a window; `save` writes a picture.
"""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from torch import Tensor

INK, STATIC, DATA, MODEL, OTHER = "#1f2933", "#9aa5b1", "#2563eb", "#e8590c", "#0f9d72"
"""Text and lines; noise; clean data; what a model says or a result; a second thing to compare."""
CLASSES = (DATA, MODEL, OTHER, "#8b5cf6")
"""The colours of classes: of two moons, of three clouds."""
GREY, PALE, EDGE = "#b3bcc6", "#e4e8ee", "#d5dae1"
"""Of what stands behind: another's answer; data; the border of a square."""
STYLE: dict[str, Any] = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.edgecolor": STATIC,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.8,
}
SIDE = 2.3
"""Inches of one square panel."""
WIDTH = 11.0
"""Inches of a picture of several drawings."""
ACROSS = 12
"""Places for images in a row, at least."""
LIMIT = 3.0
"""Half the side of a panel of points: static of unit variance fits into it."""


def bare(axes: Axes, title: str, limit: float = LIMIT) -> None:
    """A square of the plane, from -3 to 3, with a title and nothing else."""
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), xticks=[], yticks=[], aspect="equal", title=title)
    for spine in axes.spines.values():
        spine.set(visible=True, color=EDGE)


def scatter(axes: Axes, points: Float[Tensor, "n 2"], colours: str | list[str], title: str, size: float = 2.0) -> None:
    """Points of the plane on a square without ticks, from -3 to 3."""
    axes.scatter(*_numbers(points).T, s=size, c=colours, linewidths=0, alpha=0.8)
    bare(axes, title)


def colours_of(labels: Tensor | None, otherwise: str = DATA) -> str | list[str]:
    """A colour for each class; one for all where there are none."""
    return otherwise if labels is None else [CLASSES[int(label) % len(CLASSES)] for label in labels]


class UndrawableError(ValueError):
    """What came back has no picture; the message says why."""


@dataclass(frozen=True)
class Cloud:
    """Points of the plane (N, 2): by `labels` in the colours of their classes, with `data` behind them."""

    title: str
    points: Tensor
    _: KW_ONLY
    labels: Tensor | None = None
    data: Tensor | None = None

    def draw(self, axes: Axes, ours: "Cloud | None") -> None:
        points = _plane(self.points, self.title)
        if self.data is not None:
            axes.scatter(*_plane(self.data, self.title).T, s=2, color=PALE, linewidths=0)
        if ours is not None:
            axes.scatter(*_plane(ours.points, self.title).T, s=3, color=GREY, linewidths=0)
        labels = self.labels if self.labels is None or len(self.labels) == len(points) else None
        away = float((~(np.abs(points) <= LIMIT).all(axis=1)).mean())
        _on_plane(axes, self.title)
        axes.scatter(*points.T, s=2, c=colours_of(labels), linewidths=0, alpha=0.8)
        if away > 0.05:
            axes.set_xlabel(f"{away:.0%} lie elsewhere", color=MODEL)


@dataclass(frozen=True)
class Tracks:
    """Paths (steps + 1, N, 2): a dot begins a line."""

    title: str
    paths: Tensor

    def draw(self, axes: Axes, ours: "Tracks | None") -> None:
        paths = _numbers(self.paths)
        if paths.ndim != 3 or paths.shape[2] != 2:
            raise UndrawableError(f"{self.title}: shape {paths.shape} is no set of paths in the plane")
        _on_plane(axes, self.title)
        if ours is not None:
            axes.plot(*_numbers(ours.paths).transpose(2, 0, 1), linewidth=1.2, color=GREY)
        axes.plot(*paths.transpose(2, 0, 1), linewidth=0.6, alpha=0.8, color=DATA)
        axes.scatter(*paths[0].T, s=6, color=INK, linewidths=0, zorder=3)


@dataclass(frozen=True)
class Lines:
    """Values over `x`, or over their number, a line for each name; `dots` are drawn as dots."""

    title: str
    lines: Mapping[str, Tensor | Sequence[float]]
    xlabel: str
    _: KW_ONLY
    ylabel: str = ""
    x: Tensor | Sequence[float] | None = None
    scale: str = ""
    """Which axis is logarithmic: x, y, or both as xy."""
    ylim: tuple[float, float] | None = None
    dots: tuple[str, ...] = ()
    equal: bool = False

    def draw(self, axes: Axes, ours: "Lines | None") -> None:
        if ours is not None:
            for values in ours._values().values():
                axes.plot(self._x(values), values, color=GREY, linewidth=4, solid_capstyle="round")
        for (name, values), colour in zip(self._values().items(), (DATA, MODEL, OTHER, INK, STATIC), strict=False):
            axes.plot(self._x(values), values, "o" if name in self.dots else "-", color=colour, label=name)
        axes.set(title=self.title, xlabel=self.xlabel, ylabel=self.ylabel)
        axes.margins(x=0.01)
        for axis in self.scale:
            axes.set(**{f"{axis}scale": "log"})
        if self.equal:
            axes.set_aspect("equal")
        if self.ylim is not None:
            axes.set_ylim(self.ylim)
        elif ours is not None and "y" not in self.scale:
            _within(axes, np.concatenate(list(ours._values().values())))
        if len(self.lines) > 1:
            axes.legend(loc="best")

    def _x(self, values: np.ndarray) -> np.ndarray:
        return np.arange(len(values)) if self.x is None else _numbers(self.x)[: len(values)]

    def _values(self) -> dict[str, np.ndarray]:
        found = {name: _numbers(values) for name, values in self.lines.items()}
        for name, values in found.items():
            if values.ndim != 1 or (self.x is not None and len(values) != len(self.x)):
                raise UndrawableError(f"{name}: shape {values.shape} is no line over {self.xlabel}")
        return found


@dataclass(frozen=True)
class Heat:
    """A matrix (rows, columns) in colours, its first row at the bottom; the other's is drawn beside it.

    Attributes:
        span: where it lies: left, right, bottom, top, in the data's units.
        signed: red above zero and blue below; else from nothing to much.
        upright: whether its first row is on top, as one reads.
        plane: whether both axes have one unit.
        mark: a place to be marked.
    """

    title: str
    values: Tensor
    xlabel: str = ""
    ylabel: str = ""
    _: KW_ONLY
    span: tuple[float, float, float, float] | None = None
    unit: str = ""
    signed: bool = False
    upright: bool = False
    plane: bool = False
    mark: tuple[float, float] | None = None

    def draw(self, axes: Axes, ours: "Heat | None") -> None:
        values, measure = _numbers(self.values), _numbers((ours or self).values)
        if values.ndim != 2:
            raise UndrawableError(f"{self.title}: shape {values.shape} is no matrix")
        finite = measure[np.isfinite(measure)]
        top = float(np.abs(finite).max(initial=0)) or 1.0
        low = -top if self.signed else min(0.0, float(finite.min(initial=0)))
        shown = axes.imshow(
            values,
            cmap="RdBu_r" if self.signed else "Blues",
            vmin=low,
            vmax=top,
            origin="upper" if self.upright else "lower",
            aspect="equal" if self.plane else "auto",
            extent=self.span,
            interpolation="nearest",
        )
        axes.set(title=self.title, xlabel=self.xlabel, ylabel=self.ylabel)
        if self.mark is not None:
            axes.plot(*self.mark, "x", color=MODEL)
        axes.figure.colorbar(
            shown, ax=axes, label=self.unit, ticks=[low, 0, top] if self.signed else None, format="%.2g"
        )


@dataclass(frozen=True)
class Arrows:
    """Arrows (N, 2) at places (N, 2) of the plane; `spots` (M, 2) are dots."""

    title: str
    places: Tensor
    arrows: Tensor
    spots: Tensor

    def draw(self, axes: Axes, ours: "Arrows | None") -> None:
        _on_plane(axes, self.title)
        places = _plane(self.places, self.title)
        if ours is not None:
            axes.quiver(*places.T, *_plane(ours.arrows, self.title).T, scale=36, width=0.012, color=GREY)
        axes.quiver(*places.T, *_plane(self.arrows, self.title).T, scale=36, width=0.006, color=INK)
        axes.scatter(*_plane(self.spots, self.title).T, s=30, color=MODEL)


@dataclass(frozen=True)
class Images:
    """Images (N, 1, H, W) from -1, black, to 1, white: a row for each name; the other's rows stand below them."""

    rows: Mapping[str, Tensor]

    @property
    def longest(self) -> int:
        return max(len(batch) for batch in self.rows.values())

    @property
    def side_by_side(self) -> bool:
        """Whether the other's rows fit beside these."""
        return 2 * self.longest < ACROSS

    def draw(self, on: FigureBase, ours: "Images | None") -> None:
        rows = [[(name, batch, INK, 0)] for name, batch in self.rows.items()]
        others = [(f"ours: {name}", batch, STATIC) for name, batch in ours.rows.items()] if ours is not None else []
        if self.side_by_side:
            for row, other in zip(rows, others, strict=False):
                row.append((*other, self.longest + 1))
        elif others:
            rows = [line for row, other in zip(rows, others, strict=True) for line in (row, [(*other, 0)])]
        axes = on.subplots(len(rows), max(ACROSS, self.longest), squeeze=False)
        for axis in axes.flat:
            axis.set_axis_off()
        for line, parts in zip(axes, rows, strict=True):
            for name, batch, colour, start in parts:
                pictures = _numbers(batch)
                if pictures.ndim != 4 or pictures.shape[1] != 1:
                    raise UndrawableError(f"{name}: shape {pictures.shape} is no batch of grey pictures")
                for axis, picture in zip(line[start:], pictures[:, 0], strict=False):
                    axis.imshow(picture, cmap="gray", vmin=-1, vmax=1)
                line[start].set_title(name, loc="left", fontsize=8, color=colour)


Panel = Cloud | Tracks | Lines | Heat | Arrows


@dataclass(frozen=True)
class Drawing:
    """What is to be seen: panels side by side, or rows of images, under a title."""

    title: str
    panels: Sequence[Panel] | Images
    widths: Sequence[float] | None = None

    def height(self, compared: bool = False) -> float:
        """In inches, with the title."""
        if not isinstance(self.panels, Images):
            return SIDE + 0.7
        below = compared and not self.panels.side_by_side
        return 0.8 * len(self.panels.rows) * (1 + below) + 0.6


def draw(
    drawing: Drawing, ours: Drawing | None = None, note: str = "", on: FigureBase | None = None
) -> Figure | FigureBase:
    """Draw it, in colour, with `ours` in grey behind or beside it, and a note below; on a part of a figure (see `stack`), or a new one.

    Raises:
        UndrawableError: something in it has no picture.
    """
    panels, other = _paired(drawing, ours)
    with matplotlib.rc_context(STYLE):
        if on is None:
            count = 4 if isinstance(panels, Images) else len(panels)
            size = (max(2, count) * SIDE, drawing.height(ours is not None))
            on = Figure(figsize=size, layout="constrained")
        if drawing.title:
            on.suptitle(drawing.title, fontsize=10.5)
        if note:
            on.supxlabel(note, color=MODEL, fontsize=9)
        if isinstance(panels, Images):
            panels.draw(on, other)  # type: ignore[arg-type]
            return on
        axes = on.subplots(1, len(panels), squeeze=False, width_ratios=drawing.widths if ours is None else None)[0]
        for axis, panel, behind in zip(axes, panels, other, strict=True):
            panel.draw(axis, behind)  # type: ignore[arg-type]
    return on


def stack(heights: Sequence[float]) -> tuple[Figure, list[FigureBase]]:
    """A figure, and parts of it of these heights from top to bottom, to be given as `on`."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained")
        figure.get_layout_engine().set(h_pad=0.09)  # type: ignore[union-attr]
        parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=list(heights))
    return figure, list(parts[:, 0])


def points(
    panels: Mapping[str, Tensor],
    title: str = "",
    on: FigureBase | None = None,
    labels: Mapping[str, Tensor] | None = None,
) -> Figure | FigureBase:
    """Sets of points (N, 2) side by side, each under its name, by `labels` in the colours of their classes."""
    clouds = [Cloud(name, batch, labels=(labels or {}).get(name)) for name, batch in panels.items()]
    return draw(Drawing(title, clouds), on=on)


def paths(panels: Mapping[str, Tensor], title: str = "", on: FigureBase | None = None) -> Figure | FigureBase:
    """Paths (steps + 1, N, 2) of points side by side, each set under its name: a dot begins a line."""
    return draw(Drawing(title, [Tracks(name, track) for name, track in panels.items()]), on=on)


def picture_grid(panels: Mapping[str, Tensor], title: str = "", on: FigureBase | None = None) -> Figure | FigureBase:
    """Images (N, 1, H, W) from -1, black, to 1, white: a row for each name."""
    if on is None:
        longest = max(len(batch) for batch in panels.values())
        on = Figure(figsize=(0.6 * longest + 1, 0.6 * len(panels) + 0.6), layout="constrained")
    return draw(Drawing(title, Images(panels)), on=on)


def rows(count: int) -> tuple[Figure, list[FigureBase]]:
    """A figure, and `count` parts of it from top to bottom, as high as panels are, to be given as `on`."""
    return stack([SIDE + 0.7] * count)


def save(figure: Figure | FigureBase, path: Path) -> Path:
    """Write the figure as a picture, making its folder; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(STYLE):
        figure.savefig(path, dpi=110)  # type: ignore[union-attr]
    return path


def _paired(
    drawing: Drawing, ours: Drawing | None
) -> tuple[Sequence[Panel] | Images, Sequence[Panel | None] | Images | None]:
    """The panels, and for each what stands behind it; a matrix has the other beside it instead."""
    if isinstance(drawing.panels, Images):
        return drawing.panels, ours.panels if ours is not None else None  # type: ignore[return-value]
    if ours is None:
        return drawing.panels, [None] * len(drawing.panels)
    panels: list[Panel] = []
    behind: list[Panel | None] = []
    for panel, other in zip(drawing.panels, ours.panels, strict=True):  # type: ignore[arg-type]
        panels.append(panel)
        behind.append(other)
        if isinstance(other, Heat):
            panels.append(_named(other))
            behind.append(None)
    return panels, behind


def _named(heat: Heat) -> Heat:
    return replace(heat, title=f"ours: {heat.title}")


def _on_plane(axes: Axes, title: str) -> None:
    """A square of the plane in the data's units, the same on both axes."""
    bare(axes, title)
    axes.set(xticks=[-2, 0, 2], yticks=[-2, 0, 2])
    axes.tick_params(length=2, labelsize=7, colors=STATIC)


def _within(axes: Axes, values: np.ndarray) -> None:
    """Let what is far from these values leave the picture, so that they can still be seen."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return
    low, high = float(finite.min()), float(finite.max())
    room = (high - low) or 1.0
    bottom, top = axes.get_ylim()
    axes.set_ylim(max(bottom, low - 1.5 * room), min(top, high + 1.5 * room))


def _plane(values: Tensor, name: str) -> np.ndarray:
    numbers = _numbers(values)
    if numbers.ndim != 2 or numbers.shape[1] != 2:
        raise UndrawableError(f"{name}: shape {numbers.shape} is no set of points in the plane, which is (N, 2)")
    return numbers


def _numbers(values: Tensor | Sequence[float]) -> np.ndarray:
    if not isinstance(values, Tensor):
        return np.asarray(values, dtype=float)
    return values.detach().cpu().resolve_conj().numpy()
