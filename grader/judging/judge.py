"""The judge: runs the checks of a section against a submission in the jail, and alone says what the verdicts are.

It is a process of its own, kept warm for one submission after the other. Over a socket of its own come requests, one JSON
object a line, and go answers: {"exercise": ...} as each exercise is done, then {"rows": [...]}.
"""

import contextlib
import fcntl
import json
import os
import queue
import resource
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch

from grader import faults
from grader.checks.collect import Check, collect
from grader.checks.run import Outcome, outcome
from grader.checks.state import global_seed
from grader.checks.under_test import UnderTest
from grader.course import Exercise, Section, section
from grader.diagnosis.diagnose import diagnose
from grader.findings import explain
from grader.judging.results import CheckRow, Row
from grader.rpc.pauses import pause
from grader.sandbox.host.limits import Clock
from grader.sandbox.host.sandbox import Guest, Sandbox
from grader.sandbox.host.selftest import proven_sandbox
from grader.sandbox.host.session import KILLED_OURS

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
        self._sandbox = proven_sandbox(level)

    def grade(self, request: Request, done: Callable[[str], None] = lambda name: None) -> list[Row]:
        """The rows of the exercises asked for; `done` is told each exercise's name."""
        return Sitting(self, request).rows(done)

    def fresh_sandbox(self) -> Sandbox:
        self._sandbox.close()
        self._sandbox = Sandbox(self.level)
        return self._sandbox

    @property
    def sandbox(self) -> Sandbox:
        return self._sandbox

    def close(self) -> None:
        self._sandbox.close()


class Sitting:
    """The grading of one section of one submission."""

    def __init__(self, judge: Judge, request: Request) -> None:
        self.judge, self.request = judge, request
        self.section: Section = section(request.stem)
        self.clock = Clock(SECTION_SECONDS)
        self.guest: Guest | None = None
        self.broken: faults.CheckFault | None = None
        self.settled: dict[str, Row] = {}

    def rows(self, done: Callable[[str], None]) -> list[Row]:
        try:
            self._admit(self.judge.sandbox)
            for exercise in self._in_order():
                self.settled[exercise.name] = self._grade(exercise)
                done(exercise.name)
        finally:
            if self.guest is not None:
                self.guest.close()
        return [self.settled[name] for name in self.request.only]

    def _admit(self, sandbox: Sandbox) -> None:
        """Import the submission; what is wrong with that concerns every exercise."""
        request = self.request
        for attempt in range(2):
            clock = Clock(CHECK_SECONDS, self.clock)
            try:
                self.guest = sandbox.admit(
                    request.stem, request.filename, request.text, global_seed(request.seed), clock
                )
                return
            except faults.CheckFault as fault:
                self.broken = fault
                return
            except faults.LostGuest:
                if attempt:
                    self.broken = faults.Tampered(KILLED_OURS)
                else:
                    sandbox = self.judge.fresh_sandbox()

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
                if self.guest is not None:
                    self.guest.close()
                self._admit(self.judge.fresh_sandbox())
            except faults.GraderFault as fault:
                return Outcome(fault.verdict, None, fault)
            found = self._run_once(check)
            if isinstance(found.error, faults.LostGuest):
                tampered = faults.Tampered(KILLED_OURS)
                found = Outcome(tampered.verdict, None, tampered)
        return found

    def _run_once(self, check: Check) -> Outcome:
        broken = self.broken or (self.guest.stopped if self.guest and check.exercise not in self.guest.uses else None)
        if broken is not None:
            verdict = "crash" if broken.verdict in ("fail", "unfinished") else broken.verdict
            return Outcome(verdict, None, broken)
        if self.clock.left <= 0:
            fault = faults.TimedOut(f"the {SECTION_SECONDS} s that a section may take were used up before it began")
            return Outcome(fault.verdict, None, fault)
        assert self.guest is not None
        try:
            with self.guest.session(Clock(CHECK_SECONDS, self.clock)) as session:
                return outcome(check, UnderTest(session), self.request.seed)
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
        return name != other and self.guest is not None and self.guest.reaches(name, other)

    def _diagnose(self, exercise: Exercise, failed: list[tuple[Check, Outcome]]) -> Any:
        if any(found.verdict != "fail" for _, found in failed):
            return None
        return diagnose(
            self.section.stem, exercise.name, {check.name: found.got for check, found in failed}, self.request.seed
        )


def main() -> None:
    """Serve requests until whoever sends them is gone. Arguments: the level of isolation, a socket, a temporary folder."""
    level, descriptor, scratch = sys.argv[1:]
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    as_by_default()
    sock = _out_of_reach(int(descriptor))
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sock, requests, scratch), daemon=True).start()
    judge: Judge | None = None

    def say(data: dict) -> None:
        pause()
        sock.sendall(json.dumps(data).encode() + b"\n")

    try:
        judge = Judge(level)
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


def as_by_default() -> None:
    """Undo what a caller hands on to its children: signals that it ignores or blocks, and its mask for new files."""
    for number in (signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.umask(0o077)


def _out_of_reach(descriptor: int) -> socket.socket:
    """The socket under a number that nobody guesses, handed on to no child."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 200)
    os.close(descriptor)
    return socket.socket(fileno=moved)


def _listen(sock: socket.socket, requests: "queue.SimpleQueue[bytes]", scratch: str) -> None:
    """Hand on requests; when whoever sends them is gone, so are we, the jail with us, and nothing stays behind."""
    with contextlib.suppress(OSError), sock.makefile("rb") as lines:
        for line in lines:
            pause()
            requests.put(line)
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(1)


if __name__ == "__main__":
    main()
