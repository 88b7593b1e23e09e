"""Samples whose arguments were mixed up: each number is right for what belongs to another sample."""

from collections.abc import Iterator
from itertools import combinations
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from grader.diagnosis.observed.facts import Fact, Look, Step, called, given
from grader.diagnosis.reference import reference
from grader.diagnosis.replay import replay

MOST = 8
"""Of more samples, or arguments, too much would have to be tried."""
NEAR = 1e-6


def samples(look: Look) -> Iterator[Fact]:
    """Which arguments are taken from other samples, if each number of the results is right with some sample's."""
    steps = look.valued
    if not steps or len(steps) != len(look.telling) or not all(_batched(step, look.exercise) for step in steps):
        return
    module = reference(look.stem).module(look.exercise)
    names = [name for name in steps[0][2].names if all(name in _rows(step) for step in steps)]
    if not 1 < len(names) <= MOST:
        return
    for count in (1, 2):
        for some in combinations(names[1:], count):
            if all(_of_others(step, some, module) for step in steps):
                means = "Each number of the result is right with what another sample was given. What belongs to a sample goes with it."
                yield look.fact(f"{' and '.join(map(called, some))} of another sample", means, steps)
                return


def _batched(step: Step, exercise: str) -> bool:
    """Whether it is a call without models, of a few samples that have a row each in the result."""
    call, mine, right = step[2], step[3].result, step[2].right.result
    if call.function != exercise or not (isinstance(mine, Tensor) and isinstance(right, Tensor)):
        return False
    if not (mine.ndim and right.ndim):
        return False
    plain = not any(callable(value) for value in given(call).values())
    rows = {len(value) for value in _rows(step).values()}
    return plain and mine.shape == right.shape and 1 < len(mine) <= MOST and len(mine) in rows


def _rows(step: Step) -> dict[str, Tensor]:
    """The arguments that have a row for each sample of the result."""
    count = len(step[2].right.result)
    return {
        name: value
        for name, value in given(step[2]).items()
        if isinstance(value, Tensor) and value.ndim and len(value) == count
    }


def _of_others(step: Step, names: tuple[str, ...], module: ModuleType) -> bool:
    mine, fits = step[3].result.double(), torch.zeros(step[3].result.shape, dtype=torch.bool)
    for shift in range(len(mine)):
        moved: dict[str, Any] = given(step[2])
        moved |= {name: moved[name].detach().roll(shift, 0) for name in names}
        other = replay(step[2]._replace(args=(), kwargs=moved), module).result
        if not (isinstance(other, Tensor) and other.shape == mine.shape):
            return False
        size = other.double().abs()
        room = NEAR * (size if size.ndim == 1 else size.amax(dim=tuple(range(1, size.ndim)), keepdim=True))
        fits |= (mine - other.double()).abs() <= room  # of each sample's own size: a large one hides no other
    return bool(fits.all())
