"""A learner on Windows or macOS: the course imports and runs without what only Linux has. Each test costs a few seconds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.classroom import Classroom, open_classroom

ABSENT = Path(__file__).parent / "absent"


@pytest.fixture(scope="module")
def classroom(tmp_path_factory: pytest.TempPathFactory) -> Classroom:
    return open_classroom(tmp_path_factory.mktemp("elsewhere") / "course")


def run(classroom: Classroom, *arguments: str) -> subprocess.CompletedProcess:
    """A command in a process that lacks what Windows lacks."""
    environment = (
        os.environ
        | {
            "PYTHONPATH": os.pathsep.join((str(ABSENT), str(classroom.root))),
            "OMP_NUM_THREADS": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # plugins that learners do not have ask which system this is, and get Linux's name
        }
    )
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=classroom.root,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        timeout=300,
        check=False,
    )


def test_what_windows_lacks_is_absent_in_these_tests(classroom: Classroom) -> None:
    for module in ("fcntl", "resource"):
        assert f"No module named '{module}'" in run(classroom, "timeit", "-n1", "-r1", f"import {module}").stderr
    assert "AttributeError" in run(classroom, "timeit", "-n1", "-r1", "import os; os.fork").stderr


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("grader", "--help"), 0, "grade submissions"),
        (("grader", "hint", "q_sample"), 0, "hint 1 of 3"),
        (("grader", "next"), 0, "next: forward_step"),
        (("grader", "check", "forward_step"), 1, "to do"),
        (("pytest", "exercises", "-k", "test_forward_step"), 1, "next: forward_step"),
        (("grader", "reset", "q_sample"), 0, "is a stub again"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_learner_s_command_runs_without_what_only_linux_has(classroom: Classroom, arguments, status, says) -> None:
    done = run(classroom, *arguments)
    assert says in done.stdout, done.stderr
    assert done.returncode == status
    assert "Traceback" not in done.stdout + done.stderr


def test_an_answer_is_checked_without_what_only_linux_has(classroom: Classroom) -> None:
    classroom.hand_in()
    done = run(classroom, "pytest", "exercises", "-k", "test_forward_step")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 of 1 point asked for" in done.stdout


def test_grading_says_in_one_sentence_what_it_needs(classroom: Classroom) -> None:
    graded = run(classroom, "grader", "grade", "exercises/s1_forward_reverse.py")
    assert graded.returncode == 2
    assert graded.stderr.startswith("unstatic: Grading needs Linux")
    assert "WSL" in graded.stderr
    assert "container" in graded.stderr
    assert len(graded.stderr.strip().splitlines()) == 1
    doctor = run(classroom, "grader", "doctor")
    assert doctor.returncode == 1
    assert "Grading needs Linux" in " ".join(doctor.stdout.split())
