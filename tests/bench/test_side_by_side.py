"""Twenty submissions of section 1, graded in several ways in one run: `make bench`.

All run the same checks on the same code. `unstatic grade` isolates it; pytest and nbgrader run it in the process that
judges it. nbgrader is measured where it is installed (`make install EXTRAS=instructor,dev,nbgrader`), by itself and with our judge.
"""

import csv
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from grader.course import ROOT, section
from grader.nbgrader import course

STEM = "s1_forward_reverse"
REFERENCE = (ROOT / "solutions" / f"{STEM}.py").read_text()
COHORT = 20
ENVIRONMENT = os.environ | {
    "PYTHONPATH": str(ROOT),
    "OMP_NUM_THREADS": "1",
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",  # nbgrader calls alembic
}
RUN_CHECKS = """
import sys
from types import SimpleNamespace
from grader.checks.collect import collect
from grader.checks.under_test import UnderTest
def run_checks(exercise, names):
    for check in collect("s1_forward_reverse"):
        if check.exercise == exercise:
            check.run(UnderTest(SimpleNamespace(**names)), 1)
"""


def run(*command: str, folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]


@pytest.fixture
def cohort(tmp_path):
    """A folder for each learner, each with a module that is its own to the byte."""
    for number in range(COHORT):
        folder = tmp_path / f"learner{number:02}"
        folder.mkdir()
        (folder / f"{STEM}.py").write_text(f"{REFERENCE}\n# {number}\n")
    return tmp_path


@pytest.mark.parametrize("jobs", [1, 2])
def test_unstatic_grade_on_twenty(benchmark, cohort, jobs):
    names = sorted(path.name for path in cohort.iterdir())
    options = ["--seed", "1", "--force", "--jobs", str(jobs), "--json", "out.json"]
    benchmark.pedantic(run, (sys.executable, "-m", "grader", "grade", *names, *options), {"folder": cohort}, rounds=1)
    scores = [one["score"] for one in json.loads((cohort / "out.json").read_text())["submissions"]]
    assert scores == [23.0] * COHORT


def test_pytest_once_for_each_of_twenty(benchmark, cohort):
    plugin = cohort / "in_process.py"
    plugin.write_text(
        "import importlib.util, os, pytest, torch\n"
        "from grader.checks.under_test import UnderTest\n"
        "torch.set_num_threads(1)\n"
        "@pytest.fixture\n"
        "def code():\n"
        "    spec = importlib.util.spec_from_file_location('submission', os.environ['SUBMISSION'])\n"
        "    module = importlib.util.module_from_spec(spec)\n"
        "    spec.loader.exec_module(module)\n"
        "    return UnderTest(module)\n"
        "@pytest.fixture\n"
        "def rng():\n"
        "    return torch.Generator().manual_seed(1)\n"
    )

    def every() -> None:
        for path in sorted(cohort.glob("learner*")):
            ENVIRONMENT["SUBMISSION"] = str(path / f"{STEM}.py")
            ENVIRONMENT["PYTHONPATH"] = f"{cohort}{os.pathsep}{ROOT}"
            command = ["-m", "pytest", "-q", "-p", "in_process", "-p", "no:cacheprovider", "--noconftest"]
            run(sys.executable, *command, str(section(STEM).checks), folder=ROOT)

    benchmark.pedantic(every, rounds=1)


@pytest.mark.skipif(importlib.util.find_spec("nbgrader") is None, reason="nbgrader is not installed")
def test_nbgrader_autograde_on_twenty(benchmark, tmp_path):
    source = tmp_path / "source" / "ps1" / f"{STEM}.ipynb"
    source.parent.mkdir(parents=True)
    source.write_text(json.dumps(notebook()))
    (tmp_path / "nbgrader_config.py").write_text(
        "c = get_config()\nc.CourseDirectory.course_id = 'bench'\nc.Execute.timeout = 300\n"
    )
    nbgrader = [sys.executable, "-m", "nbgrader"]
    run(*nbgrader, "generate_assignment", "ps1", folder=tmp_path)
    for number in range(COHORT):
        folder = tmp_path / "submitted" / f"learner{number:02}" / "ps1"
        folder.mkdir(parents=True)
        handed_in = json.loads(json.dumps(notebook(released=tmp_path / "release" / "ps1" / f"{STEM}.ipynb")))
        (folder / f"{STEM}.ipynb").write_text(json.dumps(handed_in))
    benchmark.pedantic(run, (*nbgrader, "autograde", "ps1"), {"folder": tmp_path}, rounds=1)
    run(*nbgrader, "export", "--to", "grades.csv", folder=tmp_path)
    with (tmp_path / "grades.csv").open(newline="") as file:
        assert [float(row["score"]) for row in csv.DictReader(file)] == [23.0] * COHORT


@pytest.mark.skipif(importlib.util.find_spec("nbgrader") is None, reason="nbgrader is not installed")
def test_nbgrader_autograde_with_our_judge_on_twenty(benchmark, tmp_path):
    course.write(tmp_path, [STEM])
    nbgrader = [sys.executable, "-m", "nbgrader"]
    run(*nbgrader, "generate_assignment", STEM, folder=tmp_path)
    complete = json.loads((tmp_path / "source" / STEM / f"{STEM}.ipynb").read_text(encoding="utf-8"))
    for number in range(COHORT):
        folder = tmp_path / "submitted" / f"learner{number:02}" / STEM
        folder.mkdir(parents=True)
        own = {"cell_type": "code", "metadata": {}, "source": f"# {number}", "outputs": [], "execution_count": None}
        handed_in = {**complete, "cells": [*complete["cells"], {**own, "id": "own"}]}
        (folder / f"{STEM}.ipynb").write_text(json.dumps(handed_in), encoding="utf-8")
    benchmark.pedantic(run, (*nbgrader, "autograde", STEM), {"folder": tmp_path}, rounds=1)
    run(*nbgrader, "export", "--to", "grades.csv", folder=tmp_path)
    with (tmp_path / "grades.csv").open(newline="") as file:
        assert [float(row["score"]) for row in csv.DictReader(file)] == [23.0] * COHORT


def notebook(released: Path | None = None) -> dict:
    """The section as an assignment: one cell to answer in, one cell of checks an exercise; or a release with answers."""
    if released is not None:
        found = json.loads(released.read_text())
        for one in found["cells"]:
            if one["metadata"].get("nbgrader", {}).get("grade_id") == "answers":
                one["source"] = REFERENCE
        return found
    cells = [cell("answers", REFERENCE, solution=True), cell("tools", RUN_CHECKS, locked=True)]
    for name, exercise in section(STEM).exercises.items():
        cells.append(cell(name, f"run_checks({name!r}, dict(globals()))", locked=True, points=exercise.points))
    return {"cells": cells, "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
            "nbformat": 4, "nbformat_minor": 5}  # fmt: skip


def cell(name: str, source: str, *, solution: bool = False, locked: bool = False, points: float | None = None) -> dict:
    kind = {"schema_version": 3, "grade_id": name, "grade": points is not None, "solution": solution,
            "locked": locked, "task": False}  # fmt: skip
    if points is not None:
        kind["points"] = points
    return {"cell_type": "code", "id": name.lower().replace("_", "-"), "metadata": {"nbgrader": kind}, "source": source,
            "outputs": [], "execution_count": None}  # fmt: skip
