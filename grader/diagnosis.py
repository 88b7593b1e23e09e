"""Name the mistake in a wrong answer: the misconception that gives the same wrong results to the same checks."""

import logging
import math
import threading
import warnings
from functools import cache
from typing import Any

import torch
from torch import Tensor

from grader.checks import collect, outcome
from grader.desk.desk import Desk, tidy
from grader.source.misconceptions import Misconception, load

LOG = logging.getLogger(__name__)
RTOL, ATOL = 1e-5, 1e-6
"""How near two wrong answers must be: the same mistake, written otherwise or in float32, differs in the last digits."""
PASSED = object()
"""What a check that passes gives; unlike everything that comes back from one that fails."""

_one_at_a_time = threading.RLock()


def diagnose(stem: str, exercise: str, failures: dict[str, Any], seed: int) -> Misconception | None:
    """The first listed misconception that explains a submission's failures in an exercise; None if none does.

    It explains them if it fails exactly the checks that the submission fails, with the same results. A diagnosis is
    a courtesy: whatever goes wrong in it is logged, and the answer is None.

    Args:
        stem: the section.
        exercise: the exercise.
        failures: by the name of each of the exercise's checks that failed, what came back (`checks.got_of`).
        seed: the seed with which the checks were run.
    """
    if not failures:
        return None
    try:
        with _one_at_a_time:
            return next((known for known in _known(stem, exercise) if _explains(known, failures, seed)), None)
    except Exception:
        LOG.exception("%s: the failures cannot be compared with known mistakes", exercise)
        return None


def _known(stem: str, exercise: str) -> list[Misconception]:
    return [misconception for misconception in load(stem) if misconception.exercise == exercise]


def _explains(known: Misconception, failures: dict[str, Any], seed: int) -> bool:
    names = [check.name for check in collect(known.section) if check.exercise == known.exercise]
    return set(failures) <= set(names) and all(
        same(failures.get(name, PASSED), _answer(known, name, seed)) for name in names
    )


@cache
def _answer(known: Misconception, name: str, seed: int) -> Any:
    """What the check called `name` gets from the misconception; remembered, so that a cohort costs one run of each."""
    check = next(check for check in collect(known.section) if check.name == name)
    with tidy(seed), warnings.catch_warnings(action="ignore"):
        found = outcome(check, Desk(known.module()), seed)
    return PASSED if found.error is None else found.got


def same(one: Any, other: Any) -> bool:
    """Whether two results are equal: tensors of one dtype and shape and numbers to within rounding, all else exactly."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return _same_tensors(one.detach(), other.detach())
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return math.isclose(one, other, rel_tol=RTOL, abs_tol=ATOL) or (math.isnan(one) and math.isnan(other))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    return one is other or bool(one == other)


def _same_tensors(one: Tensor, other: Tensor) -> bool:
    if one.dtype != other.dtype or one.shape != other.shape or one.device != other.device:
        return False
    return torch.allclose(one, other, rtol=RTOL, atol=ATOL, equal_nan=True)
