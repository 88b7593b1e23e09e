"""What `unstatic show` draws with the learner's own functions: a list PICTURES for each section."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import FigureBase


@dataclass(frozen=True)
class Picture:
    """One picture.

    Attributes:
        title: what it shows.
        needs: the exercises whose functions it calls.
        draw: draws it, given the learner's code and the part of a figure to draw on.
    """

    title: str
    needs: tuple[str, ...]
    draw: Callable[[Any, FigureBase], object]
