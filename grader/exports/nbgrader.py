"""nbgrader: the table that `nbgrader export` writes, a line for each section of each learner.

Columns and zeros as in nbgrader/plugins/export.py: who handed in nothing has the score 0, and no time.
"""

from grader.exports.cells import Cell, table
from grader.exports.people import Class, Mark, Person
from grader.judging.results import Row

COLUMNS = ("assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email", "raw_score",
           "late_submission_penalty", "score", "max_score")  # fmt: skip


def write(found: Class) -> str:
    """The table."""
    rows = [
        _row(stem, points, person, person.marks.get(stem))
        for stem, points in found.points.items()
        for person in found.people
    ]
    return table(COLUMNS, rows)


def _row(stem: str, points: float, person: Person, mark: Mark | None) -> list[Cell]:
    first, last = _names(person)
    who: list[Cell] = [person.id, last, first, person.email]
    if mark is None and not person.fetched:
        return [stem, None, None, *who, None, None, None, points]
    if mark is None:
        return [stem, None, None, *who, 0.0, 0.0, 0.0, points]
    if mark.open:
        return [stem, None, None, *who, None, None, None, points]
    late = [row["late"] for row in mark.rows if "late" in row]
    raw = round(sum(map(_before, mark.rows)), 6)
    times: list[Cell] = [late[0]["due"], late[0]["received"]] if late else [None, None]
    return [stem, *times, *who, raw, max(0.0, round(raw - mark.score, 6)), mark.score, points]


def _before(row: Row) -> float:
    """The score before what was late lost of it; a score set by hand is what it is."""
    if "by_hand" in row or "late" not in row:
        return row["score"]
    if row["late"]["kept"] == 0:
        return row["points"] if row["verdict"] == "pass" else 0.0
    return row["score"] / row["late"]["kept"]


def _names(person: Person) -> tuple[str, str]:
    """First name and last name: of "Lovelace, Ada", or of "Ada Lovelace"."""
    if person.name == person.id:
        return "", ""
    last, comma, first = person.name.partition(",")
    if comma:
        return first.strip(), last.strip()
    first, _, last = person.name.rpartition(" ")
    return first.strip(), last.strip()
