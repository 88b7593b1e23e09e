"""What several checks of section 1 feed to the code, beside `exercises.checks.cases`."""

from collections.abc import Iterator

from torch import Generator

from exercises.checks import cases
from exercises.checks.cases import Case, numbers


def corners(rng: Generator) -> Iterator[Case]:
    """The corners of `cases`, and a batch of videos: data may have any number of axes."""
    yield from cases.corners(rng)
    yield cases.make((2, 3, 2, 3, 2), numbers(*cases.STEEP), rng)
