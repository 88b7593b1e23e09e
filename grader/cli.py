"""The command line: `unstatic`, also `python -m grader`."""

import argparse
import io
import logging
import logging.handlers
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from grader.course import CourseError, find_exercise, sections
from grader.desk import commands as learner
from grader.intake import reading as intake
from grader.judging import cohort, results, schedule, store
from grader.nbgrader import course as nbgrader
from grader.reports import feedback, report
from grader.sandbox.host import doctor, isolation
from grader.source import release
from grader.source.folder import FolderError
from grader.source.markers import MarkerError
from grader.syllabus import hiding, marks, reading, summary
from grader.syllabus.grading import Grading, Unknown

STATE = Path(".unstatic")
"""Where results are kept as they come, so that a killed run resumes; in the current folder."""


class UsageError(Exception):
    """Something that the command line cannot mean; exit status 2."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a locale without our symbols is no reason to end in an error
    options = _parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except (UsageError, Unknown, CourseError) as error:
        print(f"unstatic: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"unstatic: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("unstatic: stopped; what is done is kept, and the same command goes on from there", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="unstatic", description="A graded course in diffusion models.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    learner.add_commands(commands)
    grade = commands.add_parser("grade", help="grade submissions", description="Grade submissions in a sandbox.")
    grade.add_argument(
        "submissions",
        nargs="+",
        type=Path,
        metavar="SUBMISSION",
        help="a section's module or notebook, or a folder or zip archive of those",
    )
    grade.add_argument("--only", nargs="+", default=[], metavar="EXERCISE", help="exercises, or whole sections by stem")
    grade.add_argument("--seed", type=int, help="what all inputs are drawn from (default: one of this folder's own)")
    grade.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="submissions at a time (default: %(default)s)"
    )
    grade.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON")
    grade.add_argument("--html", type=Path, metavar="DIR", help="write a report for people to DIR/index.html")
    grade.add_argument(
        "--isolation",
        default="none",
        metavar="LEVEL",
        help="the least that is accepted, such as bwrap+landlock (default: %(default)s)",
    )
    grade.add_argument("--force", action="store_true", help="grade again what has been graded already")
    grade.add_argument(
        "--again",
        nargs="+",
        default=[],
        metavar="NAME",
        help="grade these submissions, learners or exercises again, and take the rest from what is kept",
    )
    grade.add_argument(
        "--course", type=Path, metavar="FILE", help="the course's own file: roster, points, deadlines and more"
    )
    grade.add_argument("--learners", type=Path, metavar="DIR", help="write a file for each learner to DIR")
    grade.add_argument("--hide-names", action="store_true", help="show pseudonyms; .unstatic/names.json says whose")
    grade.set_defaults(run=_grade)
    course = commands.add_parser("course", help="check a course's own file and tell what it says")
    course.add_argument("file", type=Path, metavar="FILE")
    course.set_defaults(run=_course)
    releasing = commands.add_parser("release", help="write the learners' repository, or an nbgrader course, to a folder")
    releasing.add_argument("folder", type=Path, metavar="DIR", help="new, or one that was written before")
    releasing.add_argument("--nbgrader", action="store_true", help="an nbgrader course folder, with our answers in it")
    releasing.add_argument(
        "--sections", nargs="+", default=[], type=learner.section_only, metavar="SECTION", help="some, such as s1 s2"
    )
    releasing.set_defaults(run=_release)
    doctor_ = commands.add_parser("doctor", help="what this machine can do to keep submissions in")
    doctor_.set_defaults(run=lambda options: doctor.report())
    return parser


def _grade(options: argparse.Namespace) -> int:
    console = Console(stderr=True)
    _check_usage(options)
    try:
        level = isolation.choose(options.isolation)
    except (ValueError, isolation.Refused) as error:
        raise UsageError(f"--isolation: {error}") from error
    _check_paths(options)
    submissions = intake.read_all(options.submissions)
    grading = Grading(submissions, options.submissions, options.course, options.only, options.again)
    if level == "none":
        console.print("[bold red]The submissions are not isolated from this machine.[/] `unstatic doctor` says why.")
    seed = options.seed if options.seed is not None else cohort.stored_seed(STATE)
    terms = cohort.Terms(seed, level, store.Store(STATE / "results.jsonl"), options.force)
    _log_to(STATE / "log.txt")
    hidden = options.hide_names or grading.syllabus.hide_names
    names = hiding.Pseudonyms(STATE, grading.syllabus.roster) if hidden else None
    document = _graded(console, grading, terms, names, options)
    if names is not None:
        document = hiding.hide(document, names)
        names.keep()
    for doubt in terms.store.doubts:
        console.print(doubt, markup=False, highlight=False)
    _write(document, options)
    Console().print(report.table(document))
    rows = (row for one in document["submissions"] for row in one["exercises"])
    return int(any(row["verdict"] == "grader-error" for row in rows))


def _log_to(path: Path) -> None:
    """Keep what goes wrong on our side, up to a megabyte of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=1 << 20, backupCount=1, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger("grader").addHandler(handler)


def _check_paths(options: argparse.Namespace) -> None:
    for path in options.submissions:
        if not os.path.lexists(path):
            pattern = any(sign in str(path) for sign in "*?[")
            raise UsageError(
                f"{path}: {'this pattern matches nothing' if pattern else 'there is no such file or folder'}"
            )


def _check_usage(options: argparse.Namespace) -> None:
    for name in options.only:
        if name not in sections():
            try:
                find_exercise(name)
            except ValueError as error:
                raise UsageError(f"--only: {error}") from error
    if options.jobs < 1:
        raise UsageError(f"--jobs: {options.jobs} submissions at a time are none; give 1 or more")
    if options.seed is not None and options.seed < 0:
        raise UsageError(f"--seed: {options.seed} is negative; give 0 or more")


def _course(options: argparse.Namespace) -> int:
    said, doubtful = summary.summary(reading.read(options.file))
    print("\n".join([*said, *doubtful]))
    return int(bool(doubtful))


def _release(options: argparse.Namespace) -> int:
    write = nbgrader.write if options.nbgrader else release.release
    try:
        print("\n".join(write(options.folder, [of.stem for of in options.sections])))
    except (FolderError, MarkerError) as error:
        raise UsageError(str(error)) from error
    return 0


def _graded(
    console: Console,
    grading: Grading,
    terms: cohort.Terms,
    names: hiding.Pseudonyms | None,
    options: argparse.Namespace,
) -> results.Document:
    """The cohort graded, with a bar on a terminal and a line a unit elsewhere."""
    columns = (
        TextColumn("grading"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    start = time.monotonic()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)

        def told(unit: schedule.Unit, rows: list[results.Row], done: int, of: int) -> None:
            name = names.of(unit.submission.name) if names is not None else unit.submission.name
            progress.update(task, total=of, completed=done, description=name)
            if not console.is_terminal:
                score, points = marks.sums(rows, grading.syllabus)
                said = f"{done}/{of} {name} {unit.stem}: {score:g} of {points:g}"
                console.print(f"{said}  ({time.monotonic() - start:.0f} s)", markup=False, emoji=False, highlight=False)

        return grading.run(terms, jobs=options.jobs, told=told)


def _write(document: results.Document, options: argparse.Namespace) -> None:
    import json

    if options.json:
        results.write_atomically(options.json, json.dumps(document, indent=1) + "\n")
    if options.html:
        results.write_atomically(options.html / "index.html", report.html(document))
    if options.learners:
        feedback.write_all(document, options.learners)


if __name__ == "__main__":
    sys.exit(main())
