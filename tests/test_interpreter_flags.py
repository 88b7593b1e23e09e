"""A grade does not depend on how Python was started: with -O, isolated, in another locale or folder it is the same, and so is the proof."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from grader.course import ROOT
from grader.sandbox.host import isolation

SAMPLES = ROOT / "data" / "submissions"
ONLY = ("compute_alpha_bar", "q_posterior")
WAYS = {
    "-O, no UTF-8": (["-O"], {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    "-OO, options for pytest, warnings": (["-OO"], {"PYTEST_ADDOPTS": "-k nothing", "PYTHONWARNINGS": "error"}),
    "-I": (["-I"], {}),
    "-X dev, PYTHONOPTIMIZE": (["-X", "dev"], {"PYTHONOPTIMIZE": "2"}),
}
"""Two at a time where neither hides the other; all of them in another folder."""


@cache
def rows(folder: Path, flags: tuple[str, ...] = (), environment: tuple[tuple[str, str], ...] = ()) -> list:
    """What is told of two submissions, graded from this folder by Python started so; by one judge, as its start is most of the work."""
    folder.mkdir(exist_ok=True)
    submissions = [str(SAMPLES / name) for name in ("classic-mistakes", "cheats")]
    command = [sys.executable, *flags, "-m", "grader", "grade", *submissions, "--only", *ONLY, "--jobs", "1"]
    done = subprocess.run(
        [*command, "--seed", "1", "--json", "out.json"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | dict(environment),
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    graded = json.loads((folder / "out.json").read_text(encoding="utf-8"))["submissions"]
    for row in (row for one in graded for row in one["exercises"] if row["verdict"] == "tamper"):
        row["message"] = ""  # who kills the process above it may do so before or after it answers
    return [
        {**row, "checks": [check["verdict"] for check in row["checks"]]} for one in graded for row in one["exercises"]
    ]


@pytest.fixture(scope="module")
def quiet(tmp_path_factory) -> list:
    return rows(tmp_path_factory.mktemp("plain"))


@pytest.mark.parametrize("way", WAYS)
def test_the_same_rows_however_python_is_started(tmp_path, quiet, way):
    flags, environment = WAYS[way]
    found = rows(tmp_path / "elsewhere ünd so", tuple(flags), tuple(environment.items()))
    assert found == quiet
    assert {row["verdict"] for row in quiet} >= {"pass", "fail"}


def test_a_jail_that_gives_other_numbers_is_unproven_with_asserts_off_too():
    program = (
        "import torch\n"
        "from grader.sandbox.guest import selftest\n"
        "from grader.sandbox.host.selftest import proven_sandbox\n"
        "selftest.network = lambda x: x\n"
        f"proven_sandbox({isolation.choose()!r})\n"
    )
    done = subprocess.run([sys.executable, "-OO", "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "gradients with other numbers" in done.stderr
