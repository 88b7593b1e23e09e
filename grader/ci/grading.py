"""One learner's section files graded, and what the learner may see of it left in a folder: nothing of anybody else's, and no seed."""

import re
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from grader.ci import badge, workflow
from grader.ci.take import Taken
from grader.course import find_exercise, sections
from grader.exports import classroom50, gradescope, junit
from grader.files import write_atomically
from grader.intake import reading as intake
from grader.intake.sources import Source
from grader.intake.submission import Submission
from grader.judging import cohort
from grader.judging.results import OURS, Document, Graded, Row
from grader.judging.store import Store
from grader.reports import feedback, report
from grader.reports.tally import is_isolated, look, number
from grader.sandbox.host import isolation
from grader.syllabus.grading import Grading


@dataclass(frozen=True)
class Result:
    """A submission and what came of it, as its learner may see it; the document holds no other's."""

    submission: Submission
    document: Document

    @property
    def graded(self) -> Graded:
        return self.document["submissions"][0]

    @property
    def ours(self) -> bool:
        """Whether something is left open by a fault of ours."""
        return any(row["verdict"] == OURS for row in self.graded["exercises"])


def grade(
    folder: Path, taken: Taken, *, only: list[str], rules: Path | None, least: str, seed: int | None, jobs: int = 2
) -> Result:
    """Grade what was taken into a folder.

    Args:
        folder: where the files lie.
        taken: what was taken.
        only: exercises or sections; all that are there if empty.
        rules: the course's own file, if it has one.
        least: the least isolation that is accepted.
        seed: what the inputs are drawn from; drawn afresh, and told to nobody, if None.
        jobs: sections at a time.

    Raises:
        isolation.Refused: this machine does not isolate as much.
        ValueError: `only` names what there is not.
    """
    for name in only:
        if name not in sections():
            find_exercise(name)
    level = isolation.choose(least)
    submission = intake.read(folder, taken.name)
    if submission.is_empty:  # of a class that is missing; a learner by themselves is told what to do
        submission.problems[None] = intake.nothing_found(taken.name)
    submission.notes.extend(f"not taken: {reason}" for reason in taken.left)
    with tempfile.TemporaryDirectory() as kept:
        terms = cohort.Terms(secrets.randbits(53) if seed is None else seed, level, Store(Path(kept) / "results.jsonl"))
        grading = Grading([submission], rules, only)
        found = grading.run(terms, jobs=jobs)
    own = [feedback.for_learner(one) for one in found["submissions"] if one["name"] == taken.name]
    document: Document = {"schema": found["schema"], "seed": found["seed"], "isolation": level, "submissions": own}
    if "course" in found:
        document["course"] = found["course"]
    return Result(submission, document)


def leave(result: Result, folder: Path, environment: dict[str, str]) -> None:
    """Write what the learner gets into a folder.

    Raises:
        OSError: it cannot be written.
    """
    document, graded = result.document, result.graded
    texts = {
        "junit.xml": junit.write(document),
        "feedback.md": feedback.markdown(document, graded),
        "feedback.html": report.learner_html(document, graded),
        "badge.svg": badge.svg(graded),
        "badge.json": badge.endpoint(graded),
    }
    if not result.ours:
        texts["results.json"] = gradescope.write(graded, document["isolation"])
        if environment.get("CLASSROOM"):
            texts["result.json"] = classroom50.write(graded, environment)
    for name, text in texts.items():
        write_atomically(folder / name, text)


def summary(result: Result, taken: Taken) -> str:
    """The job's summary: points, a table, how it was isolated, and each message."""
    document, graded = result.document, result.graded
    lines = [f"| {feedback.plain(row['section'])} | {feedback.plain(row['exercise'])} | {look(row['verdict']).symbol} {feedback.plain(row['verdict'])} | "
             f"{number(row['score'])} of {number(row['points'])} |" for row in graded["exercises"]]  # fmt: skip
    parts = [
        f"## {feedback.plain(graded['name'])}: {badge.said(graded)}",
        isolated(document),
        "\n".join(["| section | exercise | verdict | points |", "| --- | --- | --- | --- |", *lines]),
        *(f"Not taken: {feedback.plain(reason)}" for reason in taken.left),
        feedback.markdown(document, graded),
    ]
    return "\n\n".join(parts)


def isolated(document: Document) -> str:
    """How what was submitted was kept in on this machine."""
    if is_isolated(document):
        return f"What was submitted ran in isolation on this runner: {feedback.plain(document['isolation'])}."
    return "**What was submitted was not isolated from this runner.**"


def annotate(result: Result, taken: Taken) -> None:
    """Say at the learner's lines what is wrong there, and how it was isolated."""
    level = "notice" if is_isolated(result.document) else "warning"
    workflow.annotation(level, isolated(result.document).strip("*"), title="isolation")
    told = list(_annotations(result, taken))
    for level, row, file, line in told[: workflow.MOST_ANNOTATIONS]:
        message = row["message"].strip() or look(row["verdict"]).meaning
        workflow.annotation(level, message, title=f"{row['exercise']}: {row['verdict']}", file=file, line=line)
    if len(told) > workflow.MOST_ANNOTATIONS:
        workflow.say(f"{len(told) - workflow.MOST_ANNOTATIONS} more are in the summary")


def _annotations(result: Result, taken: Taken) -> Iterator[tuple[str, Row, str, int]]:
    """What is not right, what is wrong before what is not there yet."""
    rows = [row for row in result.graded["exercises"] if row["verdict"] != "pass"]
    for row in sorted(rows, key=lambda row: row["verdict"] in ("unfinished", "blocked")):
        source = result.submission.sections.get(row["section"])
        file = place_of(taken, row["section"], source)
        level = "notice" if row["verdict"] in ("unfinished", "blocked") else "error"
        yield level, row, file, line_of(row, source) if source is not None else 0


def place_of(taken: Taken, stem: str, source: Source | None) -> str:
    """Where the section's file lies in the repository; "" if it was not taken."""
    name = source.filename if source is not None else f"{stem}.py"
    for inner, path in taken.files.items():
        if inner.rpartition("/")[2].lower() == name.lower():
            return path
    return ""


def line_of(row: Row, source: Source) -> int:
    """The line of the file that a message is about, or where the exercise begins; 1 of a notebook, whose lines are JSON's."""
    if source.kind == "notebook":
        return 1
    lines = source.text.count("\n") + 1
    if (named := re.search(r"^at {9}line (\d{1,7}):", row["message"], re.M)) and int(named[1]) <= lines:
        return int(named[1])
    begins = re.search(rf"^(?:async +)?(?:def|class) +{re.escape(row['exercise'])}\b", source.text, re.M)
    return source.text.count("\n", 0, begins.start()) + 1 if begins else 1
