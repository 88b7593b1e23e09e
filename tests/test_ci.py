"""One learner's files are taken and graded in somebody's CI: nothing else takes effect, and nothing submitted is a command."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from grader.ci import __main__ as ci
from grader.ci import badge, grading, status, workflow
from grader.ci.take import FOLDER, NotTaken, Taken, is_section_file, kept, take
from grader.course import ROOT
from grader.intake import reading as intake
from grader.judging.results import document, plain_row
from tests.github import HOSTILE, HOSTILE_TEXT, REFERENCE, RIGHT, SEED, STEM, repository

# ------------------------------------------------------------------------------------------------------- taking


def test_section_files_are_taken_and_nothing_else_takes_effect(tmp_path):
    commit = repository(tmp_path / "o" / "hostile", HOSTILE)
    taken = take(f"file://{tmp_path}/o/hostile", commit, tmp_path / "taken", name="eve")
    assert list(taken.files) == [f"exercises/{STEM}.py"]
    assert (tmp_path / "taken" / FOLDER / f"exercises/{STEM}.py").read_text(encoding="utf-8") == HOSTILE[
        f"exercises/{STEM}.py"
    ]
    assert taken.left == ["exercises/s2_ddpm.py: it is a link, and links are never followed; hand in the file itself"]
    found = sorted(
        path.relative_to(tmp_path / "taken").as_posix() for path in (tmp_path / "taken").rglob("*") if path.is_file()
    )
    assert found == [f"{FOLDER}/exercises/{STEM}.py", "taken.json"]
    assert kept(tmp_path / "taken") == taken
    assert taken.commit == commit


def test_of_a_class_s_repository_only_the_learner_s_own_folder_is_read(tmp_path):
    files = {f"submissions/{name}/{STEM}.py": f"# {name}" for name in ("ada", "bob", "ada2")}
    commit = repository(tmp_path / "r", files)
    taken = take(f"file://{tmp_path}/r", commit, tmp_path / "taken", name="ada", within="submissions/ada")
    assert taken.files == {f"{STEM}.py": f"submissions/ada/{STEM}.py"}
    assert (tmp_path / "taken" / FOLDER / f"{STEM}.py").read_text(encoding="utf-8") == "# ada"
    for within in ("../r", "submissions/*", ":(glob)**", "submissions"):
        assert not take(
            f"file://{tmp_path}/r", commit, tmp_path / within.replace("/", "_"), name="a", within=within
        ).files


def test_a_section_s_file_in_another_place_or_by_another_name_is_not_taken_and_told(tmp_path):
    files = {
        f"exercises/{STEM}.py": "",
        f"exercises/stubs/{STEM}.py": "",
        "src/s2_ddpm.py": "",
        "s3_score_sde (1).ipynb": "",
    }
    commit = repository(tmp_path / "r", files)
    taken = take(f"file://{tmp_path}/r", commit, tmp_path / "taken", name="ada")
    assert list(taken.files) == [f"exercises/{STEM}.py"]
    where = "a section's file lies at the top or in exercises/, and is called"
    assert sorted(taken.left) == [
        f"s3_score_sde (1).ipynb: {where} s3_score_sde.py or s3_score_sde.ipynb",
        f"src/s2_ddpm.py: {where} s2_ddpm.py or s2_ddpm.ipynb",
    ]


def test_of_an_empty_repository_nothing_is_taken_and_of_a_branch_that_is_not_there_it_is_told(tmp_path):
    subprocess.run(["git", "init", "--quiet", tmp_path / "empty"], check=True)
    taken = take(f"file://{tmp_path}/empty", "HEAD", tmp_path / "taken", name="ada")
    assert (taken.files, taken.commit, taken.left) == ({}, "", ["nothing is in the repository yet"])
    assert kept(tmp_path / "taken") == taken
    repository(tmp_path / "r", {f"{STEM}.py": ""})
    with pytest.raises(NotTaken, match="week1"):
        take(f"file://{tmp_path}/r", "week1", tmp_path / "other", name="ada")


def test_who_has_nothing_that_could_be_taken_is_told_so_by_their_name(tmp_path):
    (tmp_path / FOLDER).mkdir()
    result = grading.grade(tmp_path / FOLDER, Taken("ada", "", ""), only=[STEM], rules=None, least="none", seed=1)
    assert {row["message"].partition(" (")[0] for row in result.graded["exercises"][1:]} == {
        f"ada holds no section of the course; name each file for its section, as in {STEM}.py"
    }


def test_a_file_that_is_too_large_is_not_taken_and_told(tmp_path):
    commit = repository(tmp_path / "r", {f"{STEM}.py": "#" * (1 << 20) + "#"})
    taken = take(f"file://{tmp_path}/r", commit, tmp_path / "taken", name="ada")
    assert taken.files == {}
    assert "too large" in taken.left[0]


def test_a_repository_that_is_not_there_is_told_and_a_token_is_not_in_the_words(tmp_path):
    with pytest.raises(NotTaken, match="cannot be read") as raised:
        take(f"file://{tmp_path}/nothing", "1" * 40, tmp_path / "taken", name="ada", token="ghs_secret")
    assert "secret" not in str(raised.value)


def test_configuration_of_the_machine_and_of_the_repository_does_not_count(tmp_path, monkeypatch):
    commit = repository(tmp_path / "r", {f"{STEM}.py": "x = 1\n", ".gitattributes": "*.py filter=evil\n"})
    (tmp_path / "config").write_text(
        f'[filter "evil"]\nsmudge = touch {tmp_path}/owned\nrequired = true\n', encoding="utf-8"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    take(f"file://{tmp_path}/r", commit, tmp_path / "taken", name="ada")
    assert (tmp_path / "taken" / FOLDER / f"{STEM}.py").read_text(encoding="utf-8") == "x = 1\n"
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        (f"{STEM}.py", True),
        (f"exercises/{STEM}.ipynb", True),
        ("S2_DDPM.PY", True),
        (f"solutions/{STEM}.py", False),
        (f"exercises/checks/{STEM}.py", False),
        ("conftest.py", False),
        (f"{STEM}.py/x.py", False),
        (f"{STEM}.pyc", False),
        (f"../{STEM}.py", False),
    ],
)
def test_a_section_s_file_is_known_by_its_place_and_name(path, is_one):
    assert is_section_file(path) is is_one


# ------------------------------------------------------------------------------------------------------ the log


def commands(printed: str) -> list[str]:
    """The lines that the runner would take for commands, as its source has it, with a reader that sees no signs without width."""
    blind = re.sub("[\u00ad\u034f\u061c\u200b-\u200f\u2060-\u206f\ufe00-\ufe0f\ufeff]", "", printed)
    return [line for line in re.split(r"\r\n|\r|\n", blind) if re.match(r"\s*::", line) or "##[" in line]


def test_no_text_in_the_log_is_a_command(capsys):
    workflow.say(HOSTILE_TEXT + "\n\u2028::error::x\n\u200b::error::y\n\t ::error::z")
    assert commands(capsys.readouterr().out) == []


def test_an_annotation_is_one_command_whatever_it_is_about(capsys):
    workflow.annotation("error", HOSTILE_TEXT, title=f"a,b=c:{HOSTILE_TEXT}", file=f"x,line=9::{HOSTILE_TEXT}", line=3)
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) == len(commands(printed)) == 1
    head = printed.split("::")[1]
    assert re.fullmatch(r"error file=[^,:]*,line=3,title=[^,:]*", head)
    assert "##[" not in printed


@pytest.mark.parametrize("signs", ["##[", "###[", "####[", "#\u200d##[", "##\ufeff#["])
def test_no_number_of_signs_makes_an_annotation_another_command(capsys, signs):
    workflow.annotation("notice", f"{signs}command]x", title=f"{signs}group]y", file=f"{signs}error]z")
    printed = capsys.readouterr().out
    assert "##" not in printed
    assert printed.count("[") == 3


def test_an_output_is_one_line(tmp_path):
    with pytest.raises(ValueError, match="no output on one line"):
        workflow.output("said", "1\nstate=success", {"GITHUB_OUTPUT": str(tmp_path / "out")})


def test_a_long_summary_is_cut_below_what_github_keeps(tmp_path):
    workflow.summary("é\n" * 700_000, {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary")})
    data = (tmp_path / "summary").read_bytes()
    assert len(data) < 1 << 20
    assert "The rest is in the artifact" in data.decode()


def test_an_annotation_is_at_the_line_that_the_judge_names_or_where_the_exercise_begins(tmp_path, capsys):
    (tmp_path / f"{STEM}.py").write_text(
        "import torch\n\n\ndef q_sample(x):\n    pass\n\n\ndef sample(x):\n    return y\n", encoding="utf-8"
    )
    rows = [plain_row(STEM, "q_sample", "fail", "check      it\ncame back  at         line 1: no"),
            plain_row(STEM, "sample", "fail", "raised     NameError\nat         line 9: return y")]  # fmt: skip
    found = document(1, "bwrap", [("ada", rows)])
    taken = Taken("ada", "", "", {f"{STEM}.py": f"my work/{STEM}.py"})
    grading.annotate(grading.Result(intake.read(tmp_path), found), taken)
    printed = capsys.readouterr().out
    assert f"::error file=my work/{STEM}.py,line=4,title=q_sample%3A fail::" in printed
    assert f"::error file=my work/{STEM}.py,line=9,title=sample%3A fail::" in printed
    assert "::notice title=isolation::What was submitted ran in isolation on this runner" in printed


def test_a_badge_says_what_a_fault_of_ours_leaves_open_and_is_not_green():
    passed = plain_row(STEM, "q_sample", "pass", "")
    rows = [passed | {"score": passed["points"]}, plain_row(STEM, "sample", "grader-error", "")]
    whole, open_ = (document(1, "bwrap", [("ada", those)])["submissions"][0] for those in (rows[:1], rows))
    left = open_["ungraded"]
    assert badge.said(open_) == f"{badge.said(whole)}, {left:g} not graded"
    assert [json.loads(badge.endpoint(one))["color"] for one in (whole, open_)] == ["brightgreen", "lightgrey"]
    assert f"{left:g} not graded" in badge.svg(open_)
    assert all(re.fullmatch(status.POINTS, badge.said(one)) for one in (whole, open_))


# ---------------------------------------------------------------------------------------------------- all of it


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """A sample learner's repository and a hostile one, taken and graded by the workflow's own steps; two judges."""
    folder = tmp_path_factory.mktemp("ci")
    sample = {f"{STEM}.py": REFERENCE.replace(RIGHT, "return (1 - beta) * x + beta * noise")}
    found = {}
    for name, files in {"sample": sample, "hostile": HOSTILE}.items():
        commit = repository(folder / "server" / "o" / name, files)
        place = folder / name
        place.mkdir()
        environment = {
            "UNSTATIC_SERVER": f"file://{folder}/server", "UNSTATIC_REPOSITORY": f"o/{name}", "UNSTATIC_COMMIT": commit,
            "UNSTATIC_NAME": name, "UNSTATIC_TAKEN": str(place / "taken"), "UNSTATIC_RESULTS": str(place / "results"),
            "UNSTATIC_ONLY": "forward_step compute_alpha_bar", "UNSTATIC_SEED": SEED, "UNSTATIC_ISOLATION": "none",
            "GITHUB_STEP_SUMMARY": str(place / "summary.md"), "GITHUB_OUTPUT": str(place / "output"),
        }  # fmt: skip
        printed = ""
        for step in ("take", "grade"):
            python = Path(sys.executable).parent.parent
            command = ["make", "-C", str(ROOT), "--no-print-directory", "ci", f"DO={step}"]
            command += [f"VENV={python}", "READY=look"]  # nothing is installed into what these tests run in
            told = subprocess.run(
                command, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=300
            )
            assert told.returncode == 0, told.stdout + told.stderr
            printed += told.stdout
        results = {path.name: path.read_text(encoding="utf-8") for path in (place / "results").iterdir()}
        found[name] = {"printed": printed, "summary": (place / "summary.md").read_text(encoding="utf-8"),
                       "output": (place / "output").read_text(encoding="utf-8"), "results": results}  # fmt: skip
    return found


def test_a_learner_gets_points_messages_and_files_for_other_programs(graded):
    sample = graded["sample"]
    assert set(sample["results"]) == {
        "junit.xml",
        "feedback.md",
        "feedback.html",
        "badge.svg",
        "badge.json",
        "results.json",
    }
    assert re.search(r"^said=[\d.]+ of [\d.]+ points\nstate=success\n$", sample["output"])
    assert "| s1\\_forward\\_reverse | forward\\_step | ✗ fail | 0 of" in sample["summary"]
    assert "isolat" in sample["summary"]
    assert json.loads(sample["results"]["results.json"])["tests"][0]["status"] in ("passed", "failed")
    assert len(ElementTree.fromstring(sample["results"]["junit.xml"])[0]) == 2
    ElementTree.fromstring(sample["results"]["badge.svg"])
    assert json.loads(sample["results"]["badge.json"])["schemaVersion"] == 1
    line = 1 + REFERENCE[: REFERENCE.index("def forward_step")].count("\n")
    assert f"::error file={STEM}.py,line={line},title=forward_step%3A fail::" in sample["printed"]


def test_a_hostile_repository_gets_what_its_answers_are_worth_and_says_nothing_to_the_runner(graded):
    hostile = graded["hostile"]
    assert [line.split("::")[1].split()[0] for line in commands(hostile["printed"])] == ["notice", "error"] or [
        line.split("::")[1].split()[0] for line in commands(hostile["printed"])
    ] == ["warning", "error"]
    assert "not taken: exercises/s2_ddpm.py: it is a link" in hostile["printed"]
    tests = {test["name"]: test["status"] for test in json.loads(hostile["results"]["results.json"])["tests"]}
    assert tests == {f"{STEM}: forward_step": "failed", f"{STEM}: compute_alpha_bar": "passed"}
    for text in hostile["results"].values():
        assert "\u200d" not in text or "#\u200d#[" not in commands(text)


def test_what_a_learner_gets_has_no_seed_and_nobody_else(graded):
    for name, one in graded.items():
        other = "hostile" if name == "sample" else "sample"
        for text in (*one["results"].values(), one["summary"], one["printed"], one["output"]):
            assert SEED not in text
            assert other not in text


def test_a_step_that_judges_refuses_a_token(monkeypatch, capsys):
    for step in ("grade", "grade-class"):
        monkeypatch.setenv("UNSTATIC_TOKEN", "ghs_x")
        assert ci.main([step]) == 2
        assert "it belongs to the step that takes the files" in capsys.readouterr().out


def test_a_workflow_that_asks_for_an_exercise_that_is_not_there_grades_nothing(tmp_path, monkeypatch, capsys):
    Taken("ada", "", "").keep(tmp_path / "taken")
    for name, said in {
        "TAKEN": tmp_path / "taken",
        "RESULTS": tmp_path / "results",
        "ONLY": "q_sampel",
        "ISOLATION": "none",
    }.items():
        monkeypatch.setenv(f"UNSTATIC_{name}", str(said))
    assert ci.main(["grade"]) == 2
    assert "no exercise is called 'q_sampel'" in capsys.readouterr().out
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("REPOSITORY", "o/n/../x"),
        ("REPOSITORY", "-o"),
        ("COMMIT", "main"),
        ("COMMIT", ""),
        ("NAME", "::error::x"),
        ("NAME", "../ada"),
    ],
)
def test_a_workflow_that_says_what_cannot_be_is_told(variable, value, monkeypatch, capsys, tmp_path):
    good = {
        "REPOSITORY": "o/n",
        "COMMIT": "1" * 40,
        "NAME": "ada",
        "TAKEN": str(tmp_path / "taken"),
        "SERVER": f"file://{tmp_path}",
    }
    for name, said in (good | {variable: value}).items():
        monkeypatch.setenv(f"UNSTATIC_{name}", said)
    assert ci.main(["take"]) == 2
    printed = capsys.readouterr().out
    assert f"UNSTATIC_{variable}" in printed
    assert len(commands(printed)) == 1


# ------------------------------------------------------------------------------------------------------- Classroom 50


def test_the_recipe_for_classroom_50_takes_no_result_and_follows_no_link_of_a_learner_s(tmp_path):
    """The runner runs `autograder.py` in the learner's checkout, where the learner commits what they like."""
    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    recipe = page.partition("\n## Classroom 50\n")[2].partition("```python\n")[2].partition("```")[0]
    checkout, programs, mine = tmp_path / "ada", tmp_path / "bin", tmp_path / "mine.txt"
    (checkout / ".unstatic").mkdir(parents=True)
    programs.mkdir()
    mine.write_text("mine", encoding="utf-8")
    (checkout / f"{STEM}.py").write_bytes((ROOT / "exercises" / f"{STEM}.py").read_bytes())
    (checkout / ".unstatic" / "seed").write_text("5\n", encoding="utf-8")
    (checkout / ".unstatic" / "log.txt").symlink_to(mine)
    (checkout / "grades.json").symlink_to(mine)
    (checkout / "result.json").symlink_to(mine)
    (tmp_path / "autograder.py").write_text(recipe, encoding="utf-8")
    (programs / "unstatic").write_text(  # two exercises, isolated as far as this machine can
        f"#!{sys.executable}\nimport sys\nfrom grader.cli import main\n"
        "given = [word for word in sys.argv[1:] if word not in ('--isolation', 'landlock')]\n"
        "sys.exit(main([*given, '--only', 'forward_step', 'compute_alpha_bar'] if given[0] == 'grade' else given))\n",
        encoding="utf-8",
    )
    (programs / "unstatic").chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "CLASSROOM": "cs",
        "ASSIGNMENT": "week1",
        "OWNER": "ada",
        "SUBMISSION_TAG": "submit/1",
        "COMMIT_URL": "https://github.com/o/r/commit/1",
        "RELEASE_URL": "https://github.com/o/r/releases/tag/1",
    }
    command = [sys.executable, str(tmp_path / "autograder.py")]
    run = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "handed in" not in run.stderr
    assert mine.read_text(encoding="utf-8") == "mine"
    assert not (checkout / "result.json").is_symlink()
    found = json.loads((checkout / "result.json").read_text(encoding="utf-8"))
    assert (found["score"], len(found["tests"])) == (0, 2)
    assert sorted(path.name for path in (checkout / ".unstatic").iterdir()) == ["log.txt", "seed"]
