"""What a learner is told of a mistake names what is wrong, and is not the line to type; a second."""

import ast
import re
from collections.abc import Iterator

from grader.course import Section
from grader.diagnosis.listed import Misconception, load
from tests.each import pytest_generate_tests  # noqa: F401  runs what follows for each section

SHORT = 16
"""Characters of a call or a formula, without spaces, from which on it is a line to type; `model(x_t, t, y)` is the contract."""


def squeezed(text: str) -> str:
    return re.sub(r"[\s`\\]+", "", text)


def lines_of_answer(known: Misconception) -> set[str]:
    """The calls and formulas of the reference in the exercise, whole and in parts, as far as they are long enough to be typed."""
    statements = [
        node for node in ast.walk(ast.parse(known.plain())) if isinstance(node, ast.Return | ast.Assign | ast.Expr)
    ]
    parts = [part for node in statements for part in ast.walk(node) if isinstance(part, ast.Call | ast.BinOp)]
    return {code for part in parts if len(code := squeezed(ast.unparse(part))) >= SHORT}


def given_away(section: Section) -> Iterator[str]:
    for known in load(section.stem):
        for code in lines_of_answer(known):
            if code in squeezed(known.explanation) or code in squeezed(known.name):
                yield f"{known.exercise}.toml, {known.name!r}: {code}"


def test_no_explanation_of_a_mistake_prints_code_of_the_right_answer(section: Section) -> None:
    assert not list(given_away(section)), "say what is wrong and why it matters, and leave the line to the learner"
