"""A busy machine changes no row: the cohort graded under load, with pauses in every read and write of ours, as on a quiet one."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.course import ROOT
from grader.rpc.pauses import VARIABLE

LONGEST_PAUSE = 0.05
COHORT = sorted(str(path) for path in (ROOT / "data" / "submissions").iterdir() if path.is_dir())
HONEST = [path for path in COHORT if Path(path).name in ("complete", "another-style", "classic-mistakes", "half-done")]


@pytest.fixture
def quiet(tmp_path: Path) -> dict:
    """The cohort graded while nothing else runs."""
    return rows(tmp_path / "quiet", *HONEST)


@pytest.fixture
def busy() -> Iterator[None]:
    """Twice as many busy processes as there are cores."""
    spin = [sys.executable, "-c", "while True: pass"]
    spinning = [subprocess.Popen(spin) for _ in range(2 * (os.cpu_count() or 1))]
    yield
    for process in spinning:
        process.kill()
        process.wait()


def rows(folder: Path, *arguments: str, pauses: float = 0.0) -> dict:
    """What grading gives, but for times."""
    folder.mkdir()
    command = [sys.executable, "-m", "grader", "grade", *arguments, "--seed", "1", "--json", "out.json"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), VARIABLE: str(pauses)}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    found = json.loads((folder / "out.json").read_text())
    for submission in found["submissions"]:
        for row in submission["exercises"]:
            for check in row["checks"]:
                del check["seconds"]
    return found


def test_pauses_in_every_read_and_write_change_no_row(tmp_path):
    only = ["--only", "compute_alpha_bar", "q_sample", "TinyDenoiser"]
    quiet = rows(tmp_path / "quiet", *HONEST, *only)
    assert rows(tmp_path / "paused", *HONEST, *only, pauses=LONGEST_PAUSE) == quiet


@pytest.mark.slow
def test_fifty_gradings_under_load_are_equal_to_the_quiet_one(tmp_path, quiet, busy):
    for number in range(50):
        assert rows(tmp_path / str(number), *HONEST, pauses=LONGEST_PAUSE) == quiet, number
