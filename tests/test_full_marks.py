"""In the jail, whatever the seed: full marks for the solutions, and for whoever answers in another way; none for known mistakes.

At the desk each alternative is judged by tests/test_exercises.py; here a submission is the reference with an alternative's answers after its own.
"""

import pytest

from grader.course import Section
from grader.diagnosis.listed import load
from grader.judging.judge import Judge, Request
from tests.each import alternatives, pytest_generate_tests  # noqa: F401  runs what follows for each section

SEEDS = range(1, 6)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_solutions_and_alternatives_have_full_marks(judge: Judge, section: Section, seed: int) -> None:
    reference = section.solution.read_text(encoding="utf-8")
    texts = {"solution": reference}
    texts |= {
        path.parent.name: f"{reference}\n\n{path.read_text(encoding='utf-8')}" for path in alternatives(section.stem)
    }
    for style, text in texts.items():
        rows = judge.grade(Request(section.stem, f"{section.stem}.py", text, seed, tuple(section.exercises)))
        lost = {row["exercise"]: row["message"] for row in rows if row["verdict"] != "pass"}
        assert not lost, f"{style}, seed {seed}"
        assert sum(row["score"] for row in rows) == sum(exercise.points for exercise in section.exercises.values())


@pytest.mark.slow
def test_no_known_mistake_passes(judge: Judge, section: Section) -> None:
    """What the desk sees crosses into the jail. Costs five minutes a section."""
    passed = []
    for known in load(section.stem):
        asked = Request(section.stem, f"{section.stem}.py", known.source(), 1, (known.exercise,))
        (row,) = judge.grade(asked)
        if row["verdict"] == "pass":
            passed.append((known.exercise, known.name))
    assert not passed
