"""The commands that have submissions judged: `unstatic grade` and `unstatic regrade`."""

import argparse
import contextlib
import difflib
import json
import logging
import logging.handlers
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from grader.course import find_exercise, sections
from grader.exports import earlier
from grader.exports.document import load as load_results
from grader.files import is_one_of, of_the_system, write_atomically
from grader.intake import reading as intake
from grader.intake.visible import one_line
from grader.judging import cohort, results, schedule, store
from grader.judging.cluster import Cluster
from grader.reports import difference, feedback, report
from grader.sandbox.host import isolation
from grader.syllabus import hiding, marks, reading, summary
from grader.syllabus.grading import Grading

STATE = Path(".unstatic")
"""Where results are kept as they come, so that a killed run resumes, with the seed, the log, and whose pseudonyms are: in the current
folder, if nobody says where."""


class UsageError(Exception):
    """Something that the command line cannot mean; exit status 2."""


def add_commands(commands: "argparse._SubParsersAction") -> None:
    """Add them to the command line."""
    grade = commands.add_parser(
        "grade",
        help="grade submissions",
        description="Grade submissions in a sandbox.",
        epilog="Example: unstatic grade submissions/* --course course.toml --json grades.json --html report. Options that take several "
        "names (--only, --again, --not-fetched) stand behind the submissions, which they would take for names too.",
    )
    grade.add_argument(
        "submissions",
        nargs="+",
        type=Path,
        metavar="SUBMISSION",
        help="a section's module or notebook, or a folder or zip archive of those",
    )
    grade.add_argument(
        "--only", nargs="+", default=[], metavar="EXERCISE", help="exercises, or whole sections, as s2_ddpm"
    )
    grade.add_argument("--seed", type=int, help="what all inputs are drawn from (default: one of this folder's own)")
    grade.add_argument(
        "--jobs", type=int, default=schedule.cores(), help="submissions at a time (default: %(default)s)"
    )
    grade.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON")
    grade.add_argument("--html", type=Path, metavar="DIR", help="write a report for people to DIR/index.html")
    _add_scheduler(grade)
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
    grade.add_argument(
        "--not-fetched",
        nargs="+",
        default=[],
        metavar="LEARNER",
        help="whose work could not be fetched, and is not missing",
    )
    grade.add_argument("--learners", type=Path, metavar="DIR", help="write a file for each learner to DIR")
    grade.add_argument("--hide-names", action="store_true", help="show pseudonyms; .unstatic/names.json says whose")
    _add_state(grade)
    grade.set_defaults(run=_grade, before=None)
    _add_regrade(commands)


def _add_regrade(commands: "argparse._SubParsersAction") -> None:
    regrade = commands.add_parser(
        "regrade",
        help="grade again, and show what would change",
        description="Grade submissions again, with this version or another seed, and show who gains and who loses, by which check.",
    )
    regrade.add_argument("results", type=Path, metavar="RESULTS.json", help="what `unstatic grade --json` wrote")
    regrade.add_argument("submissions", nargs="+", type=Path, metavar="SUBMISSION", help="those that it was about")
    regrade.add_argument("--seed", type=int, help="what all inputs are drawn from (default: that of the results)")
    regrade.add_argument(
        "--jobs", type=int, default=schedule.cores(), help="submissions at a time (default: %(default)s)"
    )
    regrade.add_argument(
        "--isolation", default="none", metavar="LEVEL", help="the least that is accepted (default: %(default)s)"
    )
    _add_scheduler(regrade)
    regrade.add_argument("--force", action="store_true", help="judge again what this version has judged already")
    regrade.add_argument("--course", type=Path, metavar="FILE", help="the course's own file")
    regrade.add_argument("--hide-names", action="store_true", help="show pseudonyms, as the results do")
    _add_state(regrade)
    regrade.add_argument("--apply", action="store_true", help="write the new results to RESULTS.json")
    regrade.set_defaults(run=_regrade, again=[], not_fetched=[], html=None, learners=None, json=None)


def _add_scheduler(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="hand the work to the Dask cluster whose scheduler is there, as tcp://host:8786",
    )


def _add_state(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state",
        type=Path,
        metavar="DIR",
        help=f"what is kept there as results come, and the seed, is taken for yours (default: {STATE}, unless it lies in what is graded)",
    )


def _grade(options: argparse.Namespace) -> int:
    document = _judged(options)
    _write(document, options)
    Console().print(report.table(document))
    return _status(document)


def _regrade(options: argparse.Namespace) -> int:
    before = load_results(options.results)
    if "course" in before and options.course is None:
        raise UsageError(
            f"{options.results} is by a course's own file ({one_line(before['course'])}): give that as --course FILE, or what it says of "
            "points, deadlines and scores set by hand would be lost"
        )
    hidden = options.hide_names or (options.course is not None and reading.read(options.course).hide_names)
    if before["submissions"] and hidden != hiding.is_hidden(before):
        kinds = ("pseudonyms", "names") if hidden else ("names", "pseudonyms")
        raise UsageError(
            f"{options.results} goes by {kinds[1]}, and this would by {kinds[0]}, so that nobody could be compared; "
            f"have `unstatic grade` make it by {kinds[0]} first (nothing is judged anew)"
        )
    options.not_fetched = before.get("not_fetched", [])
    if (state := _state(options)) is not None:
        options.not_fetched = hiding.owners(state, options.not_fetched)
    options.only, options.before = earlier.exercises_in(before), before
    if options.seed is None:
        options.seed = before["seed"]
    after = _judged(options)
    found = difference.difference(before, after)
    Console().print(difference.shown(found))
    if not options.apply:
        print(f"Nothing is written; --apply writes this to {options.results}")
        return _status(after)
    if found.only_before:
        raise UsageError(
            f"--apply: {', '.join(found.only_before)} of {options.results} is not among the submissions, and would be lost"
        )
    if lost := found.lost():
        raise UsageError(
            f"--apply: {'; '.join(lost)} of {options.results} is not among the submissions, and would be lost"
        )
    if _left_open(after):
        raise UsageError("--apply: something got grader-error; what is there is kept. The same command tries it again")
    options.json = options.results
    _write(after, options)
    return _status(after)


def _status(document: results.Document) -> int:
    return int(_left_open(document) or bool(document.get("not_fetched")))


def _left_open(document: results.Document) -> bool:
    rows = (row for one in document["submissions"] for row in one["exercises"])
    return any(row["verdict"] == "grader-error" for row in rows)


def _judged(options: argparse.Namespace) -> results.Document:
    _check_usage(options)
    _check_paths(options)
    if options.scheduler is None and (why := isolation.unsupported()):
        raise UsageError(why)
    try:
        cluster = Cluster(options.scheduler, options.isolation) if options.scheduler is not None else None
        level = cluster.level if cluster is not None else isolation.choose(options.isolation)
    except (ValueError, isolation.Refused) as error:
        raise UsageError(f"--isolation: {error}") from error
    with contextlib.ExitStack() as held:
        if cluster is not None:
            held.enter_context(contextlib.closing(cluster))
            options.jobs = cluster.jobs
        state = _state(options)
        kept = state if state is not None else Path(held.enter_context(tempfile.TemporaryDirectory()))
        return _judged_at(options, level, cluster, kept)


def _state(options: argparse.Namespace) -> Path | None:
    """The folder in which results are kept; None where the usual one lies in what is graded, and could have been handed in with it.

    Who could lay a seed or results there would give themselves their grade.
    """
    if options.state is not None:
        return options.state
    places = [Path(os.path.realpath(place)) for place in (".", STATE)]
    return None if any(_lies_in(place, options.submissions) for place in places) else STATE


def _lies_in(place: Path, submissions: Iterable[Path]) -> bool:
    """Whether a path without links lies in one of the folders that are graded."""
    return any(place.is_relative_to(os.path.realpath(folder)) for folder in submissions if folder.is_dir())


def _judged_at(options: argparse.Namespace, level: str, cluster: Cluster | None, state: Path) -> results.Document:
    console = Console(stderr=True)
    submissions = intake.read_all(options.submissions)
    grading = Grading(submissions, options.course, options.only, options.again, options.not_fetched)
    if options.json is not None and is_one_of(options.json, [*options.submissions, *grading.syllabus.files]):
        raise UsageError(
            f"--json: {options.json} is what is graded here, or by what, and would be lost; name another file"
        )
    if cluster is not None and (grading.syllabus.checks or grading.syllabus.hidden_checks):
        raise UsageError("--scheduler: checks of your own lie on this machine, and the workers have none; grade here")
    for doubt in summary.doubtful(grading.syllabus):
        console.print(doubt, markup=False, highlight=False, soft_wrap=True)
    if level == "none":
        console.print("[bold red]The submissions are not isolated from this machine.[/] `unstatic doctor` says why.")
    hidden = options.hide_names or grading.syllabus.hide_names
    if _state(options) is None:
        if hidden:
            raise UsageError(
                f"--hide-names: {STATE}, which says whose the pseudonyms are, would lie in what is graded; grade from a folder "
                "that is no part of a submission, or name one with --state"
            )
        _say(
            f"{STATE} lies in what is graded, or would, and could have been handed in: no seed and no results are taken from it, and "
            "this run keeps none. To keep them, grade from a folder that is no part of a submission, or name one with --state"
        )
    seed = options.seed if options.seed is not None else cohort.stored_seed(state)
    judges = None if cluster is None else lambda level: cluster
    names = hiding.Pseudonyms(state, grading.syllabus.roster, submissions) if hidden else None
    before = None
    if options.before is not None:
        before, beside = earlier.sections_in(options.before, submissions, names)
        for said in beside:
            _say(f"{said} is not in {options.results}, and stays out of it; `unstatic grade` grades it")
    kept = store.Store(state / "results.jsonl")
    terms = cohort.Terms(seed, level, kept, options.force, judges=judges, before=before)
    with _log(state / "log.txt"):
        document = _graded(console, grading, terms, names, options)
    if names is not None:
        document = hiding.hide(document, names)
        names.keep()
    for doubt in terms.store.doubts:
        console.print(doubt, markup=False, highlight=False)
    return document


@contextlib.contextmanager
def _log(path: Path) -> Iterator[None]:
    """Keep what goes wrong on our side meanwhile, up to a megabyte of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = _Log(path, maxBytes=1 << 20, backupCount=1, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger("grader").addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger("grader").removeHandler(handler)
        handler.close()


class _Log(logging.handlers.RotatingFileHandler):
    """A log that says once that it cannot be written; nothing that is graded depends on it."""

    told = False

    def handleError(self, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self.told:
            self.told = True
            print(f"unstatic: {of_the_system(error)}; what goes wrong on our side is not kept", file=sys.stderr)


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
                raise UsageError(f"--only: no exercise or section is called {name!r}; {_meant(name)}") from error
    try:
        isolation.parse(options.isolation)
    except ValueError as error:
        raise UsageError(f"--isolation: {error}") from error
    if options.jobs < 1:
        raise UsageError(f"--jobs: {options.jobs} submissions at a time are none; give 1 or more")
    if options.json == Path("-"):
        raise UsageError("--json: - would be a file of that name; name another one")
    if options.json is not None and (not options.json.name or options.json.is_dir()):
        raise UsageError(f"--json: {str(options.json)!r} is a folder; name a file")
    for option, folder in (("--html", options.html), ("--learners", options.learners), ("--state", options.state)):
        if folder is not None and folder.exists() and not folder.is_dir():
            raise UsageError(f"{option}: {str(folder)!r} is a file; name a folder")
    if options.html is not None:
        report.require_templates()
    if options.seed is not None and options.seed < 0:
        raise UsageError(f"--seed: {options.seed} is negative; give 0 or more")


def _meant(name: str) -> str:
    """What to say to somebody who gave a name that there is not."""
    known = [*sections(), *(exercise for one in sections().values() for exercise in one.exercises)]
    near = [stem for stem in sections() if stem.startswith(f"{name}_")] or difflib.get_close_matches(name, known, 1)
    return f"did you mean {near[0]}?" if near else "`unstatic status` lists them"


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
    if options.json:
        for said in earlier.what_goes(options.json, document, regraded=options.before is not None):
            _say(said)
        ours = not _lies_in(
            Path(os.path.realpath(options.json.parent)), options.submissions
        )  # else a link may be a learner's
        write_atomically(options.json, json.dumps(document, indent=1) + "\n", named=ours)
    if options.html:
        write_atomically(options.html / "index.html", report.html(document))
    if options.learners:
        feedback.write_all(document, options.learners)


def _say(said: str) -> None:
    print(f"unstatic: {said}", file=sys.stderr)
