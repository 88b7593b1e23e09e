"""Where the learner stands: the state of each exercise, what it waits for, and what is next.

An exercise `passes` when all its checks do. One that fails while an exercise it needs does not pass waits for that one:
one cause gives one red line. What was not asked for is taken from what is remembered, or else tried quietly, when an answer
depends on it. Torch is imported when something has to be tried, and not before: `grader.desk.trial` brings it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any

from grader.course import Exercise, Section, find_exercise, section, sections
from grader.desk import reading
from grader.desk.memory import Memory, Verdict
from grader.source.stubs import NOT_PYTHON, holds_answers

if TYPE_CHECKING:
    from grader.findings import Finding

PASS, FAIL, UNFINISHED, BLOCKED, UNREAD, UNKNOWN = "pass", "fail", "unfinished", "blocked", "unread", "unknown"


@dataclass(frozen=True)
class Remembered:
    """Of a finding, what is remembered: enough to count it, too little to tell it."""

    check: str
    verdict: str
    stub: str = ""


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
        remark: what is odd about how it is written down, with line and remedy.
    """

    exercise: Exercise
    state: str = UNKNOWN
    passed: list[str] = field(default_factory=list)
    findings: list[Finding | Remembered] = field(default_factory=list)
    total: int = 0
    waits_for: str = ""
    remark: str = ""

    @property
    def ran(self) -> int:
        return len(self.passed) + len(self.findings)

    @property
    def told(self) -> list[Finding]:
        """The findings that can be told: none if they are only remembered."""
        return [finding for finding in self.findings if not isinstance(finding, Remembered)]

    @property
    def ran_on(self) -> bool:
        """Whether an answer was interrupted, as it did not come to an end."""
        return any("ran on" in dict(finding.facts) for finding in self.told)

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
        seed: what the inputs of the checks are drawn from; by default always the same, and then verdicts are remembered.
        modules: what stands in the place of the learner's modules, by section, of which nothing is remembered; those that are
            not in it are read from disk.
        files: what the code of these is called in tracebacks.
    """

    def __init__(
        self, seed: int | None = None, modules: Mapping[str, ModuleType] | None = None, files: Collection[str] = ()
    ) -> None:
        self._seed, self._files, self._given = seed, files, frozenset(modules or ())
        self.memory = Memory()
        self._standings: dict[str, Standing] = {}
        self._modules: dict[str, ModuleType | BaseException] = dict(modules or {})
        self._stubs: dict[str, bool] = {}

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.memory.flush()

    @property
    def remembers(self) -> bool:
        """Whether verdicts are taken from what is remembered, and remembered."""
        return self._seed is None and not self._given

    @property
    def seed(self) -> int:
        from grader.desk import trial

        return trial.SEED if self._seed is None else self._seed

    def module(self, stem: str) -> ModuleType | BaseException:
        """The learner's module of this section, or what its import raised."""
        if stem not in self._modules:
            self.memory.readable(section(stem))  # looks at the file before it is imported
            if (error := _unreadable(section(stem))) is not None:
                self._modules[stem] = error
            else:
                from grader.desk import trial

                self._modules[stem] = trial.module(stem, self.seed)
        return self._modules[stem]

    def readable(self, stem: str) -> bool:
        """Whether the learner's module can be imported, now or when the same file was before."""
        if stem not in self._modules and self.remembers and self.memory.readable(section(stem)):
            return True
        return isinstance(self.module(stem), ModuleType)

    def problem(self, stem: str) -> reading.Problem:
        """Why the learner's module cannot be imported."""
        error = self.module(stem)
        assert isinstance(error, BaseException)
        return reading.explained(section(stem), error)

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
        if self.is_stub(name) or any(finding.verdict == UNFINISHED for finding in standing.findings) or standing.ran_on:
            return True  # who waited for one answer that does not come need not wait for the next
        return bool(standing.findings) and self._blocker(standing) != ""

    def is_stub(self, name: str) -> bool:
        """Whether an exercise need not be tried, as its file says plainly that it is a stub still."""
        if name not in self._stubs:
            exercise = find_exercise(name)
            read = exercise.section not in self._given
            self._stubs[name] = read and reading.is_stub(exercise, section(exercise.section))
        return self._stubs[name]

    def settle(self, name: str) -> Standing:
        """Decide the state of an exercise from what its checks gave."""
        standing = self.standing(name)
        standing.state, standing.waits_for = self._decide(standing)
        if standing.state in (UNREAD, UNKNOWN) or standing.exercise.section in self._given:
            return standing
        of = section(standing.exercise.section)
        standing.remark = reading.remark(standing.exercise, of, unfinished=standing.state == UNFINISHED)
        complete = standing.state in (UNFINISHED, BLOCKED) or standing.ran >= standing.total
        if complete and self.remembers and not standing.ran_on:
            found = [[one.check, one.verdict, one.stub] for one in standing.findings]
            verdict = Verdict(standing.state, standing.passed, found, standing.waits_for, standing.remark)
            self.memory.learn(standing.exercise, verdict)
        return standing

    def mistake(self, standing: Standing) -> Any:
        """The known mistake that a failing exercise looks like, with `name` and `explanation`; None if none.

        Nor is one known where the course's solutions are absent, as in a student release.
        """
        stem, name = standing.exercise.section, standing.exercise.name
        if standing.ran_on or not section(stem).misconceptions.is_dir():
            return None
        from grader.desk import trial
        from grader.diagnosis.diagnose import diagnose  # not before it is needed: most runs have nothing to diagnose

        findings = {finding.check: finding for finding in standing.told}
        for check in trial.others(standing.exercise, {*standing.passed, *findings}):  # tell one mistake from another
            if finding := self._try(check):
                findings[check.name] = finding
        evidence = {check: one.evidence for check, one in findings.items() if one.evidence is not None}
        return diagnose(stem, name, evidence, self.seed)

    def _decide(self, standing: Standing) -> tuple[str, str]:
        if not self.readable(standing.exercise.section):
            return UNREAD, ""
        if self.is_stub(standing.exercise.name):
            return UNFINISHED, ""
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
            self.known(name)
        return self.standing(name).state == PASS

    def known(self, name: str) -> Standing:
        """Where an exercise stands, from what is remembered or else by an attempt."""
        exercise = find_exercise(name)
        found = self.memory.verdict(exercise) if self.remembers else None
        if found is None:
            return self.attempt(name)
        findings: list[Finding | Remembered] = [Remembered(*finding) for finding in found.findings]
        self._standings[name] = Standing(
            exercise, found.state, list(found.passed), findings, waits_for=found.waits_for, remark=found.remark
        )
        return self._standings[name]

    def attempt(self, name: str) -> Standing:
        """Run the checks of an exercise quietly and settle it."""
        standing = self._standings[name] = Standing(find_exercise(name))
        if not self.hopeless(name):
            from grader.desk import trial

            for check in trial.checks_of(standing.exercise):
                if not self.hopeless(name):
                    self.record(name, check.name, self._try(check))
        return self.settle(name)

    def _try(self, check: Any) -> Finding | None:
        from grader.desk import trial

        module = self.module(check.section)
        assert isinstance(module, ModuleType)
        return trial.trial(check, module, self.seed, self._files)

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

    def after(self, exercise: Exercise) -> Exercise | None:
        """The next exercise to do after this one, None if all pass.

        It is the next of its section, or the first of that, or one of the sections that follow; or this one again.
        """
        stems, own = list(sections()), list(section(exercise.section).exercises.values())
        place, number = own.index(exercise), stems.index(exercise.section)
        order = own[place + 1 :] + own[:place]
        for stem in stems[number + 1 :] + stems[:number]:
            order += section(stem).exercises.values()
        return next((one for one in [*order, exercise] if self._is_open(one)), None)

    def first(self, of: Section) -> Exercise | None:
        """The first exercise of a section that is to be done; None if all pass."""
        return next((one for one in of.exercises.values() if self._is_open(one)), None)

    def done(self, of: Section) -> bool:
        """Whether all exercises of a section are known to pass; none is run for it."""
        return all(self._state(exercise) == PASS for exercise in of.exercises.values())

    def _state(self, exercise: Exercise) -> str:
        """How an exercise stands in this run, or else as it is remembered."""
        state = self.standing(exercise.name).state
        found = self.memory.verdict(exercise) if state == UNKNOWN and self.remembers else None
        return found.state if found is not None else state

    def _begun(self, known: list[Standing]) -> Standing:
        """The first known exercise of the first section that is begun and not done."""
        for of in sections().values():
            states = [standing.state for standing in known if standing.exercise.section == of.stem]
            if PASS in states and (len(states) < len(of.exercises) or set(states) != {PASS}):
                return next(standing for standing in known if standing.exercise.section == of.stem)
        return known[0]

    def _is_open(self, exercise: Exercise) -> bool:
        return not self.passes(exercise.name) and self.standing(exercise.name).state != BLOCKED


def begin() -> Exercise:
    """Where to look for the exercise at hand: the section that was saved last of those that hold answers."""
    begun = [of for of in sections().values() if holds_answers(of)]
    at_hand = max(begun, key=lambda of: reading.saved(of.stub)) if begun else next(iter(sections().values()))
    return next(iter(at_hand.exercises.values()))


def _unreadable(of: Section) -> BaseException | None:
    """What says, without the file being run, that it cannot be: so much is told without torch."""
    try:
        reading.compiled(of)
    except (OSError, reading.Unreadable, *NOT_PYTHON) as error:
        return error
    return None
