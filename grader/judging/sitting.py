"""The grading of one section of one submission: which checks run, in which process, and what the outcomes mean.

An exercise is judged on its own merits. Where it uses an earlier one that is not right, it is judged with ours in that
one's place (`grader.judging.oracle`), in a guest of its own, so that a mistake is charged once.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from grader import faults
from grader.checks.collect import Check, collect, collect_own
from grader.checks.run import Outcome, outcome
from grader.checks.state import global_seed
from grader.checks.under_test import UnderTest, forget
from grader.course import Exercise, Section, section
from grader.diagnosis.diagnose import diagnose
from grader.findings import explain
from grader.intake.sources import Places
from grader.judging.notes import Notes, blocked, by_itself, told
from grader.judging.oracle import oracle, within_reason
from grader.judging.results import CheckRow, Row
from grader.sandbox.host.imported import Imported
from grader.sandbox.host.limits import Clock
from grader.sandbox.host.sandbox import Guest, Sandbox

LOG = logging.getLogger(__name__)
CHECK_SECONDS = 20
"""Wall time that a check may keep a submission busy; the judge's own work does not count."""
SECTION_SECONDS = 120
"""The same for a section of a submission, its import included."""

COSTLY = ("timeout", "memory", "tamper")
"""After one of these the exercise's other checks are not run: each would take as long, or do as much harm."""
OWN = ("pass", "unfinished", "tamper", "grader-error")
"""Verdicts that no other exercise can be the cause of."""

Ours = dict[str, Callable[..., Any]]
"""The course's functions, by the names of the exercises in whose place they are called."""


@dataclass(frozen=True)
class Request:
    """One section of one submission, to be graded.

    Attributes:
        stem: the section.
        filename: what tracebacks call the submitted module.
        text: its source.
        seed: what all inputs are drawn from; the submission never sees it.
        only: the exercises asked for, in course order.
        charge_once: whether an exercise that uses a wrong one is judged with ours in its place.
        time: by what the time of an exercise's checks is multiplied, where a course gives it more.
        checks: folders with checks of the instructor's own; those of an exercise run after ours.
        hidden: those of them whose checks learners are not shown.
        cells: of a notebook, each cell's number, first and last line in `text`.
        unread: by exercise, why the cell that would define it cannot be read.
    """

    stem: str
    filename: str
    text: str
    seed: int
    only: tuple[str, ...]
    charge_once: bool = True
    time: dict[str, float] = field(default_factory=dict)
    checks: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    cells: tuple[Sequence[int], ...] = ()
    unread: dict[str, str] = field(default_factory=dict)

    @property
    def longest(self) -> float:
        """By what the time of the section, and of its import, is multiplied."""
        return max((1.0, *self.time.values()))


class Sandboxes(Protocol):
    """Who has the sandbox that guests are put into, and the memory that checks fill: a `grader.judging.judge.Judge`."""

    @property
    def sandbox(self) -> Sandbox: ...

    def fresh_sandbox(self) -> Sandbox: ...

    def give_back(self) -> None: ...


@dataclass
class Examined:
    """What the checks of an exercise gave.

    Attributes:
        checks: the checks.
        outcomes: what each gave.
        rows: what is told of each.
    """

    checks: Sequence[Check]
    outcomes: list[Outcome]
    rows: list[CheckRow]

    @property
    def failed(self) -> list[tuple[Check, Outcome]]:
        return [(c, found) for c, found in zip(self.checks, self.outcomes, strict=True) if found.verdict != "pass"]

    @property
    def holds(self) -> list[str]:
        """What the checks say that passed, of those that learners are shown."""
        both = zip(self.checks, self.outcomes, strict=True)
        return [check.sentence for check, found in both if found.verdict == "pass" and not check.hidden]


class Sitting:
    """The grading of one section of one submission."""

    def __init__(self, judge: Sandboxes, request: Request) -> None:
        self.judge, self.request = judge, request
        self.section: Section = section(request.stem)
        self.seconds = SECTION_SECONDS * request.longest
        self.clock = Clock(self.seconds, what="a section")
        self.guests: dict[bool, Guest] = {}
        """The submission as it is, and once more where ours stand in for some of it (True), so that neither sees the other."""
        self.broken: dict[bool, faults.CheckFault] = {}
        self.settled: dict[str, Row] = {}
        self.places = Places(request.cells)
        self.notes = Notes(request.text, self.places, request.unread)
        self.imported = Imported()
        """What the import of the submission as it is left."""

    def rows(self, done: Callable[[str], None]) -> list[Row]:
        """The rows of the exercises asked for; `done` is told of each as it is settled."""
        try:
            self._admit(False)
            for name in self.request.only:
                self._settle(name)
                done(name)
        finally:
            self._close()
            self.judge.give_back()
        rows = [self.settled[name] for name in self.request.only]
        if rows and (general := told(self.notes.general(self.request.only, self.imported))):
            rows[0] = {**rows[0], "message": _lines(rows[0]["message"], general)}
        return rows

    def _close(self) -> None:
        for guest in self.guests.values():
            guest.close()
        self.guests.clear()

    def _settle(self, name: str) -> Row:
        if name not in self.settled:
            self.settled[name] = self._grade(self.section.exercises[name])
        return self.settled[name]

    # ---------------------------------------------------------------------------------------------- the submission

    def _admit(self, with_ours: bool) -> None:
        """Import the submission; what is wrong with that concerns every exercise."""
        request, sandbox = self.request, self.judge.sandbox
        stuck: faults.TimedOut | None = None
        lost = False
        while True:
            clock = Clock(CHECK_SECONDS * request.longest, self.clock, what="its import")
            seed = global_seed(request.seed)
            cut = self.notes.cut(stuck)
            try:
                guest = sandbox.admit(
                    request.stem, request.filename, request.text, seed, clock, request.cells, cut, request.longest
                )
                if stuck is not None:
                    guest.imported = self.notes.with_stuck(guest.imported, stuck)
                self.guests[with_ours] = guest
                if not with_ours:
                    self.imported = guest.imported
                return
            except faults.CheckFault as fault:
                if isinstance(fault, faults.TimedOut) and fault.line and stuck is None and self.clock.left > 0:
                    stuck = fault  # it heeded no interruption: once more, without what it was at
                    continue
                self.broken[with_ours] = fault
                return
            except faults.GraderFault as fault:
                if lost and isinstance(fault, faults.LostGuest):
                    self.broken[with_ours] = _its_own_doing(fault)
                    self._fresh_sandbox()  # what it did to this one is nobody else's
                    return
                if lost:
                    raise
                lost = True
                sandbox = self._fresh_sandbox()

    def _fresh_sandbox(self) -> Sandbox:
        """A sandbox in which nothing of the submission runs: else one guest of it could keep another from working."""
        self._close()
        return self.judge.fresh_sandbox()

    def _guest(self, with_ours: bool) -> Guest | None:
        if with_ours not in self.guests and with_ours not in self.broken:
            self._admit(with_ours)
        return self.guests.get(with_ours)

    # --------------------------------------------------------------------------------------------------- one exercise

    def _grade(self, exercise: Exercise) -> Row:
        """The row of an exercise, judged by itself if it uses what is not right.

        What it uses and nobody asked for is judged too, where it fails: else its own mistake could not be told from theirs.
        """
        wrong = self._wrong(exercise, [name for name in self._earlier(exercise) if name in self.settled])
        ours = self._ours(wrong)
        found = self._examine(exercise, ours, wrong)
        if self._verdict(exercise, found) not in OWN and not self.broken.get(False):
            every = self._wrong(exercise, self._earlier(exercise))
            if every != wrong:
                wrong, ours = every, self._ours(every)
                found = self._examine(exercise, ours, wrong) if ours else found
        return self._row(exercise, found, ours, [name for name in wrong if name not in ours])

    def _earlier(self, exercise: Exercise) -> list[str]:
        """The exercises that it may use, and does."""
        names = list(self.section.exercises)
        return [name for name in names[: names.index(exercise.name)] if self.imported.reaches(exercise.name, name)]

    def _wrong(self, exercise: Exercise, used: list[str]) -> list[str]:
        return [name for name in used if self._settle(name)["verdict"] != "pass"]

    def _ours(self, wrong: list[str]) -> Ours:
        if not self.request.charge_once:
            return {}
        found = {name: oracle(self.section.stem, name) for name in wrong}
        return {name: function for name, function in found.items() if function is not None}

    def _own(self) -> list[Check]:
        """The instructor's checks of the section, those that learners are shown first."""
        folders = sorted(self.request.checks, key=lambda folder: folder in self.request.hidden)
        try:
            return [
                check
                for folder in folders
                for check in collect_own(folder, self.section.stem, folder in self.request.hidden)
            ]
        except RuntimeError as error:
            raise faults.GraderFault(str(error)) from error

    def _examine(self, exercise: Exercise, ours: Ours, wrong: list[str]) -> Examined:
        checks = [check for check in collect(self.section.stem) if check.exercise == exercise.name]
        checks += [check for check in self._own() if check.exercise == exercise.name and checks]
        if not checks:
            raise faults.GraderFault(f"{exercise.name} has no checks")
        found = Examined(checks, [], [])
        hopeless = any(self.settled[name]["verdict"] in COSTLY for name in wrong if name not in ours)
        for check in checks:
            start = time.perf_counter()
            if hopeless:
                one = Outcome("blocked", None, None)
            elif found.outcomes and self._is_known(check, found.outcomes[-1]):
                one = found.outcomes[-1]
            else:
                one = self._run(check, ours)
            found.outcomes.append(one)
            seconds = round(time.perf_counter() - start, 3)
            row: CheckRow = {"name": check.name, "verdict": one.verdict, "seconds": seconds}
            found.rows.append({**row, "hidden": True} if check.hidden else row)
        return found

    def _is_known(self, check: Check, before: Outcome) -> bool:
        """Whether a check need not be run, as the one before it tells what it would give: that is costly, or of a stub."""
        stub = before.verdict == "unfinished" and check.exercise in self.imported.stubs and not check.own
        return before.verdict in COSTLY or stub

    def _run(self, check: Check, ours: Ours) -> Outcome:
        """One check in a fresh process; a fault of ours is tried once more, in a fresh jail."""
        found = self._run_once(check, ours)
        if found.verdict == "grader-error":
            try:
                self._fresh_sandbox()
                found = self._run_once(check, ours)
                if isinstance(found.error, faults.LostGuest):
                    tampered = _its_own_doing(found.error)
                    found = Outcome(tampered.verdict, None, tampered)
                    self._fresh_sandbox()  # what it did to this one is nobody else's
            except faults.GraderFault as fault:
                return Outcome(fault.verdict, None, fault)
        return found

    def _run_once(self, check: Check, ours: Ours) -> Outcome:
        guest = self._guest(bool(ours))
        if (broken := self.broken.get(bool(ours))) is not None:
            verdict = "crash" if broken.verdict in ("fail", "unfinished") else broken.verdict
            return Outcome(verdict, None, broken)
        if guest and check.exercise not in ours and (instead := self.notes.instead(check.exercise, guest.imported)):
            return instead
        if self.clock.left <= 0:
            fault = faults.TimedOut(f"the {self.seconds:g} s that a section may take were used up before it began")
            return Outcome(fault.verdict, None, fault)
        assert guest is not None
        self.judge.give_back()  # what the check before had computed here is nobody's any more
        try:
            seconds = CHECK_SECONDS * self.request.time.get(check.exercise, 1.0)
            clock = Clock(seconds, self.clock, what="a check")
            with guest.session(clock) as session:
                found = self._put_in_place(session, ours, clock)
                found = found or outcome(check, UnderTest(session), self.request.seed)
        except (faults.GraderFault, faults.Tampered) as fault:
            if guest.lost:
                self._close()  # what comes next begins with a new one
            return Outcome(fault.verdict, None, fault)
        except MemoryError:
            self._close()
            full = faults.OutOfMemory("what it sent and asked for takes more memory than the judge may take")
            return Outcome(full.verdict, None, full)
        except Exception as error:  # no mistake of ours costs more than this check
            LOG.exception("%s: the check could not be brought to an end", check.name)
            self._close()
            ours_is = faults.GraderFault(f"{type(error).__name__} around the check {check.name}: {error}")
            return Outcome(ours_is.verdict, None, ours_is)
        finally:
            forget()
        if isinstance(found.error, faults.CheckFault):
            found.error.line = found.error.line or session.running_line
            found.error.printed = session.printed
        _without_frames(found.error)
        return found

    def _put_in_place(self, session: Any, ours: Ours, clock: Clock) -> Outcome | None:
        """Have the submission call ours; what becomes of the check where it does not let itself be told."""
        try:
            for name, function in ours.items():
                session.replace(name, within_reason(function, clock))
        except faults.CheckFault as fault:
            return Outcome(fault.verdict, None, fault)
        return None

    # ------------------------------------------------------------------------------------------------------- the row

    def _row(self, exercise: Exercise, found: Examined, ours: Ours, blocking: list[str]) -> Row:
        verdict, message, mistake = "pass", "", None
        if failed := found.failed:
            check, first = failed[0]
            verdict = self._verdict(exercise, found)
            if blocking and verdict not in OWN:
                verdict, message = "blocked", blocked(blocking)
            if verdict == "fail":
                mistake = self._diagnose(exercise, failed)
            message = message or explain(
                first._replace(verdict=verdict), check, exercise, self.request.text, self.places
            )
            if mistake is not None:
                message += f"\nlooks like {mistake.name}. {mistake.explanation}"
        if ours and verdict != "unfinished":
            message = _lines(message, by_itself(verdict, list(ours)))
        message = _lines(message, told(self.notes.of(exercise.name, verdict, self.imported)))
        passed = sum(exercise.shares.get(row["name"], 0) for row in found.rows if row["verdict"] == "pass")
        row: Row = {
            "section": self.section.stem,
            "exercise": exercise.name,
            "points": float(exercise.points),
            "score": float(exercise.points if verdict == "pass" else passed),
            "verdict": verdict,
            "message": message,
            "misconception": mistake.name if mistake is not None else None,
            "checks": found.rows,
        }
        if failed and verdict not in ("unfinished", "blocked") and (holds := found.holds):
            row["holds"] = holds
        return {**row, "hidden": True} if failed and failed[0][0].hidden else row

    def _verdict(self, exercise: Exercise, found: Examined) -> str:
        """The verdict on an exercise, by the first of its checks that did not pass.

        It is unfinished where it is a stub itself, and not where it calls one, or what torch has not implemented.
        """
        if not found.failed:
            return "pass"
        first = found.failed[0][1]
        error = first.error
        if isinstance(error, faults.Raised) and isinstance(error, NotImplementedError) and first.verdict != "crash":
            owner = error.function.split(".")[0]
            own = owner == exercise.name or owner not in self.section.exercises
            return "unfinished" if own and error.innermost and self._says_so(error.line) else "fail"
        return first.verdict

    def _says_so(self, line: int | None) -> bool:
        """Whether a line of the submission raises NotImplementedError by name, as a stub does."""
        return "NotImplementedError" in "".join(self.request.text.split("\n")[line - 1 : line] if line else [])

    def _diagnose(self, exercise: Exercise, failed: list[tuple[Check, Outcome]]) -> Any:
        if any(found.verdict != "fail" for _, found in failed):
            return None
        ours = {check.name: found.evidence for check, found in failed if found.evidence and not check.own}
        return diagnose(self.section.stem, exercise.name, ours, self.request.seed)


def _its_own_doing(lost: faults.LostGuest) -> faults.Tampered:
    """What it means that a guest was lost twice, the second time in a fresh jail."""
    return faults.Tampered(f"{lost}, in a fresh jail again")


def _without_frames(error: BaseException | None) -> None:
    """Let an exception that is kept for the report keep none of the tensors that were at hand where it was raised."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:  # a chain may lead back to where it began
        seen.add(id(error))
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def _lines(*parts: str) -> str:
    return "\n".join(part for part in parts if part)
