"""Values of a TOML file that know where they stand, so that what is wrong with one is told with its line."""

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import Any, TypeVar

from grader.course import CourseError
from grader.intake.visible import one_line

T = TypeVar("T")
CLOSINGS = ("", "]", "}", "}]", "]}", "}]}")
"""What may end a file that is cut off after a line within a value."""
MOST = 1e9
"""No number of a course's is larger."""
YEARS = range(1900, 9001)
"""Of a deadline or a receipt: a calendar ends in 9999, and zones and extensions are added."""


class SyllabusError(CourseError):
    """A course's own file says something that cannot be; each line of the message names a file and a line."""


class Faults:
    """What is wrong with a course's file and the tables beside it, told all at once."""

    def __init__(self) -> None:
        self.found: list[tuple[Path, int, str]] = []

    def add(self, path: Path, line: int, words: str) -> None:
        self.found.append((path, line, words))

    def tell(self) -> None:
        """Tell the faults, each with its file and line, in their order.

        Raises:
            SyllabusError: there are some.
        """
        if self.found:
            raise SyllabusError("\n".join(f"{path}:{line}: {words}" for path, line, words in sorted(set(self.found))))


@dataclass
class TomlFile:
    """A file that is being read, and the faults found so far."""

    path: Path
    text: str
    faults: Faults = field(default_factory=Faults)

    @classmethod
    def load(cls, path: Path) -> "Entry":
        """The file's whole table.

        Raises:
            SyllabusError: it cannot be read, or is not TOML.
        """
        try:
            text = path.read_text(encoding="utf-8-sig")
            return Entry(cls(path, text), (), tomllib.loads(text))
        except OSError as error:
            raise SyllabusError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from error
        except UnicodeDecodeError as error:
            number = error.object.count(b"\n", 0, error.start) + 1
            raise SyllabusError(f"{path}:{number}: this is not UTF-8 text; save it as UTF-8") from error
        except tomllib.TOMLDecodeError as error:
            words, _, where = str(error).partition(" (at ")
            line = where.split(",")[0].removeprefix("line ") if where.startswith("line") else str(text.count("\n") + 1)
            raise SyllabusError(f"{path}:{line}: this is not TOML: {words.lower()}") from error
        except (RecursionError, ValueError) as error:
            raise SyllabusError(
                f"{path}:{_unread(text)}: a value here is nested too deeply, or a number has too many digits"
            ) from error

    def line(self, place: tuple[str | int, ...]) -> int:
        """The line where the value at this place ends its first line: the first after which a parser knows the value."""
        lines = self.text.splitlines()
        names = [str(part) for part in place if isinstance(part, str)]
        for number in range(1, len(lines) + 1):
            if names and names[-1] not in lines[number - 1] and not isinstance(place[-1], int):
                continue
            if any(_has(_parsed("\n".join(lines[:number]) + closing), place) for closing in CLOSINGS):
                return number
        return 1


def _parsed(text: str) -> Any:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _unread(text: str) -> int:
    """The line from which on a parser gives up on a text that is TOML all the same."""
    lines = text.splitlines()
    for number in range(1, len(lines)):
        try:
            _parsed("\n".join(lines[:number]))
        except (RecursionError, ValueError):
            return number
    return len(lines)


def _has(value: Any, place: tuple[str | int, ...]) -> bool:
    for part in place:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True


class _Fault(Exception):
    """Ends the reading of one entry; the fault is noted in the file."""


@dataclass(frozen=True)
class Entry:
    """One value and its place in the file: ("deadlines", "s1_forward_reverse"), or ("scores", 2)."""

    file: TomlFile
    place: tuple[str | int, ...]
    value: Any

    @property
    def key(self) -> str:
        return str(self.place[-1]) if self.place else ""

    @property
    def shown(self) -> str:
        parts = [f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in self.place]
        return "".join(parts).removeprefix(".")

    def fault(self, words: str) -> _Fault:
        """Note what is wrong here; raise what this returns to end the reading of the entry."""
        self.file.faults.add(self.file.path, self.file.line(self.place), words)
        return _Fault(words)

    def _wrong(self, wanted: str) -> _Fault:
        value = repr(self.value) if isinstance(self.value, str | bool) else self.value
        return self.fault(f"{self.shown} = {one_line(str(value), 60)}: give {wanted}")

    def inner(self, part: str | int) -> "Entry":
        return Entry(self.file, (*self.place, part), self.value[part])

    def get(self, key: str, read: Callable[["Entry"], T], default: T) -> T:
        """What `read` makes of a key of this table; the default where it is not there, or wrong, which is then noted."""
        if key not in self.table():
            return default
        return next(self.inner(key)._read(read), default)

    def need(self, key: str, read: Callable[["Entry"], T]) -> T:
        """What `read` makes of a key that this table must have."""
        if key not in self.table():
            raise self.fault(f"{self.shown} lacks {key}")
        return read(self.inner(key))

    def _read(self, read: Callable[["Entry"], T]) -> Iterator[T]:
        try:
            yield read(self)
        except _Fault:
            return

    def only(self, *keys: str) -> "Entry":
        """The same table, which has no other keys than these; each other one is noted."""
        for key in self.table():
            if key not in keys:
                of = f"a key of {self.shown}" if self.place else "a key of a course's file"
                self.inner(key).fault(f"{one_line(key)} is not {of}; there are {', '.join(keys)}")
        return self

    # ------------------------------------------------------------------------------------------------------ kinds

    def table(self) -> dict[str, Any]:
        if not isinstance(self.value, dict):
            raise self._wrong("a table")
        return self.value

    def each(self, read: Callable[["Entry"], T]) -> dict[str, T]:
        """What `read` makes of each value of a table; those that are wrong are noted and left out."""
        return {key: found for key in self.table() for found in self.inner(key)._read(read)}

    def items(self, read: Callable[["Entry"], T]) -> list[T]:
        """The same of a list."""
        if not isinstance(self.value, list):
            table = f", each begun by [[{self.shown}]]" if isinstance(self.value, dict) else ""
            raise self._wrong(f"a list{table}")
        return [found for index in range(len(self.value)) for found in self.inner(index)._read(read)]

    def text(self) -> str:
        if not isinstance(self.value, str) or not self.value.strip() or "\0" in self.value:
            raise self._wrong("text")
        return " ".join(self.value.split())

    def flag(self) -> bool:
        if not isinstance(self.value, bool):
            raise self._wrong("true or false")
        return self.value

    def number(self, least: float = 0.0, most: float = MOST) -> float:
        wanted = (
            f"a number from {least:g} to {most:g}" if most < MOST else f"a number, {least:g} or more, up to {MOST:,.0f}"
        )
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self._wrong(wanted)
        if not least <= self.value <= most:
            raise self._wrong(wanted)
        return float(self.value)

    def moment(self, zone: tzinfo | None) -> datetime:
        """A point in time; a day alone is its end, and what names no offset is in the course's time zone."""
        wanted = "a day or a time, as 2026-03-01 or 2026-03-01T18:00:00+01:00, without quotes"
        found = self.value
        if isinstance(found, date) and found.year not in YEARS:
            raise self._wrong(f"a year from {YEARS[0]} to {YEARS[-1]}")
        if isinstance(found, date) and not isinstance(found, datetime):
            found = datetime.combine(found, time()) + timedelta(days=1)
        if not isinstance(found, datetime):
            raise self._wrong(wanted)
        if found.tzinfo is None:
            if zone is None:
                raise self.fault(
                    f"{self.shown} = {self.value}: nothing says where this is; give it an offset, as +01:00, or the "
                    'file a time zone, as timezone = "Europe/Vienna"'
                )
            found = found.replace(tzinfo=zone)
        return found
