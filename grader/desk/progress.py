"""Where the learner stands: the state of each exercise, what it waits for, and what is next.

An exercise `passes` when all its checks do. One that fails while an exercise it needs does not pass waits for that one:
one cause gives one red line. What was not asked for is tried quietly when an answer depends on it.
"""

import contextlib
import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from grader.checks.collect import Check, collect
from grader.checks.state import SEED, tidy
from grader.checks.under_test import UnderTest
from grader.course import Exercise, Section, find_exercise, section, sections
from grader.desk.loading import load
from grader.findings import Finding, examine

PASS, FAIL, UNFINISHED, BLOCKED, UNREAD, UNKNOWN = "pass", "fail", "unfinished", "blocked", "unread", "unknown"


@dataclass
class Standing:
    """What is known of one exercise.

    Attributes:
        exercise: the exercise.
        state: one of the six words above.
        passed: the names of the checks that passed.
        findings: what the others found.
        total: how many checks it has, where only some of them were asked for; 0 means all that ran.
        waits_for: the exercise that blocks it.
    """

    exercise: Exercise
    state: str = UNKNOWN
    passed: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    total: int = 0
    waits_for: str = ""

    @property
    def ran(self) -> int:
        return len(self.passed) + len(self.findings)

    @property
    def partial(self) -> bool:
        """Whether some of its checks passed and the others were not asked for."""
        return self.state == PASS and self.ran < self.total

    @property
    def points(self) -> float:
        if self.state == PASS and not self.partial:
            return self.exercise.points
        return sum(self.exercise.shares.get(name, 0) for name in self.passed)


class Progress:
    """The standings of one run, and the learner's modules as they were when it began.

    Args:
        seed: what the checks' inputs are drawn from.
        modules: what stands in the place of the learner's modules, by section; those that are not in it are read from disk.
        files: what the code of these is called in tracebacks.
    """

    def __init__(
        self, seed: int = SEED, modules: Mapping[str, ModuleType] | None = None, files: Collection[str] = ()
    ) -> None:
        self.seed, self.files = seed, files
        self._standings: dict[str, Standing] = {}
        self._modules: dict[str, ModuleType | BaseException] = dict(modules or {})

    def module(self, stem: str) -> ModuleType | BaseException:
        """The learner's module of this section, or what its import raised."""
        if stem not in self._modules:
            with tidy(self.seed), contextlib.redirect_stdout(io.StringIO()):
                try:
                    self._modules[stem] = load(stem)
                except BaseException as error:  # SystemExit too: it is the learner's, and ends nothing here
                    if isinstance(error, KeyboardInterrupt):
                        raise
                    self._modules[stem] = error
        return self._modules[stem]

    def readable(self, stem: str) -> bool:
        return isinstance(self.module(stem), ModuleType)

    def standing(self, name: str) -> Standing:
        """What is known of the exercise so far."""
        if name not in self._standings:
            self._standings[name] = Standing(find_exercise(name))
        return self._standings[name]

    def record(self, exercise: str, check: str, finding: Finding | None) -> None:
        """Note what a check gave; without a finding, it passed."""
        standing = self.standing(exercise)
        if finding is None:
            standing.passed.append(check)
        else:
            standing.findings.append(finding)

    def hopeless(self, name: str) -> bool:
        """Whether its other checks need not run: it is not written, or waits for another exercise."""
        standing = self.standing(name)
        if not self.readable(standing.exercise.section):
            return True
        return any(finding.verdict == UNFINISHED for finding in standing.findings) or (
            bool(standing.findings) and self._blocker(standing) != ""
        )

    def settle(self, name: str) -> Standing:
        """Decide the state of an exercise from what its checks gave."""
        standing = self.standing(name)
        standing.state, standing.waits_for = self._decide(standing)
        return standing

    def mistake(self, standing: Standing) -> Any:
        """The known mistake that a failing exercise looks like, with `name` and `explanation`; None if none.

        Nor is one known where the course's solutions are absent, as in a student release.
        """
        stem, name = standing.exercise.section, standing.exercise.name
        if not section(stem).misconceptions.is_dir():
            return None
        from grader.diagnosis.diagnose import diagnose  # not before it is needed: most runs have nothing to diagnose

        findings = {finding.check: finding for finding in standing.findings}
        for check in collect(stem):  # those that were not asked for tell one mistake from another
            if check.exercise != name or check.name in {*standing.passed, *findings}:
                continue
            if finding := self._try(check, section(stem)):
                findings[check.name] = finding
        left = {check: one.evidence for check, one in findings.items() if one.evidence is not None}
        return diagnose(stem, name, left, self.seed)

    def _decide(self, standing: Standing) -> tuple[str, str]:
        if not self.readable(standing.exercise.section):
            return UNREAD, ""
        if not standing.findings:
            return (PASS if standing.passed else UNKNOWN), ""
        stubs = [finding.stub for finding in standing.findings if finding.verdict == UNFINISHED]
        if standing.exercise.name in stubs or "" in stubs:
            return UNFINISHED, ""
        blocker = stubs[0] if stubs else self._blocker(standing)
        return (BLOCKED, blocker) if blocker else (FAIL, "")

    def _blocker(self, standing: Standing) -> str:
        return next((need for need in standing.exercise.needs if not self.passes(need)), "")

    def passes(self, name: str) -> bool:
        """Whether the exercise passes; tried now if that is not known."""
        standing = self.standing(name)
        if standing.state == UNKNOWN or standing.partial:
            self.attempt(name)
        return self.standing(name).state == PASS

    def attempt(self, name: str) -> Standing:
        """Run the checks of an exercise quietly and settle it."""
        standing = self._standings[name] = Standing(find_exercise(name))
        stem = standing.exercise.section
        for check in collect(stem):
            if check.exercise == name and not self.hopeless(name):
                self.record(name, check.name, self._try(check, section(stem)))
        return self.settle(name)

    def _try(self, check: Check, of: Section) -> Finding | None:
        with tidy(self.seed), contextlib.redirect_stdout(io.StringIO()) as printed:
            try:
                check.run(UnderTest(self.module(of.stem)), self.seed)
            except BaseException as error:  # SystemExit too, as above
                if isinstance(error, KeyboardInterrupt):
                    raise
                finding = examine(error, check.name, of, self.files)
                finding.printed = printed.getvalue()
                return finding
        return None

    def settled(self, of: Section) -> list[Standing]:
        """The standings of a section that are known, in the order of the course."""
        known = (self.standing(name) for name in of.exercises)
        return [standing for standing in known if standing.state != UNKNOWN]

    def next(self, begin: Exercise | None = None) -> Exercise | None:
        """The exercise to work on; None when everything passes.

        The first that is known to be wrong, else the first to do from `begin` on, by default where the learner has begun.
        """
        known = [standing for of in sections().values() for standing in self.settled(of)]
        if wrong := [standing.exercise for standing in known if standing.state == FAIL]:
            return wrong[0]
        order = [exercise for of in sections().values() for exercise in of.exercises.values()]
        if begin is None and known:
            begin = self._begun(known).exercise
        start = order.index(begin) if begin else 0
        return next((found for found in order[start:] + order[:start] if self._is_open(found)), None)

    def _begun(self, known: list[Standing]) -> Standing:
        """The first known exercise of the first section that is begun and not done."""
        for of in sections().values():
            states = [standing.state for standing in known if standing.exercise.section == of.stem]
            if PASS in states and (len(states) < len(of.exercises) or set(states) != {PASS}):
                return next(standing for standing in known if standing.exercise.section == of.stem)
        return known[0]

    def _is_open(self, exercise: Exercise) -> bool:
        return not self.passes(exercise.name) and self.standing(exercise.name).state != BLOCKED
