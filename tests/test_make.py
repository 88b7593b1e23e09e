"""The Makefile respects an environment that is there: it uses it as it is, and installs only when it is told to."""

import os
import subprocess
from pathlib import Path

import pytest

from grader.course import ROOT


def make(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    cleared = {
        key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "VENV", "PYTHON", "MAKEFLAGS")
    }
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        env=cleared | environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A virtual environment whose python writes down what it is asked, and says that all went well."""
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/asked"\n', encoding="utf-8")
    python.chmod(0o755)
    (tmp_path / "venv" / "mine").touch()
    return tmp_path / "venv"


def asked(environment: Path) -> str:
    return (environment.parent / "asked").read_text(encoding="utf-8")


@pytest.mark.parametrize("named", ["VENV", "VIRTUAL_ENV"])
def test_an_environment_that_is_named_or_active_is_used_as_it_is(environment, named):
    arguments = (f"VENV={environment}",) if named == "VENV" else ()
    told = make("pictures", "NAME=q_sample", *arguments, **({} if arguments else {named: str(environment)}))
    assert told.returncode == 0, told.stderr
    assert "-m solutions.pictures q_sample" in asked(environment)
    assert "pip" not in asked(environment)


def test_it_is_installed_into_when_that_is_asked_and_nothing_of_it_is_lost(environment):
    told = make("install", f"VENV={environment}")
    assert told.returncode == 0, told.stderr
    assert "-m pip install" in asked(environment)
    assert "-m venv" not in asked(environment)
    assert (environment / "mine").exists()


def test_one_that_lacks_what_is_needed_is_told_what_to_do(environment):
    (environment / "bin" / "python").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    told = make("test", f"VENV={environment}")
    assert told.returncode != 0
    assert f"make install VENV={environment}" in told.stdout


def test_without_one_a_folder_of_its_own_is_set_up():
    told = make("--dry-run", "--always-make", "test")
    assert ".venv/bin/python -m pip install" in told.stdout


def test_what_is_worked_out_once_stays_in_one_process(request):
    if not hasattr(request.config, "workerinput"):
        pytest.skip("one process runs all of them")
    assert request.node.nodeid.endswith("@test_make")
