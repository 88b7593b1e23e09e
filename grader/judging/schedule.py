"""Independent jobs over warm judges: one section of one submission each, several at a time."""

import contextlib
import logging
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

from grader.course import section
from grader.faults import GraderFault
from grader.intake.submission import Submission
from grader.judging.conditions import OURS, Conditions
from grader.judging.process import JudgeProcess
from grader.judging.results import Row, plain_row

LOG = logging.getLogger(__name__)

REMEDY = (
    "It is not charged: the same command tries this again, and this only. If it stays, send us this message, what "
    "`unstatic doctor` prints, and .unstatic/log.txt."
)
LOOK_AGAIN = 0.2
"""Seconds after which to look again whether another grader is done with a unit."""
ATTEMPTS = 2
"""A unit whose judge fails is tried again once, with a fresh one."""


def cores() -> int:
    """How many processor cores this process may use: of a machine that is shared out (`taskset`, Slurm, a container) not all."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Unit:
    """One section of one submission.

    Attributes:
        submission: what was handed in.
        stem: the section.
        only: the exercises asked for, in course order.
        conditions: under which it is judged.
    """

    submission: Submission
    stem: str
    only: tuple[str, ...]
    conditions: Conditions = OURS

    def request(self, seed: int) -> dict:
        """What a judge is asked; the fields are those of `sitting.Request`."""
        source = self.submission.sections[self.stem]
        asked = {"stem": self.stem, "filename": source.filename, "text": source.text, "seed": seed, "only": self.only}
        asked |= {"cells": source.layout, "unread": source.lost(section(self.stem).exercises)}
        return asked | self.conditions.request()


Attempt = Callable[[Unit, Callable[[Unit], list[Row]]], list[Row] | None]
"""Has a unit graded by the function that it is given; None where that must wait, because another grader is at it."""


class Grading(Protocol):
    """What has units graded: judges on this machine, or on others."""

    def grade(self, unit: Unit, seed: int) -> list[Row]:
        """The rows of a unit."""

    def close(self) -> None:
        """End what is going on."""


def run(
    work: Sequence[Unit],
    seed: int,
    level: str,
    jobs: int,
    attempt: Attempt = lambda unit, grade: grade(unit),
    judges: Callable[[str], Grading] | None = None,
) -> Iterator[tuple[Unit, list[Row]]]:
    """Grade the units, `jobs` at a time, and give each with its rows as it is done.

    Args:
        work: the units.
        seed: what their inputs are drawn from.
        level: the isolation at which they run.
        jobs: how many are graded at a time.
        attempt: grades one by the function that it is given.
        judges: makes what grades at a level; judges on this machine if None.
    """
    if not work:
        return
    with (
        contextlib.closing((judges or Judges)(level)) as graders,
        ThreadPoolExecutor(min(jobs, len(work))) as pool,
    ):
        done: queue.SimpleQueue[tuple[Unit, list[Row] | None, BaseException | None]] = queue.SimpleQueue()

        def work_on(unit: Unit, pause: float = 0.0) -> None:
            try:
                done.put((unit, _later(pause, attempt, unit, lambda one: graders.grade(one, seed)), None))
            except BaseException as error:
                done.put((unit, None, error))

        def hand_out(unit: Unit, pause: float = 0.0) -> None:
            try:
                with _uninterrupted():
                    pool.submit(work_on, unit, pause)
            except RuntimeError as error:  # the system has no thread left; those that run already will take it
                if threading.active_count() == before:
                    raise OSError(f"there is no thread to grade with: {error}") from error

        left, before = len(work), threading.active_count()
        try:
            for unit in work:
                hand_out(unit)
            while left:
                # Not `futures.wait`: interrupted there, this thread may keep a lock that the pool's threads wait for
                unit, rows, error = done.get()
                if error is not None:
                    raise error
                if rows is None:
                    hand_out(unit, LOOK_AGAIN)
                else:
                    left -= 1
                    yield unit, rows
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            graders.close()
            raise


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait: whoever is interrupted while work is handed to a pool may keep a lock that its threads wait for."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda *which: came.append(which))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            before(*came[0])


def _later(pause: float, attempt: Attempt, unit: Unit, grade: Callable[[Unit], list[Row]]) -> list[Row] | None:
    time.sleep(pause)
    return attempt(unit, grade)


class Judges:
    """Warm judges, one for each thread that asks."""

    def __init__(self, level: str) -> None:
        self._level = level
        self._mine = threading.local()
        self._all = contextlib.ExitStack()
        self._lock = threading.Lock()
        self._closed = False

    def grade(self, unit: Unit, seed: int) -> list[Row]:
        """The rows of a unit; a fault of ours is tried again, and if it stays, it is the verdict.

        Raises:
            CancelledError: all judges are closed, or are meanwhile.
        """
        fault = GraderFault("it was not tried")
        for _ in range(ATTEMPTS):
            try:
                return self._judge().grade(unit.request(seed))
            except GraderFault as error:
                if self._closed:
                    raise CancelledError from error
                LOG.error("%s, %s: %s", unit.submission.name, unit.stem, error)
                fault = error
                self._drop()
        message = f"This is the grader's fault, not the submission's: {fault}\n{REMEDY}"
        return [plain_row(unit.stem, name, "grader-error", message) for name in unit.only]

    def _judge(self) -> JudgeProcess:
        if getattr(self._mine, "judge", None) is None:
            if self._closed:
                raise CancelledError
            judge = JudgeProcess(self._level)
            with self._lock:
                self._all.callback(judge.close)
                if self._closed:
                    judge.close()
            self._mine.judge = judge
        return self._mine.judge

    def _drop(self) -> None:
        if getattr(self._mine, "judge", None) is not None:
            self._mine.judge.close()
            self._mine.judge = None

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._all.close()
