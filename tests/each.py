"""What the tests of the course are run for.

A module that imports `pytest_generate_tests` from here has its tests run, by the names of their arguments, for

    section         each section
    exercise        each exercise
    check           each check
    misconception   each known mistake
    alternative     each exercise of each alternative, as (path, exercise)

in the order of the course file; with `--exercise NAME`, those of this exercise alone.
"""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from grader.checks.collect import collect
from grader.course import ROOT, Exercise, Section, find_exercise, sections
from grader.diagnosis.listed import load

ALTERNATIVES = ROOT / "solutions" / "alternatives"


def exercises() -> list[Exercise]:
    return [exercise for section in sections().values() for exercise in section.exercises.values()]


def alternatives(stem: str) -> list[Path]:
    """The files that answer a section in another way."""
    return sorted(ALTERNATIVES.glob(f"*/{stem}.py"))


def answers(path: Path) -> list[str]:
    """The exercises that an alternative defines, by its text: no import is needed to list its tests."""
    kinds = ast.FunctionDef | ast.ClassDef
    names = {node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, kinds)}
    return [name for name in sections()[path.stem].exercises if name in names]


KINDS: dict[str, Callable[[Section], Iterator[tuple[Any, str, str]]]] = {
    "section": lambda of: iter([(of, "", of.stem)]),
    "exercise": lambda of: ((exercise, exercise.name, exercise.name) for exercise in of.exercises.values()),
    "check": lambda of: ((check, check.exercise, check.name) for check in collect(of.stem)),
    "misconception": lambda of: ((known, known.exercise, f"{known.exercise}: {known.name}") for known in load(of.stem)),
    "alternative": lambda of: (
        ((path, name), name, f"{path.parent.name}-{name}") for path in alternatives(of.stem) for name in answers(path)
    ),
}
"""For each argument, what there is of it in a section: the value, its exercise if it has one, and what it is called."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    asked = metafunc.config.getoption("--exercise")
    only = find_exercise(asked) if asked else None
    for argument in KINDS.keys() & set(metafunc.fixturenames):
        values = [
            pytest.param(value, id=name, marks=pytest.mark.concerns(of.stem))
            for of in ([sections()[only.section]] if only else sections().values())
            for value, exercise, name in KINDS[argument](of)
            if not only or exercise in ("", only.name)
        ]
        metafunc.parametrize(argument, values)
