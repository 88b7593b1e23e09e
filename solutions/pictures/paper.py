"""What the pictures are drawn on: the course's colours and style (`exercises.toolkit.plots`), sizes and file format."""

import io

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from exercises.toolkit.plots import CLASSES, DATA, INK, MODEL, OTHER, STATIC, STYLE, bare, scatter

__all__ = ["DATA", "INK", "MODEL", "MOONS", "OTHER", "STATIC", "bare", "panels", "png", "scatter"]

MOONS = CLASSES[:2]

matplotlib.rcdefaults()  # not what somebody's matplotlibrc says
matplotlib.rcParams.update(STYLE)


def panels(count: int, height: float = 2.3, width: float = 9.0, **kwargs) -> tuple[Figure, list[Axes]]:
    """A figure with `count` axes side by side; sizes in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.08)
    axes = figure.subplots(1, count, squeeze=False, **kwargs)
    return figure, list(axes[0])


def png(figure: Figure) -> bytes:
    """A PNG of 64 colours, which keeps it small, and without a date or the name of a program in it."""
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=110, metadata={"Software": None})
    with Image.open(drawn) as image:
        image.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return small.getvalue()
