"""The recipe for an exercise in CONTRIBUTING.md leads to an exercise: it is walked here, in a copy of the course."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from grader.course import ROOT

STEM, NAME, AFTER = "s2_ddpm", "noise_share", "snr"
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.gz", "attacks", "bench", "noise", "submissions")


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Path:
    """A copy of all that the recipe touches, with the new exercise laid in it."""
    root = tmp_path_factory.mktemp("contributor") / "course"
    root.mkdir()
    for folder in ("exercises", "grader", "solutions", "tests", "data", "docs"):
        shutil.copytree(ROOT / folder, root / folder, ignore=LEFT_OUT)
    for path in (*ROOT.glob("*.md"), ROOT / "pyproject.toml", ROOT / "Makefile", ROOT / "constraints.txt"):
        shutil.copy(path, root)
    laid = make(root, "new", f"EXERCISE={NAME}", f"SECTION={STEM}", f"AFTER={AFTER}")
    assert laid.returncode == 0, laid.stdout + laid.stderr
    return root


def make(root: Path, *arguments: str) -> subprocess.CompletedProcess:
    """`make` in the copy, with the environment that these tests run in."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "VIRTUAL_ENV"))}
    environment |= {"OMP_NUM_THREADS": "1", "COLUMNS": "300"}
    command = ["make", "--no-print-directory", f"VENV={sys.prefix}", *arguments]
    return subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=600, check=False
    )


def replace(path: Path, *edits: tuple[str, str]) -> None:
    text = path.read_text(encoding="utf-8")
    for find, new in edits:
        assert find in text, f"{path.name} has no {find!r}"
        text = text.replace(find, new)
    path.write_text(text, encoding="utf-8")


def todo(text: str) -> str:
    """What is left with the words that a contributor finds instead of each TODO."""
    return re.sub(rf"TODO\({NAME}\):? ?", "", text)


def test_the_recipe_leads_to_an_exercise_and_says_on_the_way_what_is_missing(course):
    told = make(course, "exercise", f"NAME={NAME}")
    assert told.returncode != 0
    for missing in (
        f"exercises/course.toml:[0-9]+: title = .TODO.{NAME}",
        f"solutions/{STEM}.py:[0-9]+: ",
        f"exercises/lessons/{STEM}.md:[0-9]+: ",
        f"tests/contract.toml has no {NAME}",
        f"solutions/misconceptions/{STEM}/{NAME}.toml has 1 .* of 3",
        f"no alternative defines {NAME}",
        f"exercises/lessons/pictures/{STEM}/{NAME}.png is not there",
    ):
        assert re.search(missing, told.stdout), f"{missing}\n{told.stdout}"

    fill(course)
    once_more = ("exercise", f"NAME={NAME}", "PYTEST_FLAGS=-v")
    for step in (("exercises",), ("contract",), ("pictures", f"NAME={NAME}"), once_more):
        told = make(course, *step)
        assert told.returncode == 0, f"make {' '.join(step)}\n{told.stdout}{told.stderr}"
    ids = re.findall(r"^tests/\S+\[(.*)\] (?:PASSED|SKIPPED)", told.stdout, re.M)
    assert any(f"{NAME}: the signal's share" in name for name in ids)
    assert not [name for name in ids if not re.search(rf"{NAME}|{STEM}", name)], "what concerns other exercises"


def fill(course: Path) -> None:
    """What a contributor writes, in the order of the recipe."""
    solutions, exercises = course / "solutions", course / "exercises"
    signature = 'def noise_share(x: Float[Tensor, "B *S"]) -> Float[Tensor, "B *S"]:'
    replace(
        solutions / f"{STEM}.py",
        (signature, 'def noise_share(alpha_bar: Float[Tensor, "T"]) -> Float[Tensor, "T"]:'),
        (f"    return x  # TODO({NAME}): the answer, and the signature above", "    return 1 - alpha_bar"),
    )
    code = "x = torch.linspace(-1, 1, 50)[:, None]"
    replace(solutions / "pictures" / f"{STEM}.py", (code, "x = torch.linspace(0, 1, 50)"))
    mistakes = solutions / "misconceptions" / STEM / f"{NAME}.toml"
    entry = """
[[misconception]]
name = "{name}"
find = 'return 1 - alpha_bar'
replace = 'return {replace}'
explanation = \"\"\"
It looks right at one level. It is wrong at all others.\"\"\"
"""
    wrong = {
        "the signal's share": "alpha_bar",
        "a root too many": "(1 - alpha_bar).sqrt()",
        "squared": "(1 - alpha_bar) ** 2",
    }
    head = mistakes.read_text(encoding="utf-8").split("\n[[")[0]
    entries = "".join(entry.format(name=name, replace=new) for name, new in wrong.items())
    mistakes.write_text(f"{head}\n{entries}", encoding="utf-8")
    check = exercises / "checks" / STEM / f"test_{NAME}.py"
    text = check.read_text(encoding="utf-8").replace("(numbers(1.0, 2.0))", "(numbers(0.25, 0.5))")
    check.write_text(text.replace("numbers(1.0, 2.0)", "numbers(0.75, 0.5)"), encoding="utf-8")
    alternative = solutions / "alternatives" / "plain_torch" / f"{STEM}.py"
    with alternative.open("a", encoding="utf-8") as file:
        file.write(f"\n\ndef {NAME}(alpha_bar):\n    return -(alpha_bar - 1)\n")
    for path in (p for p in course.rglob("*") if p.suffix in (".py", ".toml", ".md")):
        text = path.read_text(encoding="utf-8")
        if f"TODO({NAME})" in text:
            path.write_text(todo(text), encoding="utf-8")


def test_one_wrong_constant_in_a_check_is_one_failure(course):
    """The cause alone: what the broken check says of alternatives and of misconceptions is no news."""
    other = course / "exercises" / "checks" / STEM / "test_snr.py"
    text = other.read_text(encoding="utf-8")
    replace(other, ("numbers(4.0, 1.0, 0.25)", "numbers(4.0, 1.0, 0.2501)"))
    told = make(course, "exercise", "NAME=snr")
    other.write_text(text, encoding="utf-8")
    failed = re.findall(r"^FAILED (\S+)", told.stdout, re.M)
    assert len(failed) == 1, told.stdout
    assert failed[0].startswith("tests/test_exercises.py::test_the_solution_passes[")
    assert "mend snr in solutions/s2_ddpm.py, or the check in exercises/checks/s2_ddpm/test_snr.py" in told.stdout


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("EXERCISE=q_sample", f"SECTION={STEM}"), "s1_forward_reverse has an exercise q_sample already"),
        (("EXERCISE=lambda", f"SECTION={STEM}"), "'lambda' cannot be"),
        (("EXERCISE=new", "SECTION=s9"), "no section is called 's9'; there are s1_forward_reverse"),
        (("EXERCISE=new", f"SECTION={STEM}", "AFTER=q_sample"), "s2_ddpm has no exercise q_sample"),
    ],
)
def test_what_cannot_be_laid_is_told_and_nothing_is_written(course, arguments, why):
    def files() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in course.rglob("*") if path.suffix in (".py", ".toml", ".md")}

    before = files()
    told = make(course, "new", *arguments)
    assert told.returncode != 0
    assert "nothing is written: " in told.stderr
    assert why in told.stderr
    assert files() == before
