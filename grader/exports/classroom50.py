"""Classroom 50: the `result.json` that its runner collects, of one submission.

The fields are those of `classroom50/result/v1`, https://github.com/foundation50/classroom50, schemas/result-v1.schema.json. Scores
are whole numbers there: where a course's are not, all of them are hundredths, and each row's so rounded that the sum of the points is
the course's, and full marks are full. Extra credit has a score and no points. Whose the result is, and which commit it is about,
its runner says in the environment (CLASSROOM, ASSIGNMENT, OWNER, ...), and stamps again.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import accumulate, pairwise
from typing import Any

from grader.exports.document import NotResults
from grader.exports.people import marks
from grader.intake.visible import one_line
from grader.judging.results import Graded, Row
from grader.reports.feedback import for_learner

SCHEMA = "classroom50/result/v1"
NEEDED = ("CLASSROOM", "ASSIGNMENT", "SUBMISSION_TAG", "COMMIT_URL", "RELEASE_URL")


class NotInClassroom(NotResults):
    """The environment does not say whose the result is."""


def write(graded: Graded, environment: Mapping[str, str], now: datetime | None = None) -> str:
    """The file's text.

    Raises:
        NotInClassroom: this is not run by Classroom 50's runner.
        NotResults: a fault of ours left something open.
    """
    return json.dumps(result(graded, environment, now), indent=2) + "\n"


def result(graded: Graded, environment: Mapping[str, str], now: datetime | None = None) -> dict[str, Any]:
    """The file's content."""
    owner = environment.get("OWNER") or environment.get("USERNAME")
    if lacking := [name for name in NEEDED if not environment.get(name)] + ([] if owner else ["OWNER"]):
        raise NotInClassroom(
            f"{', '.join(lacking)} not set: Classroom 50's runner sets them for the autograder.py that it runs; there it belongs"
        )
    times = _times([*(row["points"] for row in graded["exercises"]), *(row["score"] for row in graded["exercises"])])
    if left := [stem for stem, mark in marks(graded).items() if mark.open]:
        raise NotResults(f"{graded['name']}: {', '.join(left)} could not be graded by a fault of ours; grade it again")
    graded = for_learner(graded)
    tests = [_test(row, most) for row, most in zip(graded["exercises"], _most(graded["exercises"], times), strict=True)]
    moment = (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "schema": SCHEMA,
        "classroom": environment["CLASSROOM"],
        "assignment": environment["ASSIGNMENT"],
        "assignment_type": environment.get("ASSIGNMENT_TYPE") or "individual",
        "owner": owner,
        "submission": environment["SUBMISSION_TAG"],
        "commit": environment["COMMIT_URL"],
        "release": environment["RELEASE_URL"],
        "review": environment.get("REVIEW_URL") or environment["COMMIT_URL"],
        "datetime": moment,  # the runner puts the commit's time here
        "graded_at": moment,
        "score": sum(test["score"] for test in tests),
        "max-score": sum(test["max-score"] for test in tests),
        "tests": tests,
    }


def _times(values: list[float]) -> int:
    return 1 if all(float(value).is_integer() for value in values) else 100


def _most(rows: list[Row], times: int) -> list[int]:
    """The points of each row in whole numbers: differences of rounded sums, so that the last sum is right."""
    counted = [0 if "extra" in row else row["points"] * times for row in rows]
    sums = [0, *(round(value) for value in accumulate(counted))]
    whole = [after - before for before, after in pairwise(sums)]
    return [round(row["points"] * times) if "extra" in row else most for row, most in zip(rows, whole, strict=True)]


def _test(row: Row, most: int) -> dict[str, Any]:
    share = min(row["score"] / row["points"], 1.0) if row["points"] else 0.0
    return {
        "test-name": one_line(f"{row['section']}: {row['exercise']}"),
        "passed": row["verdict"] == "pass",
        "score": int(share * most + 1e-6),
        "max-score": 0 if "extra" in row else most,
        "verdict": one_line(row["verdict"]),
    }
