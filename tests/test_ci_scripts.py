"""The scripts that the workflows and Gradescope run."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from grader.ci import status
from grader.course import ROOT
from tests.github import ANSWERS, REFERENCE, STEM, Api, answering, git

# ---------------------------------------------------------------------------------------------------- the scripts


def script(name: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["bash", str(ROOT / ".ci" / name)], env=os.environ | environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder for PATH whose sudo, apt-get and sysctl write down what they are asked; there is no bwrap in it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sudo", "apt-get", "sysctl"):
        run = 'exec "$@"\n' if name == "sudo" else ""
        (folder / name).write_text(f'#!/bin/bash\necho "{name} $@" >> "{tmp_path}/asked"\n{run}', encoding="utf-8")
        (folder / name).chmod(0o755)
    for name in ("id", "cat", "python3", "env", "bash"):
        (folder / name).symlink_to(
            Path(subprocess.run(["which", name], capture_output=True, text=True, check=True).stdout.strip())
        )
    return folder


@pytest.mark.parametrize("restricted", ["1", "0", None])
def test_the_jail_is_installed_and_allowed_where_the_system_forbids_it(programs, tmp_path, restricted):
    if restricted is not None:
        flag = tmp_path / "proc" / "sys" / "kernel" / "apparmor_restrict_unprivileged_userns"
        flag.parent.mkdir(parents=True)
        flag.write_text(restricted)
    told = script("jail", PATH=str(programs), UNSTATIC_PROC=str(tmp_path / "proc"))
    assert told.returncode == 0, told.stderr
    asked = (tmp_path / "asked").read_text(encoding="utf-8")
    assert "apt-get install -y -qq --no-install-recommends bubblewrap libseccomp2" in asked
    assert ("sysctl -qw kernel.apparmor_restrict_unprivileged_userns=0" in asked) is (restricted == "1")


def test_the_course_must_lie_at_the_commit_that_the_workflow_names():
    head = git(ROOT, "rev-parse", "HEAD")
    assert script("pinned", UNSTATIC_COURSE_COMMIT=head).returncode == 0
    for wrong in ("main", "", "1" * 40, head[:7]):
        assert script("pinned", UNSTATIC_COURSE_COMMIT=wrong).returncode == 2


MARK = {"UNSTATIC_COMMIT": "1" * 40, "UNSTATIC_TOKEN": "t", "UNSTATIC_TARGET": "https://github.com/o/r/actions/runs/1"}


@pytest.mark.parametrize("said", ["3 of 4.5 points", "1 of 1 points, 22 not graded"])
def test_a_commit_is_marked_with_its_points(api, said):
    told = script(
        "mark",
        **MARK,
        UNSTATIC_API=api,
        UNSTATIC_REPOSITORY="o/r",
        UNSTATIC_STATE="success",
        UNSTATIC_SAID=said,
    )
    assert told.returncode == 0, told.stderr
    path, authorization, body = Api.asked[0]
    assert (path, authorization) == (f"/repos/o/r/statuses/{'1' * 40}", "Bearer t")
    assert (body["state"], body["description"], body["context"]) == ("success", said, "unstatic/grade")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"UNSTATIC_SAID": "100 of 4 points; hello"}, 2),
        ({"UNSTATIC_SAID": "100 of 4 points, well done"}, 2),
        ({"UNSTATIC_STATE": "excellent"}, 2),
        ({"UNSTATIC_REPOSITORY": "o/refused"}, 1),
    ],
)
def test_a_mark_is_points_and_nothing_else_and_a_refusal_is_told(api, changes, status):
    told = script("mark", **(MARK | {"UNSTATIC_API": api, "UNSTATIC_REPOSITORY": "o/r"} | changes))
    assert told.returncode == status
    assert told.stderr.startswith("unstatic: ")
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize("data", ANSWERS.values(), ids=ANSWERS)
def test_whatever_answers_instead_of_github_a_commit_is_marked_or_it_is_told(data, monkeypatch, capsys):
    with answering(data) as api:
        for name, value in (MARK | {"UNSTATIC_API": api, "UNSTATIC_REPOSITORY": "o/r"}).items():
            monkeypatch.setenv(name, value)
        if status.main():
            assert f"GitHub's API is out of reach at {api}: " in capsys.readouterr().err
        else:
            assert data.startswith(b"HTTP/1.1 200 OK\r\nContent-Length: ")


# ------------------------------------------------------------------------------------------------------ Gradescope


def test_gradescope_s_container_gets_a_result_for_a_submission(tmp_path):
    """One judge. The folders are those that Gradescope makes."""
    (tmp_path / "source").symlink_to(ROOT)
    (tmp_path / "submission").mkdir()
    (tmp_path / "submission" / f"{STEM}.py").write_text(REFERENCE, encoding="utf-8")
    environment = {"AUTOGRADER_ROOT": str(tmp_path), "UNSTATIC_PYTHON": sys.executable, "UNSTATIC_ISOLATION": "none",
                   "UNSTATIC_ONLY": "forward_step"}  # fmt: skip
    command = ["bash", str(ROOT / "gradescope" / "run_autograder")]
    told = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert told.returncode == 0, told.stdout + told.stderr
    found = json.loads((tmp_path / "results" / "results.json").read_text(encoding="utf-8"))
    assert [(test["name"], test["status"]) for test in found["tests"]] == [(f"{STEM}: forward_step", "passed")]


def test_gradescope_s_set_up_installs_what_the_grader_needs(programs, tmp_path):
    (programs / "make").write_text(f'#!/bin/bash\necho "make $@" >> "{tmp_path}/asked"\n', encoding="utf-8")
    (programs / "make").chmod(0o755)
    command = ["bash", str(ROOT / "gradescope" / "setup.sh")]
    told = subprocess.run(
        command, env={"PATH": str(programs), "AUTOGRADER_SOURCE": "/s"}, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    asked = (tmp_path / "asked").read_text(encoding="utf-8")
    assert re.search(r"apt-get install .*bubblewrap libseccomp2", asked)
    assert "make -C /s install EXTRAS=instructor" in asked


def test_the_archive_for_gradescope_has_its_two_scripts_on_top():
    archive = ROOT / "results" / "gradescope.zip"
    subprocess.run(["make", "-C", str(ROOT), "gradescope"], check=True, capture_output=True)
    with zipfile.ZipFile(archive) as found:
        names = found.namelist()
        assert {"setup.sh", "run_autograder", "Makefile", "grader/cli.py"} <= set(names)
        assert found.getinfo("run_autograder").external_attr >> 16 & 0o111
