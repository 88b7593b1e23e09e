"""The capstone's pictures: static turning into digits as a strip and as an animation, and the three views side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from jaxtyping import Float
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from exercises.capstone.system import Film

NIGHT, INK, DIM = "#0b1021", "#e8ecf4", "#8791ad"
"""The paper, the writing, what is less important; as on the dial's poster."""
CELL, GAP, LEFT, TOP = 0.72, 0.05, 1.5, 1.05
"""Inches: a picture and the space between two, the names' margin, the title's."""
MOMENTS = 9
"""Columns of the strip."""
PAUSE = 12
"""Frames for which the animation rests on what came out."""


def strip(film: Film, says: str = "") -> Figure:
    """A row a digit: the static of the latent as colours, then what the decoder makes of the latent, up to clean data."""
    last = len(film.states) - 1
    chosen = [round(last * (number / (MOMENTS - 1)) ** 0.8) for number in range(MOMENTS)]
    sheet = _sheet(len(film.labels), MOMENTS + 1, "Static into digits", says)
    sheet.heading(0, "static")
    for row in range(len(film.labels)):
        sheet.show(row, 0, in_colour(film.latents[0, row]))
    for column, moment in enumerate(chosen, start=1):
        level = film.levels[moment]
        sheet.heading(column, "clean" if level < 0 else f"t = {level}")
        for row in range(len(film.labels)):
            sheet.show(row, column, film.states[moment, row, 0])
    for row, label in enumerate(film.labels.tolist()):
        sheet.name(row, f"asked for {label}")
    return sheet.figure


def three_views(pictures: Mapping[str, tuple[str, Tensor]], labels: Sequence[int], says: str = "") -> Figure:
    """A row a view, a column a digit.

    Args:
        pictures: by the view's name, its sampler and what it drew.
        labels: which digits were asked for.
        says: a line below the title.
    """
    sheet = _sheet(len(pictures), len(labels), "Three views of one model", says)
    for column, label in enumerate(labels):
        sheet.heading(column, f"{label}")
    for row, (name, (sampler, drawn)) in enumerate(pictures.items()):
        sheet.name(row, name, sampler)
        for column in range(len(labels)):
            sheet.show(row, column, drawn[column, 0])
    return sheet.figure


def animation(film: Film, path: Path, frames_per_second: int = 10) -> Path:
    """Write the film as a GIF: the latent as colours, what the decoder makes of it, and what the model takes it for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = len(film.labels)
    sheet = _sheet(3, count, "Static into digits", "")
    for row, (name, below) in enumerate([("the latent", ""), ("the latent", "decoded"), ("the model's", "guess")]):
        sheet.name(row, name, below)
    latents = [sheet.show(0, column, in_colour(film.latents[0, column])) for column in range(count)]
    images = [[sheet.show(row, column, film.states[0, column, 0]) for column in range(count)] for row in (1, 2)]
    said = sheet.write(sheet.width - 0.3, 0.42, "", 11, DIM, ha="right")
    last = len(film.states) - 1

    def frame(number: int) -> None:
        moment = min(number, last)
        for column in range(count):
            latents[column].set_data(in_colour(film.latents[moment, column]).numpy())
            images[0][column].set_data(film.states[moment, column, 0].numpy())
            guess = film.guesses[moment] if moment < last else film.states[last]
            images[1][column].set_data(guess[column, 0].numpy())
        level = film.levels[moment]
        said.set_text("clean" if level < 0 else f"t = {level}")

    moving = FuncAnimation(sheet.figure, frame, frames=last + 1 + PAUSE)
    moving.save(path, writer=PillowWriter(fps=frames_per_second), dpi=100, savefig_kwargs={"facecolor": NIGHT})
    return path


def in_colour(latent: Float[Tensor, "C h w"]) -> Float[Tensor, "h w 3"]:
    """The first three channels as red, green and blue, from -2.5 to 2.5; fewer channels are repeated."""
    three = latent[[channel % len(latent) for channel in range(3)]]
    return (three / 5 + 0.5).clamp(0, 1).movedim(0, -1).float()


def _sheet(rows: int, columns: int, title: str, says: str) -> "Sheet":
    width = LEFT + columns * (CELL + GAP) + 0.3
    height = TOP + rows * (CELL + GAP) + 0.2
    sheet = Sheet(Figure(figsize=(width, height), facecolor=NIGHT), width, height)
    sheet.write(0.25, 0.36, title, 17, INK)
    sheet.write(0.26, 0.66, says, 9, DIM)
    return sheet


class Sheet:
    """A figure of square pictures in rows and columns, measured in inches from its upper left corner."""

    def __init__(self, figure: Figure, width: float, height: float) -> None:
        self.figure, self.width, self.height = figure, width, height

    def write(self, left: float, top: float, text: str, size: float, color: str, ha: str = "left"):
        where = (left / self.width, 1 - top / self.height)
        return self.figure.text(*where, text, fontsize=size, color=color, ha=ha, va="center")

    def heading(self, column: int, text: str) -> None:
        self.write(LEFT + column * (CELL + GAP) + CELL / 2, TOP - 0.12, text, 8, DIM, ha="center")

    def name(self, row: int, text: str, below: str = "") -> None:
        middle = TOP + row * (CELL + GAP) + CELL / 2
        self.write(LEFT - 0.12, middle - (0.09 if below else 0), text, 9, INK, ha="right")
        if below:
            self.write(LEFT - 0.12, middle + 0.1, below, 8, DIM, ha="right")

    def show(self, row: int, column: int, picture: Tensor):
        """Put an image (H, W) from -1, black, to 1, white, or colours (H, W, 3) into its place; returns matplotlib's."""
        left, top = LEFT + column * (CELL + GAP), TOP + row * (CELL + GAP)
        box = (left / self.width, 1 - (top + CELL) / self.height, CELL / self.width, CELL / self.height)
        axes: Axes = self.figure.add_axes(box)
        axes.set_axis_off()
        return axes.imshow(picture.numpy(), cmap="gray", vmin=-1, vmax=1, interpolation="nearest")
