"""The dial as a picture to put on a wall: a row a sampler, calls of the model across, and the curves below."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from exercises.dial.reading import Reading, column_of, floor, off, solvable
from exercises.dial.samplers import Sampler

NIGHT, INK, DIM, AWAY = "#0b1021", "#e8ecf4", "#8791ad", "#ff5d5d"
"""The paper, the writing, what is less important, and samples off the data."""
HUES = {
    "1": ("#ffd166",),
    "3": ("#ff9f6b", "#f78fb3"),
    "4": ("#7ee0c6", "#4cc9f0", "#4895ef", "#9b8cff"),
    "5": ("#b5e48c", "#76c893"),
}
"""For each section, colours for its samplers in turn."""
TAUGHT = ("#f9f871", "#ffc2e2", "#d0f4ff")
CELL, GAP, LEFT, TOP, CHART = 0.98, 0.05, 1.85, 1.4, 3.1
"""Inches: a picture and the space between two, the names' margin, the title's, and the height of the curves."""
REACH = 2.3
"""Half the side of a picture, in the units of the data."""


def poster(found: Sequence[Reading], solved: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Every sampler that was read: its samples, and how far they are from the data."""
    shown = [r for r in found if r.source == "exact" or r.sampler.taught]
    samplers, columns = list(dict.fromkeys(r.sampler for r in shown)), sorted({column_of(r) for r in shown})
    colours = _colours(samplers)
    width = LEFT + len(columns) * (CELL + GAP) + 0.35
    height = TOP + len(samplers) * (CELL + GAP) + 0.75 + CHART + 0.75
    sheet = Sheet(Figure(figsize=(width, height), facecolor=NIGHT), width, height)
    _title(sheet, solved)
    for column, calls in enumerate(columns):
        where = LEFT + column * (CELL + GAP) + CELL / 2
        sheet.write(where, TOP - 0.1, f"{calls}", size=13, ha="center", va="bottom")
    sheet.write(LEFT - 0.15, TOP - 0.1, "calls of the model", size=10, color=DIM, ha="right", va="bottom")
    for row, sampler in enumerate(samplers):
        top = TOP + row * (CELL + GAP)
        sheet.write(LEFT - 0.15, top + CELL / 2 - 0.07, sampler.name, size=11, color=colours[sampler], ha="right")
        about = f"section {sampler.section.replace(', ', ' or ')}" + (", a network" if sampler.taught else "")
        sheet.write(LEFT - 0.15, top + CELL / 2 + 0.14, about, size=8, color=DIM, ha="right")
        for reading in (r for r in shown if r.sampler == sampler):
            axes = sheet.axes(LEFT + columns.index(column_of(reading)) * (CELL + GAP), top, CELL, CELL)
            _cloud(axes, reading, colours[sampler])
    _charts(sheet, found, colours, TOP + len(samplers) * (CELL + GAP) + 0.75)
    return sheet.figure


class Sheet:
    """A figure measured in inches from its upper left corner."""

    def __init__(self, figure: Figure, width: float, height: float) -> None:
        self.figure, self.width, self.height = figure, width, height

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        bottom = self.height - top - height
        box = (left / self.width, bottom / self.height, width / self.width, height / self.height)
        return self.figure.add_axes(box, facecolor=NIGHT)

    def write(self, left: float, top: float, text: str, size: float, color: str = INK, **how: Any) -> None:
        how = {"ha": "left", "va": "center"} | how
        self.figure.text(left / self.width, 1 - top / self.height, text, fontsize=size, color=color, **how)


def _colours(samplers: Sequence[Sampler]) -> dict[Sampler, str]:
    found: dict[Sampler, str] = {}
    for sampler in samplers:
        hues = TAUGHT if sampler.taught else HUES[sampler.section[0]]
        found[sampler] = hues[sum(colour in hues for colour in found.values()) % len(hues)]
    return found


def _title(sheet: Sheet, solved: Mapping[str, Mapping[str, Any]]) -> None:
    sheet.write(0.35, 0.42, "The step-count dial", size=24)
    sheet.write(
        0.37, 0.82, "One static, one set of moons, and what each sampler makes of it: red is off the data", 11, DIM
    )
    _, _, dark = solvable(solved)
    if dark:
        sheet.write(0.37, sheet.height - 0.22, "still dark: " + ", ".join(s.name for s in dark), size=8, color=DIM)


def _cloud(axes: Axes, reading: Reading, colour: str) -> None:
    away = off(reading.samples)
    for rows, hue, alpha in ((~away, colour, 0.8), (away, AWAY, 0.75)):
        axes.scatter(*reading.samples[rows].T.numpy(), s=0.9, color=hue, alpha=alpha, linewidths=0)
    axes.set(xlim=(-REACH, REACH), ylim=(-REACH, REACH), xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color="#1d2540", linewidth=0.8)
    share = f"{reading.off:.0%}" if reading.off > 0.0995 else f"{reading.off:.1%}"
    axes.text(0.95, 0.04, share, transform=axes.transAxes, ha="right", fontsize=6.5, color=DIM)


def _charts(sheet: Sheet, found: Sequence[Reading], colours: Mapping[Sampler, str], top: float) -> None:
    """Distance and share off the data by calls, on the exact score and on a network; colours are those of the names."""
    distance, share = floor()
    charts = [
        ("exact", "distance", "sliced W2 to the data, exact score", distance),
        ("exact", "off", "share off the data, exact score", share),
        ("network", "off", "share off the data, a network", share),
    ]
    charts = [chart for chart in charts if any(reading.source == chart[0] for reading in found)]
    left, room = 0.75, (sheet.width - 1.1) / max(len(charts), 1)
    for number, (source, what, title, least) in enumerate(charts):
        axes = sheet.axes(left + number * room, top, room - 0.65, CHART)
        rows = [reading for reading in found if reading.source == source]
        for sampler in dict.fromkeys(reading.sampler for reading in rows):
            line = [(r.calls, max(getattr(r, what), least / 2)) for r in rows if r.sampler == sampler]
            how = {"marker": "s", "linewidth": 2.2} if sampler.taught else {"marker": "o", "linewidth": 1.4}
            axes.plot(*zip(*line, strict=True), color=colours[sampler], markersize=3, **how)
        axes.axhspan(least / 4, least, color="#1d2540", linewidth=0)
        axes.text(0.5, 0.02, "another draw of the data", transform=axes.transAxes, ha="center", fontsize=7.5, color=DIM)
        _plain(axes, title, (0.02, 0.03, 0.1, 0.3, 1.0) if what == "distance" else (0.01, 0.03, 0.1, 0.3, 1.0), what)
        axes.set(ylim=(least / 3, 3 if what == "distance" else 1.3), xlim=(0.8, 1300))


def _plain(axes: Axes, title: str, ticks: Sequence[float], what: str) -> None:
    """Logarithmic axes with plain numbers, in the night's colours."""
    axes.set(title=title, xlabel="calls of the model", xscale="log", yscale="log")
    axes.set_xticks([1, 4, 16, 64, 256, 1000], ["1", "4", "16", "64", "256", "1000"])
    axes.set_yticks(ticks, [f"{tick:g}" if what == "distance" else f"{tick:.0%}" for tick in ticks])
    axes.minorticks_off()
    axes.title.set(color=INK, fontsize=10)
    axes.xaxis.label.set(color=DIM, fontsize=9)
    axes.tick_params(colors=DIM, labelsize=8)
    for side, spine in axes.spines.items():
        spine.set(color=DIM, visible=side in ("left", "bottom"))
