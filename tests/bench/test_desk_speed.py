"""How long the learner's commands take, beside the bare import of what they stand on: `make bench`.

Measured is the processor's time of the command's processes, not the clock's: what else the machine does does not count.
"""

import os
import shutil
from pathlib import Path

import pytest

from grader.course import sections
from tests.classroom import Classroom, open_classroom

ROUNDS = 5


def children() -> float:
    """Seconds of the processor that ended child processes have had."""
    spent = os.times()
    return spent.children_user + spent.children_system


pytestmark = pytest.mark.benchmark(timer=children, warmup=False, group="the desk")


@pytest.fixture(scope="module")
def classroom(tmp_path_factory: pytest.TempPathFactory) -> Classroom:
    """All seven sections solved and judged once; bytecode is kept, as at any learner's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        classroom = open_classroom(tmp_path_factory.mktemp("desk") / "course")
        for of in sections().values():
            shutil.copy(of.solution, classroom.root / "exercises")
        assert classroom.unstatic("status").returncode == 0
        yield classroom


def measure(benchmark, classroom: Classroom, *command: str, prepare=lambda: None) -> None:
    done = benchmark.pedantic(classroom.run, command, setup=prepare, rounds=ROUNDS, warmup_rounds=1)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_bare_import(benchmark, classroom: Classroom) -> None:
    measure(benchmark, classroom, "-c", "import torch, pytest, hypothesis")


@pytest.mark.parametrize("command", ["status", "next", "hint", "check q_sample", "check"])
def test_a_command_where_nothing_has_changed(benchmark, classroom: Classroom, command: str) -> None:
    measure(benchmark, classroom, "-m", "grader", *command.split())


def test_pytest_of_one_exercise(benchmark, classroom: Classroom) -> None:
    measure(benchmark, classroom, "-m", "pytest", "exercises", "-k", "q_sample")


@pytest.mark.parametrize("command", [("grader", "check", "q_sample"), ("pytest", "exercises", "-k", "q_sample")])
def test_one_exercise_after_a_change_of_it(benchmark, classroom: Classroom, command: tuple[str, ...]) -> None:
    module: Path = classroom.module
    text = module.read_text(encoding="utf-8")
    number = 0

    def change() -> None:
        nonlocal number
        number += 1
        plus = f"a = extract(alpha_bar, t, x0) + 0 * {number}"
        module.write_text(text.replace("a = extract(alpha_bar, t, x0)", plus, 1), encoding="utf-8")

    try:
        measure(benchmark, classroom, "-m", *command, prepare=change)
    finally:
        module.write_text(text, encoding="utf-8")


def test_pytest_of_a_section_whose_reward_is_remembered(benchmark, classroom: Classroom) -> None:
    classroom.pytest("exercises", "-k", "s1")
    measure(benchmark, classroom, "-m", "pytest", "exercises", "-k", "s1")
