"""What the pictures are drawn on: their colours, sizes and file format."""

import io

import matplotlib
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

INK, STATIC, DATA, MODEL, OTHER = "#1f2933", "#9aa5b1", "#2563eb", "#e8590c", "#0f9d72"
"""Text and lines; noise; clean data; what a model says or a result; a second thing to compare."""
MOONS = (DATA, MODEL)

matplotlib.rcdefaults()  # not what somebody's matplotlibrc says
matplotlib.rcParams.update(
    {
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
)


def panels(count: int, height: float = 2.3, width: float = 9.0, **kwargs) -> tuple[Figure, list[Axes]]:
    """A figure with `count` axes side by side; sizes in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.08)
    axes = figure.subplots(1, count, squeeze=False, **kwargs)
    return figure, list(axes[0])


def scatter(axes: Axes, points: Float[Tensor, "n 2"], colours: str | list[str], title: str, size: float = 2.0) -> None:
    """Points of the plane on a square without ticks, from -3 to 3."""
    axes.scatter(*points.T.numpy(), s=size, c=colours, linewidths=0, alpha=0.8)
    bare(axes, title)


def bare(axes: Axes, title: str) -> None:
    """A square of the plane, from -3 to 3, with a title and nothing else."""
    axes.set(xlim=(-3, 3), ylim=(-3, 3), xticks=[], yticks=[], aspect="equal", title=title)
    for spine in axes.spines.values():
        spine.set(visible=True, color="#d5dae1")


def png(figure: Figure) -> bytes:
    """A PNG of 64 colours, which keeps it small, and without a date or the name of a program in it."""
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=110, metadata={"Software": None})
    with Image.open(drawn) as image:
        image.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return small.getvalue()
