"""Name the mistake in a wrong answer: the misconception that gives the same wrong results to the same checks."""

import logging
import threading
import warnings
from functools import lru_cache
from typing import Any

from grader.checks.collect import collect
from grader.checks.run import outcome
from grader.checks.state import tidy
from grader.checks.under_test import UnderTest
from grader.diagnosis.evidence import PASSED, same
from grader.diagnosis.listed import Misconception, load

LOG = logging.getLogger(__name__)
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
    names.sort(key=lambda name: name not in failures)  # where the answer fails, mistakes differ soonest
    return set(failures) <= set(names) and all(
        same(failures.get(name, PASSED), _answer(known, name, seed)) for name in names
    )


@lru_cache(maxsize=5000)
def _answer(known: Misconception, name: str, seed: int) -> Any:
    """What the check called `name` gets from the misconception; remembered, so that a cohort costs one run of each."""
    check = next(check for check in collect(known.section) if check.name == name)
    with tidy(seed), warnings.catch_warnings(action="ignore"):
        found = outcome(check, UnderTest(known.module()), seed)
    return PASSED if found.error is None else found.got  # not the error: its traceback keeps all that the check made
