"""The judge: runs the checks of a section against a submission in the jail, and alone says what the verdicts are.

It is a process of its own, kept warm for one submission after the other. It reads requests from its standard input, one
JSON object a line, and writes to its standard output: {"exercise": ...} as each exercise is done, then {"rows": [...]}.
"""

import json
import os
import queue
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch

from grader import faults
from grader.checks import Check, Outcome, collect, global_seed, outcome
from grader.course import Exercise, Section, section
from grader.desk.desk import Desk
from grader.diagnosis import diagnose
from grader.jail.keeper import Cell, Jail
from grader.jail.limits import Clock
from grader.jail.trial import proven_jail
from grader.jail.visit import KILLED_OURS
from grader.judging.explain import after, explain
from grader.judging.results import CheckRow, Row

CHECK_SECONDS = 20
"""Wall time that a check may keep a submission busy; the judge's own work does not count."""
SECTION_SECONDS = 120
"""The same for a section of a submission, its import included."""

MEMORY = 4 << 30
"""Bytes that the judge may take: a submission can ask it for answers that are large, and for many."""

COSTLY = ("timeout", "memory", "tamper")
"""After one of these the exercise's other checks are not run: each would take as long, or do as much harm."""


@dataclass(frozen=True)
class Request:
    """One section of one submission, to be graded.

    Attributes:
        stem: the section.
        filename: what tracebacks call the submitted module.
        text: its source.
        seed: what all inputs are drawn from; the submission never sees it.
        only: the exercises asked for, in course order.
    """

    stem: str
    filename: str
    text: str
    seed: int
    only: tuple[str, ...]


class Judge:
    """Grades one section after the other at a level of isolation; keeps one warm jail."""

    def __init__(self, level: str) -> None:
        """Start a jail and see that honest code runs in it.

        Raises:
            faults.GraderFault: it does not start, or code does not run in it as it does here.
        """
        self.level = level
        self._jail = proven_jail(level)

    def grade(self, request: Request, done: Callable[[str], None] = lambda name: None) -> list[Row]:
        """The rows of the exercises asked for; `done` is told each exercise's name."""
        return Sitting(self, request).rows(done)

    def fresh_jail(self) -> Jail:
        self._jail.close()
        self._jail = Jail(self.level)
        return self._jail

    @property
    def jail(self) -> Jail:
        return self._jail

    def close(self) -> None:
        self._jail.close()


class Sitting:
    """The grading of one section of one submission."""

    def __init__(self, judge: Judge, request: Request) -> None:
        self.judge, self.request = judge, request
        self.section: Section = section(request.stem)
        self.clock = Clock(SECTION_SECONDS)
        self.cell: Cell | None = None
        self.broken: faults.CheckFault | None = None
        self.settled: dict[str, Row] = {}

    def rows(self, done: Callable[[str], None]) -> list[Row]:
        try:
            self._admit(self.judge.jail)
            for exercise in self._in_order():
                self.settled[exercise.name] = self._grade(exercise)
                done(exercise.name)
        finally:
            if self.cell is not None:
                self.cell.close()
        return [self.settled[name] for name in self.request.only]

    def _admit(self, jail: Jail) -> None:
        """Import the submission; what is wrong with that concerns every exercise."""
        request = self.request
        for attempt in range(2):
            clock = Clock(CHECK_SECONDS, self.clock)
            try:
                self.cell = jail.admit(request.stem, request.filename, request.text, global_seed(request.seed), clock)
                return
            except faults.CheckFault as fault:
                self.broken = fault
                return
            except faults.LostCell:
                if attempt:
                    self.broken = faults.Tampered(KILLED_OURS)
                else:
                    jail = self.judge.fresh_jail()

    def _in_order(self) -> Iterable[Exercise]:
        """The exercises asked for; those that need one which ran out of time come last, lest they use up the section's."""
        late = []
        for name in self.request.only:
            exercise = self.section.exercises[name]
            if any(self._verdict(need) == "timeout" for need in exercise.needs):
                late.append(exercise)
            else:
                yield exercise
        yield from late

    def _verdict(self, name: str) -> str:
        return self.settled[name]["verdict"] if name in self.settled else "pass"

    def _grade(self, exercise: Exercise) -> Row:
        checks = [check for check in collect(self.section.stem) if check.exercise == exercise.name]
        if not checks:
            raise faults.GraderFault(f"{exercise.name} has no checks")
        outcomes: list[Outcome] = []
        rows: list[CheckRow] = []
        for check in checks:
            start = time.perf_counter()
            found = outcomes[-1] if outcomes and outcomes[-1].verdict in COSTLY else self._run(check)
            outcomes.append(found)
            rows.append(
                {"name": check.name, "verdict": found.verdict, "seconds": round(time.perf_counter() - start, 3)}
            )
        return self._row(exercise, checks, outcomes, rows)

    def _run(self, check: Check) -> Outcome:
        """One check in a fresh process; a fault of ours is tried once more, in a fresh jail."""
        found = self._run_once(check)
        if found.verdict == "grader-error":
            try:
                if self.cell is not None:
                    self.cell.close()
                self._admit(self.judge.fresh_jail())
            except faults.GraderFault as fault:
                return Outcome(fault.verdict, None, fault)
            found = self._run_once(check)
            if isinstance(found.error, faults.LostCell):
                tampered = faults.Tampered(KILLED_OURS)
                found = Outcome(tampered.verdict, None, tampered)
        return found

    def _run_once(self, check: Check) -> Outcome:
        broken = self.broken or (self.cell.stopped if self.cell and check.exercise not in self.cell.uses else None)
        if broken is not None:
            verdict = "crash" if broken.verdict in ("fail", "unfinished") else broken.verdict
            return Outcome(verdict, None, broken)
        if self.clock.left <= 0:
            fault = faults.TimedOut(f"the {SECTION_SECONDS} s that a section may take were used up before it began")
            return Outcome(fault.verdict, None, fault)
        assert self.cell is not None
        try:
            with self.cell.visit(Clock(CHECK_SECONDS, self.clock)) as visit:
                found = outcome(check, Desk(visit), self.request.seed)
                return after(found)
        except (faults.GraderFault, faults.Tampered) as fault:
            return Outcome(fault.verdict, None, fault)

    def _row(self, exercise: Exercise, checks: list[Check], outcomes: list[Outcome], rows: list[CheckRow]) -> Row:
        failed = [(check, found) for check, found in zip(checks, outcomes, strict=True) if found.verdict != "pass"]
        verdict, message, mistake = "pass", "", None
        if failed:
            check, found = failed[0]
            verdict, message = self._settle(exercise, found)
            if verdict == "fail":
                mistake = self._diagnose(exercise, failed)
            if not message:
                message = explain(found, check, exercise, self.request.text)
            if mistake is not None:
                message += f"\nlooks like {mistake.name}. {mistake.explanation}"
        passed = sum(exercise.shares.get(row["name"], 0) for row in rows if row["verdict"] == "pass")
        return {
            "section": self.section.stem,
            "exercise": exercise.name,
            "points": float(exercise.points),
            "score": float(exercise.points if verdict == "pass" else passed),
            "verdict": verdict,
            "message": message,
            "misconception": mistake.name if mistake is not None else None,
            "checks": rows,
        }

    def _settle(self, exercise: Exercise, found: Outcome) -> tuple[str, str]:
        """The verdict on an exercise whose first check that did not pass gave this; a message if it is not the check's."""
        error, verdict = found.error, found.verdict
        if isinstance(error, faults.Raised) and isinstance(error, NotImplementedError):
            owner = error.function.split(".")[0]
            own = owner == exercise.name or owner not in self.section.exercises
            verdict = "unfinished" if own and error.innermost else "fail"
        needs = [
            need for need in self.section.exercises if self._verdict(need) != "pass" and self._uses(exercise.name, need)
        ]
        if needs and verdict == "fail":
            names = " and ".join(needs)
            return "blocked", f"It uses {names}, which {'is' if len(needs) == 1 else 'are'} not right yet: begin there."
        return verdict, ""

    def _uses(self, name: str, other: str) -> bool:
        return name != other and self.cell is not None and self.cell.reaches(name, other)

    def _diagnose(self, exercise: Exercise, failed: list[tuple[Check, Outcome]]) -> Any:
        if any(found.verdict != "fail" for _, found in failed):
            return None
        return diagnose(
            self.section.stem, exercise.name, {check.name: found.got for check, found in failed}, self.request.seed
        )


def main() -> None:
    """Serve requests from standard input until it ends."""
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever prints, it is no answer
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    judge: Judge | None = None

    def say(data: dict) -> None:
        answers.write(json.dumps(data) + "\n")
        answers.flush()

    try:
        judge = Judge(sys.argv[1])
        say({"ready": True})
        while True:
            data = json.loads(requests.get())
            request = Request(**{**data, "only": tuple(data["only"])})
            say({"rows": judge.grade(request, lambda name: say({"exercise": name}))})
    except faults.GraderFault as fault:
        say({"fault": str(fault)})
    finally:
        if judge is not None:
            judge.close()


def _listen(requests: "queue.SimpleQueue[str]") -> None:
    """Hand on requests; when whoever sends them is gone, so are we, and the jail with us."""
    for line in sys.stdin:
        requests.put(line)
    os._exit(1)


if __name__ == "__main__":
    main()
