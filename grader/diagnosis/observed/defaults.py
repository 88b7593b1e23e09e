"""Another number where an argument is left to its default: the one with which the reference gives what came back."""

import inspect
import math
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from grader.diagnosis.candidates import listed
from grader.diagnosis.evidence import alike
from grader.diagnosis.observed.facts import Fact, Look, Step, called, given
from grader.diagnosis.reference import reference
from grader.diagnosis.replay import replay

STEPS = 12
"""So many steps of the secant find a number, if there is one."""


def defaults(look: Look) -> Iterator[Fact]:
    """The default of an argument, if all calls that are wrong leave it to that."""
    steps = look.valued
    if len(steps) != len(look.telling) or look.exercise[0].isupper():
        return
    if any(step[2].function != look.exercise for step in steps):
        return
    module = reference(look.stem).module(look.exercise)
    parameters = inspect.signature(getattr(module, look.exercise)).parameters
    for name, parameter in parameters.items():
        default = parameter.default
        if isinstance(default, bool) or not isinstance(default, int | float) or not math.isfinite(default):
            continue
        left = [step for step in steps if name not in given(step[2])]
        told = [step for step in steps if name in given(step[2])]
        if not left or len(told) == 1:
            continue
        for says, other in _others(look, told, module):
            number = _solved(left[0], name, float(default), other)
            if number is not None and all(_fits(step, name, number, other) for step in left):
                means = "With this number where none is given all is explained: the contract says which one it is."
                yield look.fact(f"{says}{called(name)} = {number:.4g} by default, not {default:.4g}", means, steps)
                return


def _others(look: Look, told: list[Step], module: ModuleType) -> Iterator[tuple[str, ModuleType]]:
    """The reference, or each listed mistake that does what the answer did where the argument is given; and what is said of it."""
    if not told:
        yield "", module
        return
    for candidate in listed(look.stem, look.exercise):
        other = candidate.module()
        if other is None or candidate.known is None or candidate.known.exercise != look.exercise:
            continue
        if all(alike(mine.result, replay(call, other).result, call.right.result) for _, _, call, mine in told):
            yield f"{candidate.name} and ", other


def _with(step: Step, name: str, number: float, module: ModuleType) -> Any:
    return replay(step[2]._replace(kwargs=step[2].kwargs | {name: number}), module).result


def _fits(step: Step, name: str, number: float, module: ModuleType) -> bool:
    return alike(step[3].result, _with(step, name, number, module), step[2].right.result)


def _solved(step: Step, name: str, default: float, module: ModuleType) -> float | None:
    """The number with which the reference gives what came back, to four digits; None if there is none."""

    def off(number: float) -> float:
        found, mine = _with(step, name, number, module), step[3].result
        if not (isinstance(found, Tensor) and isinstance(mine, Tensor) and found.shape == mine.shape):
            return math.nan
        return float((found.double() - mine.double()).sum())

    one, other = default, default + max(abs(default), 1e-3) / 2
    low, high = off(one), off(other)
    for _ in range(STEPS):
        if not (math.isfinite(low) and math.isfinite(high)) or high == low:
            break
        one, other, low = other, other - high * (other - one) / (high - low), high
        if not math.isfinite(other):
            return None
        high = off(other)
    rounded = float(f"{other:.4g}")
    return rounded if rounded != default and torch.isfinite(torch.tensor(rounded)) else None
