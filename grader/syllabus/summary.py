"""What a course's file says, in words, and whether our answers pass the instructor's own checks."""

import contextlib
import importlib
import io
import traceback
import warnings
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from grader.course import ROOT, section, sections
from grader.desk import patience
from grader.faults import RanOn
from grader.syllabus import own_checks
from grader.syllabus.entries import Faults, SyllabusError
from grader.syllabus.rules import Syllabus

if TYPE_CHECKING:
    from grader.checks.collect import Check

SEED = 1
SECONDS = 60.0
"""So long a check of the instructor's may take on our answer."""
ENDLESS = "it had not ended"


def summary(syllabus: Syllabus) -> tuple[list[str], list[str]]:
    """Sentences about the course, and what is doubtful: checks of the instructor's that a right answer does not pass."""
    said = [syllabus.title]
    said.append(f"{len(syllabus.roster.learners) or 'any'} learners; a mistake is charged {_charged(syllabus)}")
    said += [line for stem in sections() if (line := _section(stem, syllabus))]
    if syllabus.deadlines:
        rule = syllabus.late
        until = f"; after {rule.until:g} days nothing counts" if rule.until is not None else ""
        said.append(
            f"late work loses {rule.per_day * 100:g} % a day begun, {rule.at_most * 100:g} % at most{until}; "
            f"{rule.grace.total_seconds() / 60:g} minutes of grace; {len(syllabus.extensions)} extensions"
        )
    times = syllabus.time_of_learners | syllabus.time_of_exercises
    if times:
        said.append("extra time: " + ", ".join(f"{name} {factor:g} times" for name, factor in times.items()))
    said += [
        f"set by hand: {one.learner}, {one.exercise}: {one.score:g}, by {one.by}: {one.why}" for one in syllabus.scores
    ]
    if checks := _own(syllabus):
        said.append(f"{len(checks)} checks of your own: {', '.join(check.name for check in checks)}")
    return said, _doubtful(checks)


def _charged(syllabus: Syllabus) -> str:
    return "once" if syllabus.charge_once else "wherever it shows"


def _section(stem: str, syllabus: Syllabus) -> str:
    exercises = [one for name, one in section(stem).exercises.items() if name not in syllabus.left_out]
    if not exercises:
        return f"{stem}: left out"
    points = sum(syllabus.worth(one) for one in exercises if one.name not in syllabus.extra)
    parts = [f"{len(exercises)} exercises, {points:g} points"]
    if extra := [one.name for one in exercises if one.name in syllabus.extra]:
        parts.append(f"extra credit: {', '.join(extra)}")
    if left_out := [name for name in section(stem).exercises if name in syllabus.left_out]:
        parts.append(f"left out: {', '.join(left_out)}")
    if due := syllabus.deadlines.get(stem):
        parts.append(f"due {_shown(due)}")
    parts += [f"{one.name} due {_shown(when)}" for one in exercises if (when := syllabus.deadlines.get(one.name))]
    return f"{stem}: {'; '.join(parts)}"


def _shown(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M %z")


def doubtful(syllabus: Syllabus) -> list[str]:
    """The instructor's own checks that our answers do not pass, and why: what is wrong with them would be charged to everybody.

    Raises:
        SyllabusError: one does not end, and would hold up each submission for minutes.
    """
    found = _doubtful(_own(syllabus))
    if endless := [doubt for doubt in found if doubt.endswith(ENDLESS)]:
        raise SyllabusError("\n".join(endless))
    return found


def _own(syllabus: Syllabus) -> "list[Check]":
    folders = [folder for folder in (syllabus.checks, syllabus.hidden_checks) if folder is not None]
    return own_checks.collect(folders, Faults())


def _doubtful(checks: "list[Check]") -> list[str]:
    if not checks:
        return []
    from grader.checks.collect import place_of
    from grader.checks.run import outcome
    from grader.checks.state import tidy
    from grader.checks.under_test import UnderTest

    found = []
    for check in checks:
        path, line = place_of(check.function)
        if not section(check.section).solution.is_file():
            continue
        module = importlib.import_module(f"solutions.{check.section}")
        with (
            contextlib.chdir(ROOT),
            contextlib.redirect_stdout(io.StringIO()) as printed,
            contextlib.redirect_stderr(printed),
            warnings.catch_warnings(action="ignore"),
            tidy(SEED),
            patience.within(SECONDS),
        ):
            got = outcome(check, UnderTest(module), SEED)
        if got.error is not None:
            found.append(f"{path}:{line}: our own answer does not pass {check.name}: {_why(got.error, path)}")
    return found


def _why(error: BaseException, path: Path) -> str:
    """What a check raised, and in which of its lines."""
    if isinstance(error, RanOn):
        return f"after {SECONDS:g} s {ENDLESS}"
    said = next(iter(str(error).splitlines()), "")
    lines = [entry.lineno for entry in traceback.extract_tb(error.__traceback__) if entry.filename == str(path)]
    at = f" (line {lines[-1]})" if lines else ""
    return f"{type(error).__name__}{': ' if said else ''}{said}{at}"
