"""The learner's code put to the test, quietly: a module imported, a check run on it. What is imported here brings torch."""

import contextlib
import io
import warnings
from collections.abc import Collection, Iterator
from types import ModuleType

from grader.checks.collect import Check, collect, of_exercise
from grader.checks.state import SEED, tidy
from grader.checks.under_test import UnderTest
from grader.course import Exercise, section
from grader.desk import patience
from grader.desk.loading import load
from grader.faults import RanOn
from grader.findings import Finding, examine

__all__ = ["SEED", "UnderTest", "checks_of", "module", "sentence", "tidy", "trial"]

FEW = 2
"""Of so many exercises of a section the checks are collected one by one; of more, those of the section at once."""
_asked: dict[str, set[str]] = {}


def checks_of(exercise: Exercise) -> tuple[Check, ...]:
    """The checks of an exercise, in the order of their file."""
    asked = _asked.setdefault(exercise.section, set())
    asked.add(exercise.name)
    if len(asked) <= FEW:
        return of_exercise(exercise.section, exercise.name)
    return tuple(check for check in collect(exercise.section) if check.exercise == exercise.name)


def sentence(check: str, exercise: Exercise) -> str:
    """What a check of an exercise says, in words."""
    return next((one.sentence for one in checks_of(exercise) if one.name == check), check)


def module(stem: str, seed: int) -> ModuleType | BaseException:
    """The learner's module of a section, or what its import raised."""
    seconds = patience.limit()
    with tidy(seed), _quiet():
        try:
            with patience.within(seconds):
                return load(stem)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit too: it is the learner's, and ends nothing here
            return error


@contextlib.contextmanager
def _quiet() -> Iterator[io.StringIO]:
    """What is printed is caught, and warnings are nobody's here, as under pytest."""
    with contextlib.redirect_stdout(io.StringIO()) as printed, warnings.catch_warnings(action="ignore"):
        yield printed


def trial(check: Check, module: ModuleType, seed: int, files: Collection[str] = ()) -> Finding | None:
    """Run a check on the learner's module, whose code is in the section's file or in these; without a finding, it passed."""
    seconds = patience.limit()
    with tidy(seed), _quiet() as printed:
        try:
            with patience.within(seconds):
                check.run(UnderTest(module), seed)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # as above
            finding = examine(error, check.name, section(check.section), files)
            finding.printed = printed.getvalue()
            return finding
    return None


def ran_on(finding: Finding) -> bool:
    """Whether what a check found is that the answer does not come to an end."""
    return isinstance(finding.error, RanOn)


def others(exercise: Exercise, known: set[str]) -> list[Check]:
    """The checks of an exercise that are not among these."""
    return [check for check in collect(exercise.section) if check.exercise == exercise.name and check.name not in known]
