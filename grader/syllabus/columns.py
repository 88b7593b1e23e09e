"""Tables beside a course's file, as a spreadsheet or a learning platform exports them: CSV with a line of names."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.intake.visible import one_line
from grader.syllabus.entries import Entry, Faults

MOST_OF_HEAD = 10_000
"""So many characters of the line of names are looked at for what stands between them."""


@dataclass(frozen=True)
class Line:
    """One line of a table: what stands under each name, and where it is."""

    faults: Faults
    path: Path
    number: int
    cells: dict[str, str]

    def __getitem__(self, name: str) -> str:
        return self.cells.get(name, "")

    def fault(self, words: str) -> None:
        self.faults.add(self.path, self.number, words)


def lines(entry: Entry, needed: Sequence[str], known: Sequence[str]) -> list[Line]:
    """The lines of the table whose path an entry of the course's file gives, relative to that file; see `table`."""
    path = entry.file.path.parent / entry.text()
    try:
        return table(path, entry.file.faults, needed, known)
    except OSError as error:
        entry.fault(f"{entry.shown}: {path} cannot be read: {(error.strerror or str(error)).lower()}")
        return []


def table(path: Path, faults: Faults, needed: Sequence[str], known: Sequence[str]) -> list[Line]:
    """The lines of a table.

    Columns of other names are the platform's own and are not read. What is wrong is noted.

    Args:
        path: where it lies.
        faults: what is wrong is added to these.
        needed: columns that must be there, with something in each line.
        known: the others that are read.

    Raises:
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    if data.startswith(b"PK\x03\x04"):
        faults.add(path, 1, "this is a spreadsheet's own file; save the table as CSV in UTF-8")
        return []
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        faults.add(path, number, "this is not UTF-8 text; save the table as CSV in UTF-8")
        return []
    delimiter = _delimiter(text, needed)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    rows = ((reader.line_num, [cell.strip() for cell in row]) for row in reader)
    try:
        return _read(rows, path, faults, needed, known)
    except csv.Error as error:
        faults.add(path, reader.line_num, f"this is no CSV from here on ({error}): is a quotation mark missing?")
        return []


def _delimiter(text: str, needed: Sequence[str]) -> str:
    """What stands between the columns: what gives those that are needed, or else the most, as a name may hold the others."""
    head = next((line for line in text.splitlines() if line.strip()), "")[:MOST_OF_HEAD]

    def found(delimiter: str) -> tuple[int, int]:
        names = [
            name.strip().casefold() for name in next(csv.reader([head], delimiter=delimiter, skipinitialspace=True), [])
        ]
        return sum(name in names for name in needed), len(names)

    return max(",;\t", key=found)


def _read(
    rows: Iterable[tuple[int, list[str]]], path: Path, faults: Faults, needed: Sequence[str], known: Sequence[str]
) -> list[Line]:
    """The lines of a table, given its rows with their numbers. An empty row is none, be there separators in it.

    Raises:
        csv.Error: it is none.
    """
    filled = ((number, row) for number, row in rows if any(row))
    first, names = next(filled, (1, []))
    names = [name.casefold() for name in names]
    if lacking := [name for name in needed if name not in names]:
        there = ", ".join(one_line(name, 30) for name in names if name) or "nothing"
        faults.add(
            path,
            first,
            f"the first line names no column {lacking[0]}; it must have {', '.join(needed)}, and has {there}: "
            "give the columns these names",
        )
        return []
    if twice := [name for name in (*needed, *known) if names.count(name) > 1]:
        faults.add(path, first, f"two columns are called {twice[0]}: leave that name to the one that is meant")
        return []
    found = []
    for number, row in filled:
        cells = dict(zip(names, row, strict=False))
        line = Line(faults, path, number, {name: cells.get(name, "") for name in (*needed, *known)})
        if empty := [name for name in needed if not line[name]]:
            line.fault(f"there is no {empty[0]} in this line")
        else:
            found.append(line)
    return found
