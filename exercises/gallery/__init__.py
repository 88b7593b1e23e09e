"""What `unstatic show` draws with the learner's own functions: a list PICTURES for each section.

A picture's function takes the code that is to be seen, the learner's or the reference, and returns a `Drawing`, which is data:
so the two can be laid over one another.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from exercises.toolkit.plots import Drawing


@dataclass(frozen=True)
class Picture:
    """One picture.

    Attributes:
        title: what it shows.
        needs: the exercises whose functions it calls.
        draw: what is to be seen, given the code.
    """

    title: str
    needs: tuple[str, ...]
    draw: Callable[[Any], Drawing]
