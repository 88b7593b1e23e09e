"""A grader that is killed again and again loses nothing. Takes minutes: `pytest tests/test_recovery.py -m slow`."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from grader.course import ROOT

STEM = "s1_forward_reverse"
KILLS = 50
COHORT = 20


def without_times(path: Path) -> dict:
    document = json.loads(path.read_text())
    for submission in document["submissions"]:
        for row in submission["exercises"]:
            for check in row["checks"]:
                del check["seconds"]
    return document


@pytest.mark.slow
def test_fifty_kills_over_a_cohort_of_twenty_change_no_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    reference = (ROOT / "solutions" / f"{STEM}.py").read_text()
    names = [f"learner{number:02}" for number in range(COHORT)]
    for number, name in enumerate(names):
        Path(name).mkdir()
        wrong = "\n\ndef q_sample(x0, t, noise, alpha_bar):\n    return x0\n" if number % 3 == 0 else ""
        Path(name, f"{STEM}.py").write_text(f"{reference}{wrong}\n# {name}\n")
    command = [sys.executable, "-m", "grader", "grade", *names, "--seed", "1", "--json", "out.json"]
    command += ["--only", "q_sample", "simple_loss", "compute_alpha_bar"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    start = time.monotonic()
    subprocess.run(command, env=environment, check=True, **quiet)
    whole = time.monotonic() - start
    undisturbed = without_times(Path("out.json"))
    luck, kills, finished = random.Random(0), 0, 0
    while kills < KILLS:
        shutil.rmtree(".unstatic")
        Path("out.json").unlink()
        while not Path("out.json").exists():
            with subprocess.Popen(command, env=environment, **quiet) as run:
                try:
                    run.wait(luck.uniform(0, whole / 2) if kills < KILLS else 600)
                except subprocess.TimeoutExpired:
                    run.kill()
                    kills += 1
        assert without_times(Path("out.json")) == undisturbed
        finished += 1
    assert finished
