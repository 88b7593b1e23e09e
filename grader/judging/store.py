"""What is kept of earlier gradings, so that a killed run resumes and an unchanged submission is not graded twice."""

import contextlib
import dataclasses
import hashlib
import json
import math
import os
import pkgutil
import platform
import sys
import sysconfig
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

from grader.course import COURSE_FILE, ROOT
from grader.judging.results import OURS, VERDICTS, Row
from grader.sandbox.host.scratch import lock, lock_if_possible

SCHEMA = 2
"""Of the store's lines."""


@dataclass(frozen=True)
class Key:
    """What the rows of a unit depend on: the same key, the same rows but for times.

    Attributes:
        content: the submission's `intake.submission.fingerprint` for the section.
        section: the section's stem.
        seed: what the inputs are drawn from.
        course: `course_version()`.
        isolation: the level at which the submission ran.
        only: the exercises asked for; empty for all.
        time: the times as long that exercises of the section have, as (exercise, factor).
        checks: a digest of the instructor's own checks of the section.
        charge_once: whether what uses a wrong exercise is judged with ours in its place.
    """

    content: str
    section: str
    seed: int
    course: str
    isolation: str
    only: tuple[str, ...] = ()
    time: tuple[tuple[str, float], ...] = ()
    checks: str = ""
    charge_once: bool = True

    def text(self) -> str:
        return json.dumps(dataclasses.asdict(self), sort_keys=True)


class Store:
    """The rows of earlier gradings, by key, in a file of JSON lines that any number of graders append to at once.

    Attributes:
        doubts: what was found in the file that nobody of us wrote, or that was changed since; a sentence each. It counts for
            nothing, and what it was about is graded again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.doubts: list[str] = []
        self._rows: dict[str, list[Row]] = {}
        self._file: tuple[int, int] | None = None
        self._read_up_to = 0
        self._lines = 0
        self._lock = threading.Lock()

    def get(self, key: Key) -> list[Row]:
        """The rows stored last for this key, by this grader or another, those of single exercises where no more could be graded."""
        with self._lock:
            self._refresh()
            rows = self._rows.get(key.text(), [])
        return json.loads(json.dumps(rows))  # a copy, which the caller may change

    def put(self, key: Key, rows: Sequence[Row]) -> None:
        """Store the rows of a unit. Those with a `grader-error` are not results, and are left out.

        Raises:
            OSError: they cannot be written; the message names the file and the reason, and the file is as it was.
        """
        kept = [row for row in rows if row["verdict"] != OURS]
        if not kept:
            return
        entry = {"schema": SCHEMA, "key": dataclasses.asdict(key), "rows": kept}
        line = json.dumps({**entry, "checksum": checksum(entry)})
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _append(self.path, line.encode() + b"\n")
        except OSError as error:
            raise OSError(error.errno, f"results cannot be stored: {error.strerror}", str(self.path)) from error

    @contextlib.contextmanager
    def claim(self, key: Key) -> Iterator[bool]:
        """Say that one grades this, so that another grader on the same store takes something else meanwhile.

        Gives whether it is ours to grade; where claims cannot be kept, everything is.
        """
        folder = self.path.parent / "claims"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / hashlib.sha256(key.text().encode()).hexdigest()
            opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        except OSError:
            yield True
            return
        try:
            lock(opened, wait=False)  # the kernel lets go of it when we die
        except BlockingIOError:
            os.close(opened)
            yield False
            return
        except OSError:  # a file system without locks: better twice than never
            os.close(opened)
            yield True
            return
        try:
            yield True
        finally:
            with contextlib.suppress(OSError):
                path.unlink()
            os.close(opened)

    def _refresh(self) -> None:
        """Read the lines that were added since the last time."""
        try:
            with self.path.open("rb") as file:
                info = os.fstat(file.fileno())
                if self._file != (info.st_dev, info.st_ino) or info.st_size < self._read_up_to:  # another file, or cut
                    self._file, self._rows = (info.st_dev, info.st_ino), {}
                    self._read_up_to = self._lines = 0
                if info.st_size == self._read_up_to:
                    return
                file.seek(self._read_up_to)
                whole, newline, _ = file.read().rpartition(b"\n")
                if not newline:  # of a line that somebody is writing now
                    return
        except FileNotFoundError:
            self._file, self._rows = None, {}
            self._read_up_to = self._lines = 0
            return
        self._read_up_to += len(whole) + len(newline)
        for line in whole.split(b"\n"):
            self._take(line)

    def _take(self, line: bytes) -> None:
        self._lines += 1
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):  # what a kill or a power cut left behind
            return
        if not isinstance(entry, dict) or entry.get("schema") != SCHEMA:  # another version's
            return
        if why := _doubt(entry):
            self.doubts.append(f"{self.path}:{self._lines}: {why}; it counts for nothing, and is graded again")
        else:
            self._rows[json.dumps(entry["key"], sort_keys=True)] = entry["rows"]


def checksum(entry: dict) -> str:
    """Of an entry's key and rows: who edits it by hand would have to know."""
    plain = json.dumps([entry["key"], entry["rows"]], sort_keys=True)
    return hashlib.blake2b(plain.encode(), digest_size=16).hexdigest()


def _doubt(entry: dict) -> str:
    """Why an entry cannot be what a grader wrote; "" if it can."""
    try:
        if entry["checksum"] != checksum(entry):
            return "this result was changed after it was written"
        return next((why for row in entry["rows"] if (why := _not_a_row(row))), "")
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        return f"this is no result ({type(error).__name__}: {error})"


def _not_a_row(row: dict) -> str:
    if row["verdict"] not in VERDICTS:
        return f"{row['verdict']!r} is no verdict"
    if not all(isinstance(row[key], str) for key in ("section", "exercise", "message")):
        return "a result without section, exercise and message"
    if not 0 <= float(row["score"]) <= float(row["points"]) < math.inf:
        return f"a score of {row['score']} of {row['points']}"
    return ""


def _append(path: Path, line: bytes) -> None:
    """Add a whole line to the file, on disk when this returns; or raise OSError and leave the file as it was."""
    opened = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        # One grader writes at a time, where there are locks; a line that others write into is known by its checksum
        alone = lock_if_possible(opened)
        size = os.fstat(opened).st_size
        if size and os.pread(opened, 1, size - 1) != b"\n":  # a writer was killed in the middle of its line
            line = b"\n" + line
        try:
            left = memoryview(line)
            while left:
                left = left[os.write(opened, left) :]
            os.fsync(opened)
        except OSError:
            if alone:
                with contextlib.suppress(OSError):
                    os.ftruncate(opened, size)
            raise
    finally:
        os.close(opened)


@cache
def course_version() -> str:
    """A hash of all that a verdict depends on beside the submission: the course, the grader, and all that can be imported."""
    found = hashlib.sha256()
    for installed in installed_here():
        found.update(f"{installed}\n".encode())
    found.update(f"python {platform.python_version()} {platform.machine()}\n".encode())
    for path in course_files():
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        found.update(f"{path.relative_to(ROOT).as_posix()} {content}\n".encode())
    return found.hexdigest()


def installed_here() -> list[str]:
    """What the judge and submissions can import: distributions with their versions, and modules, which may have come otherwise.

    Only of the folders that are installed into: libraries lengthen `sys.path` while they run (setuptools by what it ships).
    """
    below = {sysconfig.get_paths()[kind] for kind in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders = [path for path in sys.path if path in below or "-packages" in Path(path).name]
    found = {f"{one.metadata['Name']} {one.version}" for one in distributions(path=folders)}
    return sorted(found | {module.name for module in pkgutil.iter_modules(folders)})


def course_files() -> list[Path]:
    """The files of the checkout that a verdict depends on."""
    folders = [ROOT / "exercises" / "checks", ROOT / "exercises" / "toolkit", ROOT / "solutions"]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    files += [COURSE_FILE, *(ROOT / "grader").rglob("*.py")]
    return sorted(path for path in files if "__pycache__" not in path.parts)
