"""The workflows: as GitHub publishes their form, with nothing for an attacker, and of steps that are tested here."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from grader.course import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CALLERS = sorted((ROOT / "docs" / "ci").glob("*.yml"))
EVERY = [*WORKFLOWS, *CALLERS]
STEPS = re.compile(
    r"true|make gpu|make site|bash (course/)?\.ci/(pinned|jail|run|versions|mark|learner)|make -C course install EXTRAS=instructor"
    r"|make -C course ci DO=(take|grade|plan|take-class|grade-class)"
)
"""What a step may run: what tests/test_ci*.py, tests/test_make.py and every change run."""
each = pytest.mark.parametrize("path", EVERY, ids=lambda path: path.name)


def load(path: Path) -> dict[str, Any]:
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    found["on"] = found.pop(True, None) or found.get("on")  # YAML 1.1 reads `on` as true
    return found


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in load(path)["jobs"].values() for step in job.get("steps", [])]


@cache
def unlike_the_published_form(*paths: Path) -> dict[Path, list[str]]:
    """By file, what is wrong with it. One run for all files: it takes two seconds to start."""
    if importlib.util.find_spec("check_jsonschema") is None:
        pytest.skip("check-jsonschema is not installed: it is in the extra dev")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    command += ["--output-format", "json", *map(str, paths)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    said = json.loads(told.stdout)
    wrong: dict[Path, list[str]] = {path: [] for path in paths}
    for error in [*said["errors"], *said.get("parse_errors", [])]:
        wrong[Path(error["filename"])].append(error["message"])
    assert (told.returncode == 0) == (not any(wrong.values())), told.stdout + told.stderr
    return wrong


@each
def test_a_workflow_has_the_form_that_is_published(path):
    assert unlike_the_published_form(*EVERY)[path] == []


def test_the_published_form_is_held_against_them(tmp_path):
    bad = tmp_path / "bad.yml"
    bad.write_text("on: push\njobs: {a: {runs_on: ubuntu}}\n", encoding="utf-8")
    no_yaml = tmp_path / "no_yaml.yml"
    no_yaml.write_text("on: [push\n", encoding="utf-8")
    wrong = unlike_the_published_form(EVERY[0], bad, no_yaml)
    assert [path for path in wrong if wrong[path]] == [bad, no_yaml]


def zizmor(*paths: Path) -> subprocess.CompletedProcess:
    found = shutil.which("zizmor", path=str(Path(sys.executable).parent)) or shutil.which("zizmor")
    if found is None:
        pytest.skip("zizmor is not installed: it is in the extra dev")
    command = [found, "--offline", "--no-progress", "--color", "never", *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_zizmor_finds_nothing():
    told = zizmor(*EVERY)
    assert told.returncode == 0, told.stdout + told.stderr


def test_zizmor_finds_what_there_is_to_find(tmp_path):
    bad = tmp_path / ".github" / "workflows" / "bad.yml"
    bad.parent.mkdir(parents=True)
    bad.write_text(
        "on: pull_request_target\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n"
        "      - run: echo ${{ github.event.pull_request.title }}\n",
        encoding="utf-8",
    )
    told = zizmor(bad)
    assert told.returncode != 0
    assert "template-injection" in told.stdout


@each
def test_every_action_is_named_by_a_commit_and_says_which_version_that_is(path):
    for line in path.read_text(encoding="utf-8").splitlines():
        if named := re.search(r"^\s*-?\s*uses: (\S+)(.*)", line):
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", named[1]), f"{path.name}: {named[1]}"
            assert re.match(r" # (v\d+\.\d+\.\d+|the course's commit)$", named[2]), (
                f"{path.name}: {named[1]} says no version"
            )


@each
def test_every_step_is_a_script_or_a_target_that_tests_run(path):
    for step in steps(path):
        assert ("uses" in step) != ("run" in step)
        if "run" in step:
            assert STEPS.fullmatch(step["run"]), f"{path.name} runs {step['run']!r}, which no test does"
            assert "shell" not in step


@each
def test_a_checkout_leaves_no_token_behind_and_nothing_is_taken_from_a_cache(path):
    for step in steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False, path.name
        assert "cache" not in step.get("with", {}), f"{path.name}: a cache can be written by others"
        assert not step.get("uses", "").startswith("actions/cache"), path.name


@each
def test_nobody_is_given_more_rights_than_to_read_but_who_marks_or_publishes(path):
    found, more = load(path), {"mark": {"statuses"}, "publish": {"pages", "id-token"}}
    assert found["permissions"] in ({}, {"contents": "read"}), path.name
    for name, job in found["jobs"].items():
        writes = {right for right, level in job.get("permissions", {}).items() if level == "write"}
        assert writes <= more.get(name, set()), f"{path.name}: {name} may write {writes}"
        if name == "publish":  # it runs nothing of the repository's
            assert not [step for step in job["steps"] if "run" in step or "checkout" in step.get("uses", "")], path.name


@each
def test_no_step_that_judges_is_given_a_token_or_a_secret_but_the_seed(path):
    for job in load(path)["jobs"].values():
        assert not re.search(r"secrets\.|github\.token", str(job.get("env", {}))), (
            f"{path.name}: a token for all steps of a job"
        )
        for step in job.get("steps", []):
            if re.search(r"DO=grade", step.get("run", "")):
                given = {
                    k: v
                    for k, v in step.get("env", {}).items()
                    if re.search(r"secrets\.|github\.token|TOKEN", f"{k}{v}")
                }
                assert set(given) <= {"UNSTATIC_SEED"}, f"{path.name}: {step['run']} is given {sorted(given)}"


@each
def test_no_pull_request_is_checked_out_or_runs_with_rights(path):
    text = path.read_text(encoding="utf-8")
    assert "pull_request_target" not in text
    if "workflow_run" in load(path)["on"]:
        assert "actions/checkout" not in text
    if "pull_request" in load(path)["on"] and path in CALLERS:
        assert load(path)["permissions"] == {}


def test_the_job_that_grades_a_learner_is_limited_in_time_and_number():
    job = load(ROOT / ".github" / "workflows" / "grade.yml")["jobs"]["grade"]
    assert job["timeout-minutes"] <= 60
    assert job["concurrency"]["cancel-in-progress"] is True
    assert "inputs.name" in job["concurrency"]["group"]


def test_a_self_hosted_runner_is_never_for_a_pull_request():
    for path in EVERY:
        if "self-hosted" in path.read_text(encoding="utf-8"):
            assert set(load(path)["on"]) <= {"workflow_dispatch", "schedule"}, path.name


def asked_of_python(script: str, tmp_path: Path, **environment: str) -> list[str]:
    """What a script of the pipelines asks a python for that notes it, and does nothing."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$@" >> "$NOTES"\n', encoding="utf-8")
    python.chmod(0o755)
    environment |= {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "NOTES": str(tmp_path / "notes")}
    subprocess.run(["bash", ROOT / ".ci" / script], env=os.environ | environment, check=True)
    return (tmp_path / "notes").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(("torch", "installed"), [("2.6.0", "torch==2.6.0"), ("", "torch")])
def test_the_job_of_other_versions_installs_them_and_runs_the_tests_that_make_test_runs(torch, installed, tmp_path):
    install, run = asked_of_python("versions", tmp_path, UNSTATIC_TORCH=torch)
    assert install == f"-m pip install {installed} -e .[instructor,dev]"
    for name in run.removeprefix("-m ").split():
        assert name in (ROOT / "Makefile").read_text(encoding="utf-8"), name


def test_the_learners_job_installs_and_then_runs_the_learners_commands(tmp_path):
    """What python is asked for there is tested in test_other_systems."""
    asked = asked_of_python("learner", tmp_path)
    assert asked == ["-m pip install -e .", "-m pytest tests/test_other_systems.py"]
    assert (ROOT / "tests" / "test_other_systems.py").is_file()
