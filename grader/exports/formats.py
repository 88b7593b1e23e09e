"""The formats that `unstatic export --to` knows."""

from collections.abc import Callable, Mapping
from pathlib import Path

from grader.exports import canvas, classroom50, gradescope, junit, moodle, nbgrader
from grader.exports.document import NotResults
from grader.exports.people import Class, everybody
from grader.judging.results import Document, Graded
from grader.reports.feedback import file_names
from grader.syllabus.roster import Roster

TABLES: dict[str, Callable[[Class], str]] = {"canvas": canvas.write, "moodle": moodle.write, "nbgrader": nbgrader.write}
"""Of a whole class."""
SINGLE: dict[str, Callable[[Graded, str, Mapping[str, str]], str]] = {
    "gradescope": lambda graded, isolation, environment: gradescope.write(graded, isolation),
    "classroom50": lambda graded, isolation, environment: classroom50.write(graded, environment),
}
"""Of one submission, given the level of isolation and the environment: a file each."""
FORMATS = (*TABLES, *SINGLE, "junit")


def export(
    document: Document, to: str, roster: Roster | None, environment: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """The texts by file name, and what there is to tell.

    The name is "" where there is one file only.

    Raises:
        NotResults: the document cannot be had in this format.
        NotInClassroom: nothing says whose a result for Classroom 50 is.
    """
    if to in TABLES:
        found = everybody(document, roster)
        return {"": TABLES[to](found)}, found.doubts
    if to == "junit":
        return {"": junit.write(document)}, []
    if not document["submissions"]:
        raise NotResults(f"there is no submission in it, of which {to} could be told")
    if len(document["submissions"]) == 1:
        return {"": SINGLE[to](document["submissions"][0], document["isolation"], environment)}, []
    if to == "classroom50":
        raise NotResults("Classroom 50's result is of one submission, and there are several in it; grade one alone")
    return _each(document, to, environment)


def _each(document: Document, to: str, environment: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """A file a submission; those that cannot be had are told."""
    texts: dict[str, str] = {}
    doubts: list[str] = []
    for name, graded in zip(file_names(document, ".json"), document["submissions"], strict=True):
        try:
            texts[name] = SINGLE[to](graded, document["isolation"], environment)
        except NotResults as refused:
            doubts.append(f"{refused}; it has no file")
    return texts, doubts


def place(output: Path, name: str) -> Path:
    """Where a file goes: at the output itself, or in it as a folder where there are several."""
    return output / name if name else output
