"""Our judge in the place of nbgrader's executor: `nbgrader autograde` then runs nothing of a submission.

`SubmittedNotebook` reads what was handed in, `Judged` writes what the judge says into the test cells, from where nbgrader takes
points and feedback. The first notebook that nbgrader comes to has the whole cohort judged, several at a time; the rest is
handed out from the folder's store, which `unstatic grade` uses too.
"""

import copy
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import NotebookExporter
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_grade, is_solution
from traitlets import Integer, Unicode

from grader.course import sections
from grader.faults import GraderFault
from grader.intake.submission import Submission
from grader.intake.trees import Refused, read_file
from grader.judging import cohort, schedule, store
from grader.judging.results import OURS, Row
from grader.nbgrader import unfinished
from grader.nbgrader.submitted import cells_of, rebuilt, submission, text_of
from grader.sandbox.host import isolation
from grader.source.notebooks import TEST

TIMESTAMP = "timestamp.txt"


class SubmittedNotebook(NotebookExporter):
    """How `nbgrader autograde` reads a notebook: one that was handed in is made anew from the released one and its answers."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        if getattr(self.parent, "coursedir", None) is not None:
            self._at_work = unfinished.remove(self.parent)
            # nbgrader copies what lies beside a notebook, and follows links: nothing of it is wanted
            self.parent.coursedir = copy.copy(self.parent.coursedir)
            self.parent.coursedir.ignore = ["*", ".*"]

    def from_filename(self, filename: str, resources: Any = None, **more: Any) -> tuple[Any, Any]:
        """The notebook of a file, through nbgrader's preprocessors."""
        where, directory = resources["nbgrader"], self.parent.coursedir
        names = where["student"], where["assignment"]
        path = Path(directory.format_path(directory.submitted_directory, *names), f"{where['notebook']}.ipynb")
        if os.path.abspath(filename) != os.path.abspath(path):
            return super().from_filename(filename, resources=resources, **more)
        released = Path(directory.format_path(directory.release_directory, ".", names[1]), path.name)
        if not released.is_file():
            raise FileNotFoundError(f"{released} is not there: run `nbgrader generate_assignment {names[1]}`")
        made = rebuilt(nbformat.read(released, as_version=4), self._cells(path))
        self._keep_timestamp(path.parent, Path(directory.format_path(directory.autograded_directory, *names)))
        resources["metadata"] = {"name": path.stem, "path": str(path.parent)}
        return self.from_notebook_node(nbformat.from_dict(made), resources=resources, **more)

    def _cells(self, path: Path) -> list[dict[str, Any]]:
        try:
            return cells_of(text_of(path))
        except (Refused, OSError) as error:  # the judge says so in every test cell
            self.log.warning("%s: %s", path, error)
            return []

    def _keep_timestamp(self, source: Path, to: Path) -> None:
        """By its time nbgrader sees that somebody has handed in again."""
        try:
            data = read_file(str(source / TIMESTAMP), 100)
        except FileNotFoundError:
            return
        except Refused as refusal:
            self.log.warning("%s: %s", source, refusal)
            return
        to.mkdir(parents=True, exist_ok=True)
        (to / TIMESTAMP).write_bytes(data)


class Judged(NbGraderPreprocessor):
    """Writes into each test cell what the judge says of its exercise: points, and the message that `unstatic grade` has."""

    jobs = Integer(schedule.cores(), help="How many submissions are judged at a time.").tag(config=True)
    isolation = Unicode(
        "none",
        help="The least isolation that is accepted, such as bwrap+landlock; `unstatic doctor` says what there is.",
    ).tag(config=True)
    seed = Integer(
        None,
        allow_none=True,
        help="What the checks' inputs are drawn from; by default the folder's own, in .unstatic/seed.",
    ).tag(config=True)

    def preprocess(self, notebook: Any, resources: Any) -> tuple[Any, Any]:
        """Fill the test cells of a notebook; it is the submission that is judged, not what nbgrader made of it."""
        tests = [
            cell for cell in notebook.cells if cell.cell_type == "code" and is_grade(cell) and not is_solution(cell)
        ]
        names = [_exercise(cell) for cell in tests]
        known = tuple(name for name in names if name)
        rows = self._rows(resources["nbgrader"], known) if known else {}
        for cell, name in zip(tests, names, strict=True):
            cell.outputs = outputs(rows[name], float(cell.metadata["nbgrader"]["points"])) if name else [_left_out()]
        return notebook, resources

    def _rows(self, where: dict[str, str], exercises: tuple[str, ...]) -> dict[str, Row]:
        """The rows of a submission, by exercise; the first time those of the cohort are made."""
        terms = self._terms()
        mine = submission(self._path(where["student"], where), where["student"])
        readable = [unit for unit in cohort.units([mine], exercises, terms) if unit.stem in mine.sections]
        known = all(len(terms.stored(unit)) == len(unit.only) for unit in readable)
        others = [] if known else [one for one in self._others(where) if one.name != mine.name]
        told = None if known else self._told
        document = cohort.grade([mine, *others], terms, only=exercises, jobs=self.jobs, told=told)
        rows = {row["exercise"]: row for row in document["submissions"][0]["exercises"]}
        if faults := [row for row in rows.values() if row["verdict"] == OURS]:
            raise GraderFault(f"{where['student']}, {faults[0]['exercise']}: {faults[0]['message']}")
        return rows

    def _terms(self) -> cohort.Terms:
        folder = Path(self.parent.parent.coursedir.root) / ".unstatic"
        level = isolation.choose(self.isolation)
        if level == "none":
            self.log.warning("Submissions are not isolated from this machine. `unstatic doctor` says why.")
        seed = self.seed if self.seed is not None else cohort.stored_seed(folder)
        return cohort.Terms(seed, level, _store(folder / "results.jsonl"))

    def _told(self, unit: schedule.Unit, rows: list[Row], done: int, of: int) -> None:
        score, points = sum(row["score"] for row in rows), sum(row["points"] for row in rows)
        self.log.info("Judged %s/%s: %s, %s: %g of %g", done, of, unit.submission.name, unit.stem, score, points)

    def _path(self, student: str, where: dict[str, str]) -> Path:
        directory = self.parent.parent.coursedir
        folder = directory.format_path(directory.submitted_directory, student, where["assignment"])
        return Path(folder, f"{where['notebook']}.ipynb")

    def _others(self, where: dict[str, str]) -> Iterator[Submission]:
        """Those that nbgrader will come to: all that this command was asked for and that have a notebook to be graded."""
        converter = self.parent.parent
        for folder in sorted(converter.assignments):
            student = _student(converter, folder, where["assignment"])
            path = self._path(student, where)
            graded = converter.coursedir.format_path(
                converter.coursedir.autograded_directory, student, where["assignment"]
            )
            if converter.force or not Path(graded, path.name).exists() or student == where["student"]:
                yield submission(path, student)


def _student(converter: Any, folder: str, assignment: str) -> str:
    """Whose folder this is: the only name that leads to it."""
    parts = Path(folder).parts
    directory = converter.coursedir
    return next(
        name for name in parts if directory.format_path(directory.submitted_directory, name, assignment) == folder
    )


def _exercise(cell: Any) -> str:
    """The exercise whose test cell this is; "" if it is none of the course's."""
    kind, _, name = cell.metadata["nbgrader"]["grade_id"].partition("-")
    return name if kind == TEST and any(name in of.exercises for of in sections().values()) else ""


def _left_out() -> Any:
    """Of a test cell that is not ours: without a word in it, nbgrader would give all its points."""
    words = "This is a test of nobody's: it belongs to no exercise of the course, and nothing here is executed. Give its points by hand."
    return nbformat.v4.new_output("error", ename="not-gradable", evalue="", traceback=[words])


def outputs(row: Row, points: float) -> list[Any]:
    """What a test cell shows, so that nbgrader reads the row's share of the cell's points from it.

    Args:
        row: what the judge says.
        points: the cell's, which an instructor may have changed.
    """
    share = row["score"] / row["points"] if row["points"] else float(row["verdict"] == "pass")
    words = _harmless(row["message"])
    if share == 0:
        head = f"✗ {row['exercise']}: {row['verdict']}"
        return [nbformat.v4.new_output("error", ename=row["verdict"], evalue="", traceback=[head, *words.splitlines()])]
    head = f"✓ {row['exercise']} passes" if row["verdict"] == "pass" else f"✗ {row['exercise']}: {row['verdict']}"
    text = "\n".join(part for part in (head, words) if part) + "\n"
    score = {"text/plain": str(round(points * share, 6))}
    return [
        nbformat.v4.new_output("stream", name="stdout", text=text),
        nbformat.v4.new_output("execute_result", data=score),
    ]


def _harmless(text: str) -> str:
    """Without control characters, of which some are colours to nbgrader."""
    return "".join(sign if sign.isprintable() or sign in "\n\t" else "\N{REPLACEMENT CHARACTER}" for sign in text)


@cache
def _store(path: Path) -> store.Store:
    return store.Store(path)
