"""Independent jobs over warm judges: one section of one submission each, several at a time."""

import contextlib
import logging
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from grader.faults import GraderFault
from grader.intake.reading import Submission
from grader.judging.process import JudgeProcess
from grader.judging.results import Row, plain_row

LOG = logging.getLogger(__name__)

ATTEMPTS = 2
"""A unit that ends in a fault of ours is tried again once, with a fresh judge."""


@dataclass(frozen=True)
class Unit:
    """One section of one submission.

    Attributes:
        submission: what was handed in.
        stem: the section.
        only: the exercises asked for, in course order.
    """

    submission: Submission
    stem: str
    only: tuple[str, ...]

    def request(self, seed: int) -> dict:
        """What a judge is asked; the fields are those of `judge.Request`."""
        source = self.submission.sections[self.stem]
        return {"stem": self.stem, "filename": source.filename, "text": source.text, "seed": seed, "only": self.only}


def run(work: Sequence[Unit], seed: int, level: str, jobs: int) -> Iterator[tuple[Unit, list[Row]]]:
    """Grade the units, `jobs` at a time, and give each with its rows as it is done."""
    if not work:
        return
    with _judges(level) as judges, ThreadPoolExecutor(min(jobs, len(work))) as pool:
        waiting: dict[Future[list[Row]], Unit] = {pool.submit(judges.grade, unit, seed): unit for unit in work}
        try:
            while waiting:
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    yield waiting.pop(future), future.result()
        except BaseException:
            for future in waiting:
                future.cancel()
            judges.close()
            raise


class Judges:
    """Warm judges, one for each thread that asks."""

    def __init__(self, level: str) -> None:
        self._level = level
        self._mine = threading.local()
        self._all: list[JudgeProcess] = []
        self._lock = threading.Lock()
        self._closed = False

    def grade(self, unit: Unit, seed: int) -> list[Row]:
        """The rows of a unit; a fault of ours is tried again, and if it stays, it is the verdict."""
        fault = GraderFault("it was not tried")
        for _ in range(ATTEMPTS):
            try:
                return self._judge().grade(unit.request(seed))
            except GraderFault as error:
                LOG.error("%s, %s: %s", unit.submission.name, unit.stem, error)
                fault = error
                self._drop()
        message = f"This is the grader's fault, not the submission's: {fault}"
        return [plain_row(unit.stem, name, "grader-error", message) for name in unit.only]

    def _judge(self) -> JudgeProcess:
        if getattr(self._mine, "judge", None) is None:
            judge = JudgeProcess(self._level)
            with self._lock:
                self._all.append(judge)
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
            for judge in self._all:
                judge.close()


@contextlib.contextmanager
def _judges(level: str) -> Iterator[Judges]:
    judges = Judges(level)
    try:
        yield judges
    finally:
        judges.close()
