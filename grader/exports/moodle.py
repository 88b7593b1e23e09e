"""Moodle: a table for Grades, Import, CSV file. A column a section, and one with a line about it.

Whoever imports says which column tells whose a line is ("ID number", "Username" or "Email address") and which grade goes where;
an empty cell is no grade.
"""

from grader.exports.cells import Cell, table
from grader.exports.people import Class, Mark

COLUMNS = ("Full name", "Username", "ID number", "Email address")


def write(found: Class) -> str:
    """The table."""
    titled = found.titled()
    head = [*COLUMNS, *(name for _, title in titled for name in (title, f"{title} (feedback)"))]
    rows: list[list[Cell]] = []
    for person in found.people:
        cells: list[Cell] = [person.name, person.id, person.id, person.email or None]
        for stem, _ in titled:
            cells += _cells(person.marks.get(stem))
        rows.append(cells)
    return table(head, rows)


def _cells(mark: Mark | None) -> list[Cell]:
    return [None, None] if mark is None else [None if mark.open else mark.score, mark.said]
