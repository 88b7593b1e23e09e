"""What the workflows run: a learner's files taken as data, graded, and told so that nothing submitted can act.

A sample learner's repository and a hostile one beside it are graded by the commands of the workflows.
"""

import http.server
import json
import os
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar
from xml.etree import ElementTree

import pytest

from grader.ci import __main__ as ci
from grader.ci import cohort, grading, workflow
from grader.ci.settings import Unusable
from grader.ci.take import FOLDER, NotTaken, Taken, is_section_file, kept, take
from grader.course import ROOT, section
from grader.intake import reading as intake
from grader.judging.results import Row, document, plain_row

STEM = "s1_forward_reverse"
REFERENCE = section(STEM).solution.read_text(encoding="utf-8")
RIGHT = "return (1 - beta).sqrt() * x + beta.sqrt() * noise"
HOSTILE_TEXT = "::error::owned\r\n::add-mask::x\n##[add-mask]x\u200b::set-output name=a::b\n#\u200d#[group]"
SEED = "987654321987"


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def repository(folder: Path, files: dict[str, str | Path]) -> str:
    """A repository with these files, a path standing for a link; gives its commit."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            path.symlink_to(content)
        else:
            path.write_bytes(content.encode())
    git(folder, "add", "-A", "-f")
    git(folder, "commit", "-q", "-m", "hand in")
    return git(folder, "rev-parse", "HEAD")


HOSTILE = {
    f"exercises/{STEM}.py": REFERENCE.replace(RIGHT, f"print({HOSTILE_TEXT!r}); raise ValueError({HOSTILE_TEXT!r})"),
    "exercises/s2_ddpm.py": Path("/etc/passwd"),
    "conftest.py": "raise SystemExit(0)",
    "exercises/conftest.py": "raise SystemExit(0)",
    "sitecustomize.py": "raise SystemExit(0)",
    "pytest.ini": "[pytest]\naddopts = --co\n",
    "grader/judging/judge.py": "raise SystemExit(0)",
    ".github/workflows/unstatic.yml": "on: push\n",
    ".gitattributes": f"exercises/{STEM}.py filter=evil eol=crlf ident\n",
    "::notice title=Grade::23 of 23 points/s1_forward_reverse.py": REFERENCE,
    f"submissions/bob/{STEM}.py": REFERENCE,
}


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
            command = ["make", "-C", str(ROOT), "--no-print-directory", "ci", f"DO={step}", f"VENV={python}"]
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


class Api(http.server.BaseHTTPRequestHandler):
    """GitHub's API, as far as it is asked here."""

    asked: ClassVar[list[tuple[str, str, dict]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.path, self.headers["Authorization"], body))
        self._answer(201 if "refused" not in self.path else 403, {})

    def do_GET(self) -> None:
        self._answer(200, {"private": "private" in self.path})

    def _answer(self, status: int, data: dict) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(data).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def api() -> Iterator[str]:
    Api.asked = []
    server = http.server.HTTPServer(("127.0.0.1", 0), Api)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


MARK = {"UNSTATIC_COMMIT": "1" * 40, "UNSTATIC_TOKEN": "t", "UNSTATIC_TARGET": "https://github.com/o/r/actions/runs/1"}


def test_a_commit_is_marked_with_its_points(api):
    told = script(
        "mark",
        **MARK,
        UNSTATIC_API=api,
        UNSTATIC_REPOSITORY="o/r",
        UNSTATIC_STATE="success",
        UNSTATIC_SAID="3 of 4.5 points",
    )
    assert told.returncode == 0, told.stderr
    path, authorization, body = Api.asked[0]
    assert (path, authorization) == (f"/repos/o/r/statuses/{'1' * 40}", "Bearer t")
    assert (body["state"], body["description"], body["context"]) == ("success", "3 of 4.5 points", "unstatic/grade")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"UNSTATIC_SAID": "100 of 4 points; hello"}, 2),
        ({"UNSTATIC_STATE": "excellent"}, 2),
        ({"UNSTATIC_REPOSITORY": "o/refused"}, 1),
    ],
)
def test_a_mark_is_points_and_nothing_else_and_a_refusal_is_told(api, changes, status):
    told = script("mark", **(MARK | {"UNSTATIC_API": api, "UNSTATIC_REPOSITORY": "o/r"} | changes))
    assert told.returncode == status
    assert told.stderr.startswith("unstatic: ")
    assert "Traceback" not in told.stderr


# ------------------------------------------------------------------------------------------------------ the class


def test_a_class_is_shared_out_so_that_everybody_is_taken_once(tmp_path):
    table = tmp_path / "class.csv"
    table.write_text("learner,repository,ref\n" + "".join(f"l{n},o/r{n},\n" for n in range(10)), encoding="utf-8")
    found = cohort.places(table)
    for runners in (1, 3, 10, 99):
        numbers = json.loads(cohort.chunks(found, runners))
        taken = [place for number in numbers for place in cohort.share(found, number, runners)]
        assert sorted(taken, key=lambda place: int(place.learner[1:])) == found


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("name,repository\na,o/r\n", ":1: there is no column learner"),
        ("learner,repository\n../a,o/r\n", ":2: learner"),
        ("learner,repository\na,https://x\n", ":2: repository"),
        ("learner,repository\na,o/r\nA,o/s\n", ":3: A is in it twice"),
        ("learner,repository,ref\na,o/r,--upload-pack=x\n", ":2: ref"),
        ("learner,repository\n", "nobody in it"),
    ],
)
def test_a_table_of_the_class_that_cannot_be_is_told_with_its_line(tmp_path, lines, says):
    (tmp_path / "class.csv").write_text(lines, encoding="utf-8")
    with pytest.raises(Unusable, match=re.escape(says)):
        cohort.places(tmp_path / "class.csv")


@pytest.mark.parametrize(("name", "status"), [("private", 0), ("public", 2)])
def test_a_class_is_graded_in_a_private_repository_alone(api, name, status, tmp_path, monkeypatch, capsys):
    (tmp_path / "class.csv").write_text("learner,repository\na,o/r\nb,o/s\n", encoding="utf-8")
    told = {"API": api, "REPOSITORY": f"o/{name}", "TOKEN": "t", "CLASS": str(tmp_path / "class.csv"), "RUNNERS": "8"}
    for variable, said in told.items():
        monkeypatch.setenv(f"UNSTATIC_{variable}", said)
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    assert ci.main(["plan"]) == status
    assert (tmp_path / "output").exists() is (status == 0)
    if status == 0:
        assert (tmp_path / "output").read_text() == "runners=[0, 1]\n"


class Generous:
    """A judge that passes everything."""

    def __init__(self, level: str) -> None:
        pass

    def grade(self, request: dict) -> list[Row]:
        rows = [plain_row(request["stem"], name, "pass", "") for name in request["only"]]
        return [{**row, "score": row["points"]} for row in rows]

    def close(self) -> None:
        pass


def test_a_class_on_two_runners_is_put_together_without_judging_again(tmp_path, monkeypatch, capsys):
    """The judge is not the question: a stand-in passes everything, and the last run ends if it asks for one."""
    monkeypatch.setattr("grader.judging.schedule.JudgeProcess", Generous)
    for name in ("ada", "bob"):
        repository(tmp_path / "server" / "o" / name, {f"{STEM}.py": REFERENCE})
    (tmp_path / "class.csv").write_text("learner,repository\nada,o/ada\nbob,o/bob\neve,o/nothing\n", encoding="utf-8")
    (tmp_path / "course.toml").write_text('[roster]\nada = "Ada"\nbob = "Bob"\neve = "Eve"\n', encoding="utf-8")
    told = {"SERVER": f"file://{tmp_path}/server", "CLASS": str(tmp_path / "class.csv"), "RUNNERS": "2", "SEED": SEED,
            "ISOLATION": "none", "ONLY": "forward_step", "RULES": str(tmp_path / "course.toml")}  # fmt: skip
    for variable, said in told.items():
        monkeypatch.setenv(f"UNSTATIC_{variable}", said)

    def run(place: str) -> None:
        monkeypatch.setenv("UNSTATIC_TAKEN", str(tmp_path / place / "taken"))
        monkeypatch.setenv("UNSTATIC_RESULTS", str(tmp_path / place / "results"))
        assert ci.main(["take-class"]) == 0
        before = Path.cwd()
        try:
            assert ci.main(["grade-class"]) == 0
        finally:
            os.chdir(before)

    for runner in ("0", "1"):
        monkeypatch.setenv("UNSTATIC_RUNNER", runner)
        run(f"runner-{runner}")
        store = tmp_path / "stores" / runner / "results.jsonl"
        store.parent.mkdir(parents=True)
        store.write_bytes((tmp_path / f"runner-{runner}" / "results" / ".unstatic" / "results.jsonl").read_bytes())
    monkeypatch.delenv("UNSTATIC_RUNNER")
    monkeypatch.setenv("UNSTATIC_STORES", str(tmp_path / "stores"))
    monkeypatch.setattr("grader.judging.schedule.JudgeProcess", None)
    run("all")
    found = json.loads((tmp_path / "all" / "results" / "grades.json").read_text(encoding="utf-8"))
    assert [(one["name"], one["score"] == one["points"] > 0) for one in found["submissions"]] == [
        ("ada", True),
        ("bob", True),
    ]
    assert found["missing"] == ["eve"]
    assert "::warning title=not taken::eve" in capsys.readouterr().out


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
