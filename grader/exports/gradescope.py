"""Gradescope: the `results.json` of one submission, shown to its learner.

The fields are those of https://gradescope-autograders.readthedocs.io/en/latest/specs/. All text goes as plain text, never as
HTML or Markdown; the seed is not in it.
"""

import json
from typing import Any

from grader.exports.document import NotResults
from grader.exports.people import marks
from grader.intake.visible import visible
from grader.judging.results import Graded, Row
from grader.reports.feedback import for_learner
from grader.reports.tally import LOOKS

LONGEST = 20_000
"""Characters of one test's output."""


def write(graded: Graded, isolation: str) -> str:
    """The file's text."""
    return json.dumps(results(graded, isolation), indent=1) + "\n"


def results(graded: Graded, isolation: str) -> dict[str, Any]:
    """The file's content.

    Raises:
        NotResults: a fault of ours left something open. Gradescope knows no score that is left open, and would charge it.
    """
    if left := [stem for stem, mark in marks(graded).items() if mark.open]:
        raise NotResults(f"{graded['name']}: {', '.join(left)} could not be graded by a fault of ours; grade it again")
    graded = for_learner(graded)
    said = f"Graded in isolation ({isolation})." if isolation not in ("", "none") else "Graded without isolation."
    return {
        "score": graded["score"],
        "output": said,
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "execution_time": round(sum(check["seconds"] for row in graded["exercises"] for check in row["checks"]), 3),
        "tests": [_test(row) for row in graded["exercises"]],
    }


def _test(row: Row) -> dict[str, Any]:
    verdict = row["verdict"]
    told = row["message"].strip()
    if verdict != "pass":
        meaning = LOOKS[verdict].meaning if verdict in LOOKS else "a verdict of another version"
        told = f"{verdict}: {meaning}\n\n{told}".strip()
    return {
        "name": visible(f"{row['section']}: {row['exercise']}"),
        "score": row["score"],
        "max_score": 0.0 if "extra" in row else row["points"],
        "status": "passed" if verdict == "pass" else "failed",
        "output": visible(told)[:LONGEST],
        "tags": [visible(row["section"])],
        "visibility": "visible",
    }
