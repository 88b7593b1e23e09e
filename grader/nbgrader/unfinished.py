"""What `nbgrader autograde` began and did not finish, because it was killed: a folder is there, so that nbgrader would skip it ever after."""

import json
import re
from pathlib import Path
from typing import IO, Any

from nbgrader.utils import rmtree

from grader.source.notebooks import TEST

LOCK = "autograde.lock"
"""In the course's .unstatic: held by each `nbgrader autograde` as long as it lives."""


def remove(converter: Any) -> IO[bytes]:
    """Remove what is unfinished of that which nbgrader will come to, if no other one is at work.

    Gives the lock, which is held while it is open. On file systems without locks nothing is removed.

    Raises:
        OSError: the lock's file cannot be opened.
    """
    import fcntl

    path = Path(converter.coursedir.root) / ".unstatic" / LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    held = path.open("ab")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for folder in filter(is_unfinished, _destinations(converter)):
            converter.log.warning("Removing what was begun and not finished: %s", folder)
            rmtree(str(folder))
        fcntl.flock(held, fcntl.LOCK_SH)
    except OSError:
        converter.log.debug("Another autograde is at work, or there are no locks here")
    return held


def _destinations(converter: Any) -> list[Path]:
    """The folders that nbgrader will write to."""
    directory = converter.coursedir
    form = directory.format_path(
        directory.submitted_directory, "(?P<student_id>.*)", "(?P<assignment_id>.*)", escape=True
    )
    names = [found.groupdict() for folder in converter.assignments if (found := re.match(form, folder))]
    return [
        Path(directory.format_path(directory.autograded_directory, one["student_id"], one["assignment_id"]))
        for one in names
    ]


def is_unfinished(folder: Path) -> bool:
    """Whether a folder is there and has no notebook, or one in which a test cell of ours says nothing."""
    notebooks = list(folder.glob("*.ipynb"))
    return folder.is_dir() and not (notebooks and all(map(_is_judged, notebooks)))


def _is_judged(notebook: Path) -> bool:
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        return all(cell["outputs"] for cell in cells if cell["cell_type"] == "code" and _is_test(cell["metadata"]))
    except (ValueError, LookupError, TypeError, AttributeError):  # what a kill left of a file
        return False


def _is_test(metadata: dict[str, Any]) -> bool:
    marks = metadata.get("nbgrader", {})
    return bool(marks.get("grade")) and str(marks.get("grade_id")).startswith(f"{TEST}-")


def is_graded(submission: Any) -> bool:
    """Whether the gradebook has a score for each test cell of ours: where one is missing, nbgrader counts 0."""
    return not any(
        grade.auto_score is None and grade.manual_score is None and grade.name.startswith(f"{TEST}-")
        for notebook in submission.notebooks
        for grade in notebook.grades
    )
