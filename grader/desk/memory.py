"""What the desk remembers between commands: verdicts and rewards, each with what it depends on, a file a section.

A file that is damaged, or cannot be written, is mentioned once; nothing but time is lost. Torch is not imported here.
"""

import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from grader.course import ROOT, Exercise, Section, section
from grader.desk import depends
from grader.files import replace_file

STATE = ROOT / ".unstatic"
"""What the commands remember: verdicts and rewards, the hints that were given, and what `reset` took away."""
NOT_JSON = (ValueError, RecursionError, TypeError, AttributeError, LookupError, OverflowError)
"""What is raised of a file that is not the JSON that was written, or is something else."""


_told: set[str] = set()


def tell_once(sentence: str) -> None:
    """Say something that spoils nothing, on the error stream, once in a process."""
    if sentence not in _told:
        _told.add(sentence)
        print(f"unstatic: {sentence}", file=sys.stderr)


def keep(path: Path, data: bytes) -> None:
    """`replace_file`; where that cannot be done, it is said once, and nothing else changes."""
    try:
        replace_file(path, data)
    except OSError as error:
        tell_once(f"nothing is remembered: {shown(path.parent)} cannot be written ({error.strerror})")


def hints_given() -> dict[str, int]:
    """How many hints were given for each exercise."""
    try:
        given = json.loads((STATE / "hints.json").read_text(encoding="utf-8"))
        numbers = {str(name): int(number) for name, number in given.items()}
        if min(numbers.values(), default=0) < 0:
            raise ValueError("fewer hints than none")
        return numbers
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, *NOT_JSON):
        tell_once("which hints were given is not known any more: they begin anew")
        return {}


@dataclass(frozen=True)
class Verdict:
    """What was found of one exercise.

    Attributes:
        state: as in `progress`.
        passed: the names of the checks that passed.
        findings: of the others, (check, verdict, stub).
        waits_for: the exercise that blocks it.
        remark: what is odd about how it is written down.
    """

    state: str
    passed: list[str]
    findings: list[list[str]]
    waits_for: str = ""
    remark: str = ""


@dataclass
class _Page:
    """What is remembered of one section."""

    whole: str = ""
    verdicts: dict[str, dict[str, Any]] = field(default_factory=dict)
    rewards: dict[str, dict[str, Any]] = field(default_factory=dict)


class Memory:
    """Reads what is remembered when it is asked for, and writes what is new when it is told to."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = STATE / "judged" if folder is None else folder
        self._pages: dict[str, _Page] = {}
        self._data: dict[str, bytes | None] = {}
        self._wholes: dict[str, str] = {}
        self._slices: dict[str, str] = {}
        self._changed: set[str] = set()

    def readable(self, of: Section) -> bool:
        """Whether the section's file, as it is now, was imported before."""
        return bool(self._whole(of)) and self._page(of.stem).whole == self._whole(of)

    def verdict(self, exercise: Exercise) -> Verdict | None:
        """What was found of an exercise, if nothing has changed that this depends on."""
        of = section(exercise.section)
        entry = self._page(of.stem).verdicts.get(exercise.name)
        if entry is None or not self._whole(of):
            return None
        known = entry["file"] == self._whole(of) or entry["of"] == self._slice(exercise, of) != ""
        return Verdict(**entry["found"]) if known else None

    def learn(self, exercise: Exercise, found: Verdict) -> None:
        """Remember a verdict, unless the section's file, or one that it uses, was changed since this began."""
        of = section(exercise.section)
        if not self._is_as_it_was(of):
            return
        page = self._page(of.stem)
        entry = {"file": self._whole(of), "of": self._slice(exercise, of), "found": asdict(found)}
        if page.verdicts.get(exercise.name) != entry or page.whole != self._whole(of):
            page.whole = self._whole(of)
            page.verdicts[exercise.name] = entry
            self._changed.add(of.stem)

    def key_of_reward(self, of: Section, test: Path, threads: int) -> str:
        """What a reward depends on."""
        data = self._bytes(of)
        return "" if data is None else depends.of_reward(of, data, test, threads)

    def reward(self, of: Section, test: str, key: str) -> dict[str, Any] | None:
        """What a reward gave, if nothing has changed that this depends on and its pictures are there."""
        entry = self._page(of.stem).rewards.get(test)
        if not key or entry is None or entry["of"] != key:
            return None
        whole = all(picture_digest(ROOT / name) == known for name, known in entry["pictures"].items())
        return entry if whole else None

    def learn_reward(self, of: Section, test: str, key: str, outcome: str, says: str, pictures: list[Path]) -> None:
        """Remember what a reward gave, unless the section's file was changed since this began."""
        if not self._is_as_it_was(of):
            return
        drawn = {path.relative_to(ROOT).as_posix(): picture_digest(path) for path in pictures}
        entry = {"of": key, "outcome": outcome, "says": says, "pictures": drawn}
        self._page(of.stem).rewards[test] = entry
        self._changed.add(of.stem)

    def flush(self) -> None:
        """Write what is new."""
        for stem in sorted(self._changed):
            page = asdict(self._page(stem))
            keep(self._path(stem), json.dumps({"schema": depends.SCHEMA, "sum": _sum(page), **page}, indent=1).encode())
        self._changed.clear()

    def _bytes(self, of: Section) -> bytes | None:
        """The section's file as it was when it was asked for first; None if it could not be read."""
        if of.stem not in self._data:
            self._data[of.stem] = _read(of.stub)
        return self._data[of.stem]

    def _is_as_it_was(self, of: Section) -> bool:
        data = _read(of.stub)
        return data is not None and data == self._bytes(of) and depends.of_file(of, data) == self._whole(of)

    def _whole(self, of: Section) -> str:
        """What verdicts on the section depend on; "" if its file cannot be read."""
        if of.stem not in self._wholes:
            data = self._bytes(of)
            self._wholes[of.stem] = "" if data is None else depends.of_file(of, data)
        return self._wholes[of.stem]

    def _slice(self, exercise: Exercise, of: Section) -> str:
        if exercise.name not in self._slices:
            self._slices[exercise.name] = depends.of_exercise(exercise, of, self._bytes(of) or b"")
        return self._slices[exercise.name]

    def _path(self, stem: str) -> Path:
        return self._folder / f"{stem}.json"

    def _page(self, stem: str) -> _Page:
        if stem not in self._pages:
            self._pages[stem] = self._opened(stem)
        return self._pages[stem]

    def _opened(self, stem: str) -> _Page:
        try:
            data = json.loads(self._path(stem).read_bytes())
            schema, total = data.pop("schema"), data.pop("sum")
            if schema != depends.SCHEMA:
                return _Page()
            page = _Page(**data)
            if total != _sum(asdict(page)):
                raise ValueError("its sum is another")
        except FileNotFoundError:
            return _Page()
        except (OSError, *NOT_JSON):
            tell_once(f"{shown(self._path(stem))} is damaged: it is made anew, and what it remembered is judged again")
            self._changed.add(stem)
            return _Page()
        return page


def shown(path: Path) -> str:
    """A path as it is told: from the course's folder, where it lies in that."""
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _sum(page: dict[str, Any]) -> str:
    return depends.digest(json.dumps(page, sort_keys=True))


def picture_digest(path: Path) -> str:
    """The digest of a picture's file; "" if it is not there."""
    try:
        return depends.digest(path.read_bytes())
    except OSError:
        return ""
