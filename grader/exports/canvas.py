"""Canvas: what its gradebook exports, and imports again (Grades, Import). A column a section.

Canvas finds a learner by `SIS Login ID`; names are for people. An empty cell leaves what the gradebook has.
https://community.instructure.com/ "How do I import grades in the Gradebook", and what a course's own export begins with.
"""

from grader.exports.cells import Cell, table
from grader.exports.people import Class

COLUMNS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")


def write(found: Class) -> str:
    """The table, its second line what each section is worth."""
    titled = found.titled()
    rows: list[list[Cell]] = [["    Points Possible", None, None, None, None, *found.points.values()]]
    for person in found.people:
        marks = [person.marks.get(stem) for stem, _ in titled]
        rows.append(
            [person.name, None, None, person.id, None, *[None if m is None or m.open else m.score for m in marks]]
        )
    return table([*COLUMNS, *(title for _, title in titled)], rows)
