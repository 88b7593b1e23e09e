"""`python -m grader.ci COMMAND`: what the workflows run. What to do is told in environment variables, see `settings`."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import closing, redirect_stderr, redirect_stdout
from pathlib import Path

from grader import cli, grade
from grader.ci import badge, cohort, grading, workflow
from grader.ci.settings import COMMIT, NAME, REPOSITORY, Settings, Unusable
from grader.ci.take import FOLDER, NotTaken, Taken, kept, take
from grader.course import CourseError
from grader.exports import gradescope
from grader.files import write_atomically
from grader.intake.syntax import CannotCompile
from grader.sandbox.host import isolation
from grader.syllabus import reading
from grader.syllabus.grading import Unknown

NOT_TAKEN = ".not-taken.json"
"""In the folder of what was taken, who of the class could not be; no learner's folder is called so."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 2 where the workflow is wrong, 1 where something went wrong on our side."""
    names = list(sys.argv[1:] if arguments is None else arguments)
    if len(names) != 1 or names[0] not in COMMANDS:
        print(f"usage: python -m grader.ci {{{','.join(COMMANDS)}}}", file=sys.stderr)
        return 2
    try:
        return COMMANDS[names[0]](Settings())
    except (Unusable, Unknown, CourseError, isolation.Refused, ValueError) as error:
        workflow.annotation("error", str(error), title="unstatic")
        return 2
    except (NotTaken, CannotCompile, OSError) as error:
        workflow.annotation("error", str(error), title="unstatic")
        return 1


def _take(settings: Settings) -> int:
    repository = settings.matching("REPOSITORY", REPOSITORY, "owner/name")
    into = settings.path("TAKEN", "taken")
    if into.exists():
        shutil.rmtree(into)  # what another run left on a runner of one's own
    found = take(
        f"{settings.text('SERVER', 'https://github.com')}/{repository}",
        settings.matching("COMMIT", COMMIT, "a commit in full"),
        into,
        name=settings.matching("NAME", NAME, "letters, digits and . _ @ + -"),
        within=settings.text("FOLDER", ""),
        token=settings.text("TOKEN", ""),
    )
    for path in found.files.values():
        workflow.say(f"taken: {path}")
    for reason in found.left:
        workflow.say(f"not taken: {reason}")
    return 0


def _grade(settings: Settings) -> int:
    if settings.environment.get("UNSTATIC_TOKEN"):
        raise Unusable(
            "UNSTATIC_TOKEN is set where submitted code is judged; it belongs to the step that takes the files"
        )
    folder, results = settings.path("TAKEN", "taken"), settings.path("RESULTS", "results")
    rules, seed = settings.text("RULES", ""), settings.text("SEED", "")
    taken = kept(folder)
    result = grading.grade(
        folder / FOLDER,
        taken,
        only=settings.words("ONLY"),
        rules=Path(rules) if rules else None,
        least=settings.text("ISOLATION", "bwrap"),
        seed=settings.number("SEED") if seed else None,
    )
    grading.leave(result, results, dict(settings.environment))
    workflow.summary(grading.summary(result, taken), settings.environment)
    grading.annotate(result, taken)
    workflow.output("said", badge.said(result.graded), settings.environment)
    workflow.output("state", "error" if result.ours else "success", settings.environment)
    workflow.say(f"{taken.name}: {badge.said(result.graded)}")
    return int(result.ours)


def _gradescope(settings: Settings) -> int:
    """Grade what Gradescope put into a folder, and write its results.json; none where a fault of ours leaves something open."""
    name, results = "submission", settings.path("RESULTS")
    result = grading.grade(
        settings.path("TAKEN"),
        Taken(name, "", ""),
        only=settings.words("ONLY"),
        rules=None,
        least=settings.text("ISOLATION", "landlock"),
        seed=settings.number("SEED") if settings.text("SEED", "") else None,
    )
    write_atomically(results, gradescope.write(result.graded, result.document["isolation"]))
    return 0


def _plan(settings: Settings) -> int:
    if not cohort.is_private(
        settings.matching("API", r"https?://[\w.:/-]+", "an address", "https://api.github.com"),
        settings.matching("REPOSITORY", REPOSITORY, "owner/name"),
        settings.text("TOKEN"),
    ):
        raise Unusable(
            "a class is graded in a private repository only: artifacts and logs of a public one are everybody's to read"
        )
    found = cohort.places(settings.path("CLASS"))
    workflow.output("runners", cohort.chunks(found, settings.number("RUNNERS", 8)), settings.environment)
    workflow.say(f"{len(found)} learners")
    return 0


def _take_class(settings: Settings) -> int:
    """Take the files of those who are this runner's, or of everybody; who cannot be read is told, and the others are taken."""
    found = cohort.places(settings.path("CLASS"))
    if settings.text("RUNNER", ""):
        found = cohort.share(found, settings.number("RUNNER"), settings.number("RUNNERS", 8))
    into = settings.path("TAKEN", "taken")
    if into.exists():
        shutil.rmtree(into)
    lost: list[str] = []
    for place in found:
        url = f"{settings.text('SERVER', 'https://github.com')}/{place.repository}"
        try:
            taken = take(url, place.ref, into / place.learner, name=place.learner, token=settings.text("TOKEN", ""))
            for reason in taken.left:
                workflow.say(f"{place.learner}: not taken: {reason}")
        except NotTaken as error:
            shutil.rmtree(into / place.learner, ignore_errors=True)
            workflow.annotation("warning", f"{place.learner}: {error}", title="not taken")
            lost.append(place.learner)
    write_atomically(into / NOT_TAKEN, json.dumps(lost) + "\n")
    workflow.say(f"{len(found) - len(lost)} of {len(found)} repositories were taken")
    return int(len(lost) == len(found) > 0)


def _grade_class(settings: Settings) -> int:
    """Judge what was taken; everything is kept in the folder of the results. Who could not be taken is not held to be missing."""
    if settings.environment.get("UNSTATIC_TOKEN"):
        raise Unusable(
            "UNSTATIC_TOKEN is set where submitted code is judged; it belongs to the step that takes the files"
        )
    taken, results = settings.path("TAKEN", "taken"), settings.path("RESULTS", "results")
    if stores := sorted(settings.path("STORES", "stores").glob("**/results.jsonl")):
        cohort.together(stores, results / grade.STATE / "results.jsonl")
    people = sorted(folder for folder in taken.iterdir() if folder.is_dir())
    named = results / "submissions"
    shutil.rmtree(named, ignore_errors=True)  # on a runner of one's own there may be an earlier run's
    for folder in people:
        shutil.copytree(folder / FOLDER, named / folder.name, dirs_exist_ok=True)
    if not people:
        raise Unusable(f"{taken}: there is no submission")
    options = ["--json", "grades.json", "--html", "report", "--learners", "feedback"]
    options += ["--seed", str(settings.number("SEED")), "--isolation", settings.text("ISOLATION", "bwrap")]
    if rules := settings.text("RULES", ""):
        _require_receipts(Path(rules))
        options += ["--course", str(Path(rules).absolute())]
    if only := settings.words("ONLY"):
        options += ["--only", *only]
    if lost := json.loads((taken / NOT_TAKEN).read_text(encoding="utf-8")):
        options += ["--not-fetched", *lost]
    os.chdir(results)
    with closing(workflow.Log(sys.stdout)) as log, redirect_stdout(log), redirect_stderr(log):
        return cli.main(["grade", *(f"submissions/{folder.name}" for folder in people), *options])


def _require_receipts(rules: Path) -> None:
    """The files' times are those at which they were fetched here: by them everybody is late after a deadline.

    Raises:
        Unusable: the course's file goes by them.
    """
    syllabus = reading.read(rules)
    if syllabus.deadlines and syllabus.receipts.mtime:
        raise Unusable(
            f'{rules}: receipts = "mtime" would be when this runner fetched the files; give a table, receipts = "receipts.csv"'
        )


COMMANDS: dict[str, Callable[[Settings], int]] = {
    "take": _take,
    "grade": _grade,
    "gradescope": _gradescope,
    "plan": _plan,
    "take-class": _take_class,
    "grade-class": _grade_class,
}

if __name__ == "__main__":
    sys.exit(main())
