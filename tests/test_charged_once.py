"""A mistake is charged once: each function of each section made wrong in turn, and every other keeps its points."""

import pytest

from grader.course import section, sections
from grader.diagnosis.listed import load
from grader.judging.judge import Judge, Request

SEED = 1
SHORT = [("s1_forward_reverse", "compute_alpha_bar"), ("s1_forward_reverse", "reverse_step")]
"""What `make test` runs of it: one that much depends on, and one in the middle."""


def losses(judge: Judge, stem: str, exercise: str) -> dict[str, str]:
    """The verdicts on the exercises that lose points if the first listed mistake is made in this one."""
    wrong = next(known for known in load(stem) if known.exercise == exercise).source()
    rows = judge.grade(Request(stem, f"{stem}.py", wrong, SEED, tuple(section(stem).exercises)))
    return {row["exercise"]: row["verdict"] for row in rows if row["score"] < row["points"]}


def modules(stem: str) -> set[str]:
    """The exercises that are classes: they live with the answer, and ours cannot stand in for them."""
    source = section(stem).solution.read_text(encoding="utf-8")
    return {name for name in section(stem).exercises if f"\nclass {name}(" in source or f"\nclass {name}:" in source}


@pytest.mark.parametrize(("stem", "exercise"), SHORT)
def test_the_others_keep_their_points(judge, stem, exercise):
    assert losses(judge, stem, exercise) == {exercise: "fail"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stem", "exercise"), [(stem, name) for stem in sections() for name in section(stem).exercises]
)
def test_every_function_made_wrong_in_turn_costs_itself_alone(judge, stem, exercise):
    lost = losses(judge, stem, exercise)
    assert lost.pop(exercise) == "fail"
    assert not lost or (exercise in modules(stem) and set(lost.values()) == {"blocked"})
