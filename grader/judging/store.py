"""What is kept of earlier gradings, so that a killed run resumes and an unchanged submission is not graded twice."""

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import platform
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from grader.course import COURSE_FILE, ROOT
from grader.judging.results import SCHEMA, Row


@dataclass(frozen=True)
class Key:
    """What the rows of a unit depend on: the same key, the same rows but for times.

    Attributes:
        content: the submission's `intake.fingerprint` for the section.
        section: the section's stem.
        seed: what the inputs are drawn from.
        course: `course_version()`.
        isolation: the level at which the submission ran.
        only: the exercises asked for; empty for all.
    """

    content: str
    section: str
    seed: int
    course: str
    isolation: str
    only: tuple[str, ...] = ()

    def text(self) -> str:
        return json.dumps(dataclasses.asdict(self), sort_keys=True)


class Store:
    """The rows of earlier gradings, by key, in a file of JSON lines that any number of graders append to at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: dict[str, list[Row]] = {}
        self._file: tuple[int, int] | None = None
        self._read_up_to = 0
        self._lock = threading.Lock()

    def get(self, key: Key) -> list[Row] | None:
        """The rows stored last for this key, by this grader or another; None if there are none."""
        with self._lock:
            self._refresh()
            rows = self._rows.get(key.text())
        return json.loads(json.dumps(rows)) if rows is not None else None  # a copy, which the caller may change

    def put(self, key: Key, rows: Sequence[Row]) -> None:
        """Store the rows of a unit. Those with a `grader-error` are not results, and are left out.

        Raises:
            OSError: they cannot be written; the message names the file and the reason, and the file is as it was.
        """
        if any(row["verdict"] == "grader-error" for row in rows):
            return
        line = json.dumps({"schema": SCHEMA, "key": dataclasses.asdict(key), "rows": list(rows)})
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _append(self.path, line.encode() + b"\n")
        except OSError as error:
            raise OSError(error.errno, f"results cannot be stored: {error.strerror}", str(self.path)) from error

    def _refresh(self) -> None:
        """Read the lines that were added since the last time."""
        try:
            with self.path.open("rb") as file:
                info = os.fstat(file.fileno())
                if self._file != (info.st_dev, info.st_ino) or info.st_size < self._read_up_to:  # another file, or cut
                    self._file, self._read_up_to, self._rows = (info.st_dev, info.st_ino), 0, {}
                if info.st_size == self._read_up_to:
                    return
                file.seek(self._read_up_to)
                whole, newline, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            self._file, self._read_up_to, self._rows = None, 0, {}
            return
        self._read_up_to += len(whole) + len(newline)
        for line in whole.split(b"\n"):
            self._take(line)

    def _take(self, line: bytes) -> None:
        # A line that a kill or a power cut left behind is not JSON; one of another schema is another version's.
        with contextlib.suppress(ValueError, KeyError, TypeError):
            entry = json.loads(line)
            if entry["schema"] == SCHEMA and isinstance(entry["rows"], list):
                self._rows[json.dumps(entry["key"], sort_keys=True)] = entry["rows"]


def _append(path: Path, line: bytes) -> None:
    """Add a whole line to the file, on disk when this returns; or raise OSError and leave the file as it was."""
    opened = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)  # one grader writes at a time; let go when the file is closed or we die
        size = os.fstat(opened).st_size
        if size and os.pread(opened, 1, size - 1) != b"\n":  # a writer was killed in the middle of its line
            line = b"\n" + line
        try:
            left = memoryview(line)
            while left:
                left = left[os.write(opened, left) :]
            os.fsync(opened)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(opened, size)
            raise
    finally:
        os.close(opened)


@cache
def course_version() -> str:
    """A hash of all that a verdict depends on beside the submission: the course, the grader, and what draws and computes."""
    found = hashlib.sha256()
    for package in ("torch", "hypothesis", "numpy"):
        found.update(f"{package} {version(package)}\n".encode())
    found.update(f"python {platform.python_version()} {platform.machine()}\n".encode())
    for path in _course_files():
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        found.update(f"{path.relative_to(ROOT).as_posix()} {content}\n".encode())
    return found.hexdigest()


def _course_files() -> list[Path]:
    folders = [ROOT / "exercises" / "checks", ROOT / "exercises" / "toolkit", ROOT / "solutions"]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    files += [COURSE_FILE, *(ROOT / "grader").rglob("*.py")]
    return sorted(path for path in files if "__pycache__" not in path.parts)
