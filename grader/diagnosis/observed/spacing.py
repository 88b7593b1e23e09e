"""How the levels of a sampler are spaced, where it is not evenly."""

from collections.abc import Iterator, Sequence
from itertools import product

from torch import Tensor

from grader.diagnosis.observed.facts import Fact, Look

MEANS = "The roots of the levels go down by equal steps, where the levels themselves should."
QUADRATIC = "quadratic spacing, squares of evenly spaced numbers"
ENOUGH = 5
"""So many levels show how they are spaced."""
FEW = 4
"""So many show that they are spaced as another clock has it, which is asked of every one of them."""
HALF = 0.55
"""By such a share of the way to its neighbours a level may lie beside its place."""
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""What rounding may have taken off a level."""
ROUNDED = 1.01
"""By so much may rounding move a level."""
APART = 3.0
"""By so much at the least a level must lie off the line between both ends."""


def spacing(look: Look) -> Iterator[Fact]:
    """How levels are spaced that a function gives as whole numbers."""
    steps = [step for step in look.valued if _is_list(step[3].result) and _is_list(step[2].right.result)]
    rows = [step[3].result.tolist() for step in steps]
    if quadratic(rows) and len(steps) == len(look.valued):
        yield look.fact(QUADRATIC, MEANS, steps)


def quadratic(rows: list[list[float]]) -> bool:
    """Whether the levels of all rows that have enough of them are squares of evenly spaced numbers, to within rounding."""
    long = [row for row in rows if len(row) >= ENOUGH]
    return any(map(_off_the_line, long)) and all(map(_of_squares, long))


def _is_list(result: object) -> bool:
    return isinstance(result, Tensor) and result.ndim == 1 and not result.is_floating_point()


def _off_the_line(row: Sequence[float]) -> bool:
    stride = (row[-1] - row[0]) / (len(row) - 1)
    return max(abs(level - row[0] - at * stride) for at, level in enumerate(row)) >= APART


def _of_squares(row: Sequence[float]) -> bool:
    last = len(row) - 1
    for one, other in product(SHARES, repeat=2):
        if min(row[0] + one, row[-1] + other) < 0:
            return False
        first, stride = (row[0] + one) ** 0.5, ((row[-1] + other) ** 0.5 - (row[0] + one) ** 0.5) / last
        if all(abs((first + at * stride) ** 2 - level) <= ROUNDED for at, level in enumerate(row)):
            return True
    return False


def even_in_lambda(rows: list[tuple[list[float], list[float], Tensor | None]]) -> bool:
    """Whether the levels of all rows are the ones next to evenly spaced λ, half the log of the SNR, and the right ones are not.

    Args:
        rows: levels that were visited, those that are due, and the table of ᾱ.
    """
    long = [row for row in rows if min(len(row[0]), len(row[1])) >= FEW]
    if not long or any(table is None or table.ndim != 1 for _, _, table in long):
        return False
    tables = [table.double() for _, _, table in long if table is not None]
    clocks = [((table.log() - (1 - table).log()) / 2).tolist() for table in tables]
    mine = [_even(row, clock) for (row, _, _), clock in zip(long, clocks, strict=True)]
    right = [_even(row, clock) for (_, row, _), clock in zip(long, clocks, strict=True)]
    return all(mine) and not any(right)


def _even(row: list[float], clock: list[float]) -> bool:
    """Whether each level is the one next to where an even spacing has it."""
    if not all(0 <= level < len(clock) and level == int(level) for level in row):
        return False
    found = [clock[int(level)] for level in row]
    stride = (found[-1] - found[0]) / (len(found) - 1)
    for at, level in enumerate(map(int, row)):
        near = clock[max(level - 1, 0) : level + 2]
        gap = max(abs(one - clock[level]) for one in near)
        if not abs(clock[level] - found[0] - at * stride) <= HALF * gap:  # where a λ is infinite, nothing is seen
            return False
    return True
