"""`nbgrader export`: the columns of nbgrader's own CSV, in which no name can be a formula or break a line."""

import csv
import io
from pathlib import Path
from typing import Any

from nbgrader.api import MissingEntry
from nbgrader.plugins import ExportPlugin

from grader.exports.cells import safe
from grader.exports.nbgrader import COLUMNS
from grader.files import write_atomically
from grader.nbgrader.unfinished import is_graded


class CsvExport(ExportPlugin):
    """In the place of nbgrader's CSV export, which writes names as they are."""

    def export(self, gradebook: Any) -> None:
        """Write a line for each assignment and learner to `to`, by default grades.csv."""
        path = Path(self.to or "grades.csv")
        self.log.info("Exporting grades to %s", path)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for assignment in gradebook.assignments:
            for student in gradebook.students:
                if self._wanted(assignment, student):
                    row = _row(gradebook, assignment, student)
                    if row["score"] is None:
                        told = (
                            "%s, %s: handed in and not graded; the cells are empty. Run `nbgrader autograde %s` again"
                        )
                        self.log.warning(told, student.id, assignment.name, assignment.name)
                    writer.writerow([_cell(row[name]) for name in COLUMNS])
        write_atomically(path, text.getvalue(), named=True)

    def _wanted(self, assignment: Any, student: Any) -> bool:
        assignments, students = [str(name) for name in self.assignment], [str(name) for name in self.student]
        return (not assignments or assignment.name in assignments) and (not students or student.id in students)


def _row(gradebook: Any, assignment: Any, student: Any) -> dict[str, Any]:
    row = {
        "assignment": assignment.name,
        "duedate": assignment.duedate,
        "student_id": student.id,
        "last_name": student.last_name,
        "first_name": student.first_name,
        "email": student.email,
        "max_score": assignment.max_score,
    }
    try:
        handed_in = gradebook.find_submission(assignment.name, student.id)
    except MissingEntry:
        return row | {"timestamp": "", "raw_score": 0.0, "late_submission_penalty": 0.0, "score": 0.0}
    if not is_graded(handed_in):
        return row | {
            "timestamp": handed_in.timestamp,
            "raw_score": None,
            "late_submission_penalty": None,
            "score": None,
        }
    late = handed_in.late_submission_penalty
    return row | {
        "timestamp": handed_in.timestamp,
        "raw_score": handed_in.score,
        "late_submission_penalty": late,
        "score": max(0.0, handed_in.score - late),
    }


def _cell(value: Any) -> str:
    return safe(value) if isinstance(value, str) else "" if value is None else str(value)
