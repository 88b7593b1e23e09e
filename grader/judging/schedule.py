"""Grading many submissions: independent jobs over warm judges, stored as they are done."""

import contextlib
import json
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from grader.course import ROOT, section, sections
from grader.faults import GraderFault
from grader.intake.reading import Submission, fingerprint
from grader.judging.results import Key, Row, Store, course_version

SILENCE_SECONDS = 400
"""A judge that says nothing for so long hangs: more than a section's budget, with the judge's own work."""
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


@dataclass(frozen=True)
class Terms:
    """What is the same for all units of a run."""

    seed: int
    isolation: str
    store: Store
    force: bool = False

    def key(self, unit: Unit) -> Key:
        every = tuple(section(unit.stem).exercises)
        only = () if unit.only == every else unit.only
        content = fingerprint(unit.submission, unit.stem)
        return Key(content, unit.stem, self.seed, course_version(), self.isolation, only)


def units(submissions: Sequence[Submission], only: Sequence[str]) -> list[Unit]:
    """What is to be graded: the sections in each submission, or what `only` names (exercises and section stems)."""
    asked = {stem: _asked(stem, only) for stem in sections()}
    common = {stem for submission in submissions for stem in [*submission.sections, *submission.problems] if stem}
    found = []
    for submission in submissions:
        present = {stem for stem in [*submission.sections, *submission.problems] if stem is not None}
        if None in submission.problems:  # nothing can be read: it is held against what the others handed in
            present = common or set(sections())
        if only:
            present = set(sections())
        found += [Unit(submission, stem, asked[stem]) for stem in sections() if stem in present and asked[stem]]
    return found


def _asked(stem: str, only: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in section(stem).exercises if not only or name in only or stem in only)


def grade(work: Sequence[Unit], terms: Terms, jobs: int, done: Callable[[Unit, list[Row]], None]) -> None:
    """Grade the units, `jobs` at a time, and tell each as it is done. What is stored is not graded again."""
    fresh = []
    for unit in work:
        rows = _unreadable(unit) or (None if terms.force else terms.store.get(terms.key(unit)))
        if rows is not None:
            done(unit, rows)
        else:
            fresh.append(unit)
    if not fresh:
        return
    with _judges(terms.isolation) as judges, ThreadPoolExecutor(min(jobs, len(fresh))) as pool:
        waiting: dict[Future[list[Row]], Unit] = {pool.submit(judges.grade, unit, terms.seed): unit for unit in fresh}
        try:
            while waiting:
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    unit = waiting.pop(future)
                    rows = future.result()
                    terms.store.put(terms.key(unit), rows)
                    done(unit, rows)
        except BaseException:
            for future in waiting:
                future.cancel()
            judges.close()
            raise


def _unreadable(unit: Unit) -> list[Row] | None:
    """The rows of a section that cannot be read, or is not there."""
    submission, stem = unit.submission, unit.stem
    if stem in submission.sections:
        return None
    reason = submission.problems.get(stem) or submission.problems.get(None) or f"there is no {stem} in it"
    return [plain_row(stem, name, "not-gradable", reason) for name in unit.only]


def plain_row(stem: str, name: str, verdict: str, message: str) -> Row:
    """The row of an exercise of which no check was run."""
    return {
        "section": stem,
        "exercise": name,
        "points": float(section(stem).exercises[name].points),
        "score": 0.0,
        "verdict": verdict,
        "message": message,
        "misconception": None,
        "checks": [],
    }


# -------------------------------------------------------------------------------------------------- judges, kept warm


class JudgeProcess:
    """A judge in a process of its own."""

    def __init__(self, level: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "grader.judging.judge", level],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C is for us; the judge ends when its input does
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._hear()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put("")

    def _hear(self) -> dict:
        try:
            line = self._lines.get(timeout=SILENCE_SECONDS)
        except queue.Empty:
            raise GraderFault(f"the judge said nothing for {SILENCE_SECONDS} s") from None
        if not line:
            raise GraderFault("the judge's process ended")
        answer = json.loads(line)
        if "fault" in answer:
            raise GraderFault(answer["fault"])
        return answer

    def grade(self, unit: Unit, seed: int) -> list[Row]:
        source = unit.submission.sections[unit.stem]
        request = {"stem": unit.stem, "filename": source.filename, "text": source.text, "seed": seed, "only": unit.only}
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise GraderFault("the judge's process ended") from error
        while "rows" not in (answer := self._hear()):
            pass
        return answer["rows"]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # what it had not read yet
            self._process.stdin.close()
        self._listener.join()


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
                return self._judge().grade(unit, seed)
            except GraderFault as error:
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


def stored_seed(folder: Path) -> int:
    """The seed of this folder's gradings: drawn once, kept where submissions cannot see it.

    Raises:
        OSError: it cannot be written.
    """
    import secrets

    path = folder / "seed"
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError):
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(str(secrets.randbits(53)) + "\n")
        return int(path.read_text())
