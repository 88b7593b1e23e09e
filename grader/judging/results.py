"""Results: the rows that a grading writes, and the document that `--json` gives."""

from collections.abc import Iterable, Sequence
from typing import NotRequired, TypedDict

from grader.course import section, sections

SCHEMA = 1
VERDICTS = ("pass", "fail", "unfinished", "blocked", "timeout", "crash", "memory", "output-limit", "tamper",
            "not-gradable", "grader-error")  # fmt: skip


OURS = "grader-error"
"""The verdict that is a fault of ours."""


class CheckRow(TypedDict):
    """One check: its name, its verdict, and how long it took; `hidden` where learners are not shown it."""

    name: str
    verdict: str
    seconds: float
    hidden: NotRequired[bool]


class Late(TypedDict):
    """What was handed in late: when it was received and due (ISO 8601), and which share of the score is kept."""

    received: str
    due: str
    kept: float


class ByHand(TypedDict):
    """A score set by hand: by whom, why, and what it was before."""

    by: str
    why: str
    was: float


class Row(TypedDict):
    """One exercise of one submission. `misconception` is the name found for what is wrong, listed or not.

    What a course's own file brings about is in keys of its own: `extra` credit, which counts in no `points`; `late`; `by_hand`;
    and `hidden` where the message is about a check that learners are not shown. `holds` has what the checks say that passed where
    another did not; the hidden ones are not among them.
    """

    section: str
    exercise: str
    points: float
    score: float
    verdict: str
    message: str
    misconception: str | None
    checks: list[CheckRow]
    extra: NotRequired[bool]
    late: NotRequired[Late]
    by_hand: NotRequired[ByHand]
    hidden: NotRequired[bool]
    holds: NotRequired[list[str]]


class Graded(TypedDict):
    """One submission: its rows and their sums.

    What could not be graded through a fault of ours (`grader-error`) is in neither `score` nor `points`; where there is such,
    `ungraded` says how many points it is about. `learner` and `full_name` are the roster's.
    """

    name: str
    score: float
    points: float
    ungraded: NotRequired[float]
    learner: NotRequired[str]
    full_name: NotRequired[str]
    exercises: list[Row]


class Equal(TypedDict):
    """Submissions whose answers to these exercises of a section are the same but for layout, comments and docstrings."""

    section: str
    exercises: list[str]
    submissions: list[str]


class Document(TypedDict):
    """What one run of the grader found.

    Where there is such: `course`, the title of the course's own file; `missing`, who of the roster handed in nothing, or whose folder has no
    file in it; `not_fetched`, whose work could not be fetched, so that nobody knows whether there is some; `unknown`, submissions of nobody on it; `twice`, learners with several; `no_receipt`, submissions of which nobody says when they
    came; `unused`, learners of whom the file says something and who handed in nothing, where no roster knows them; `equal` submissions.
    """

    schema: int
    seed: int
    isolation: str
    submissions: list[Graded]
    course: NotRequired[str]
    missing: NotRequired[list[str]]
    not_fetched: NotRequired[list[str]]
    unknown: NotRequired[list[str]]
    twice: NotRequired[dict[str, list[str]]]
    no_receipt: NotRequired[list[str]]
    unused: NotRequired[list[str]]
    equal: NotRequired[list[Equal]]


def plain_row(stem: str, name: str, verdict: str, message: str) -> Row:
    """The row of an exercise of which no check was run."""
    return {
        "section": stem,
        "exercise": name,
        "points": float(section(stem).exercises[name].points),
        "score": 0.0,
        "verdict": verdict,
        "message": message,
        "misconception": None,
        "checks": [],
    }


def document(seed: int, isolation: str, submissions: Iterable[tuple[str, Sequence[Row]]]) -> Document:
    """The document of a run. Submissions stay as given, as (name, rows); rows go into the order of the course."""
    return {
        "schema": SCHEMA,
        "seed": seed,
        "isolation": isolation,
        "submissions": [_graded(*one) for one in submissions],
    }


def _graded(name: str, rows: Sequence[Row]) -> Graded:
    order = [(stem, exercise) for stem, section in sections().items() for exercise in section.exercises]
    place = {key: index for index, key in enumerate(order)}
    exercises = sorted(rows, key=lambda row: place.get((row["section"], row["exercise"]), len(place)))
    exercises = [{**row, "points": float(row["points"]), "score": float(row["score"])} for row in exercises]
    could = [row for row in exercises if _counts(row)]
    # Shares of points such as 0.1 and 0.2 add up to what people expect.
    score = float(round(sum(row["score"] for row in could), 6))
    points = float(round(sum(row["points"] for row in could if "extra" not in row), 6))
    left = float(round(sum(row["points"] for row in exercises if not _counts(row) and "extra" not in row), 6))
    if len(could) == len(exercises):
        return {"name": name, "score": score, "points": points, "exercises": exercises}
    return {"name": name, "score": score, "points": points, "ungraded": left, "exercises": exercises}


def _counts(row: Row) -> bool:
    """Whether a row is a result, and not a fault of ours that nobody has settled."""
    return row["verdict"] != OURS or "by_hand" in row
