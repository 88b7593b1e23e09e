"""`unstatic grade`, as an instructor runs it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from grader import course
from grader.cli import main
from grader.course import ROOT, section
from grader.faults import GraderFault
from grader.intake import syntax
from grader.intake.reading import read
from grader.intake.sources import Source
from grader.intake.submission import Submission
from grader.judging import cohort, process
from grader.judging.conditions import Conditions
from grader.judging.results import plain_row
from grader.judging.store import checksum
from grader.syllabus.rules import Syllabus
from tests.traces import descendants

STEM = "s1_forward_reverse"
REFERENCE = ROOT / "solutions" / f"{STEM}.py"
SAMPLES = ROOT / "data" / "submissions"
QUICK = ["--only", "forward_step", "compute_alpha_bar"]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def graded(*arguments):
    """The document that a run writes."""
    assert main(["grade", *map(str, arguments), "--json", "out.json"]) == 0
    return json.loads(Path("out.json").read_text())


def without_times(document):
    for submission in document["submissions"]:
        for row in submission["exercises"]:
            for check in row["checks"]:
                del check["seconds"]
    return document


def verdicts(submission):
    return {row["exercise"]: row["verdict"] for row in submission["exercises"]}


@pytest.mark.usefixtures("lent_judges")
def test_the_sample_cohort_gets_what_its_names_promise(monkeypatch):
    usual = Syllabus.conditions

    def impatient(syllabus: Syllabus, submission: str, stem: str) -> Conditions:
        """As usual, but what loops for ever may do so for four seconds."""
        found = usual(syllabus, submission, stem)
        return replace(found, time=(("sample", 0.2),)) if submission == "loops-forever" else found

    monkeypatch.setattr(Syllabus, "conditions", impatient)
    cohort = sorted(path for path in SAMPLES.iterdir() if path.is_dir())
    assert len(cohort) == 8
    document = graded(*cohort, "--seed", 1, "--html", "report")
    by_name = {submission["name"]: submission for submission in document["submissions"]}
    assert list(by_name) == [path.name for path in cohort]
    every = set(section(STEM).exercises)
    assert all(set(verdicts(submission)) == every and submission["points"] == 23 for submission in by_name.values())
    for name in ("complete", "another-style"):
        assert (set(verdicts(by_name[name]).values()), by_name[name]["score"]) == ({"pass"}, 23)
    assert set(verdicts(by_name["half-done"]).values()) == {"pass", "unfinished"}
    assert by_name["cheats"]["score"] == 0
    assert "pass" not in verdicts(by_name["cheats"]).values()
    assert set(verdicts(by_name["not-python"]).values()) == {"not-gradable"}
    assert sorted(set(verdicts(by_name["loops-forever"]).values())) == ["pass", "timeout"]
    assert list(verdicts(by_name["crashes"]).values()).count("crash") == 3
    named = [row["misconception"] for row in by_name["classic-mistakes"]["exercises"] if row["misconception"]]
    assert len(named) >= 4
    page = Path("report/index.html").read_text()
    assert all(name in page for name in by_name)
    assert page.count("<script") == 1  # the page's own


@pytest.mark.usefixtures("lent_judges")
def test_the_json_is_as_documented():
    document = graded(REFERENCE, SAMPLES / "half-done", *QUICK, "--seed", 3)
    assert list(document) == ["schema", "seed", "isolation", "submissions"]
    assert (document["schema"], document["seed"]) == (1, 3)
    submission = document["submissions"][0]
    assert list(submission) == ["name", "score", "points", "exercises"]
    assert (submission["name"], submission["score"], submission["points"]) == (STEM, 2.0, 2.0)
    row = submission["exercises"][0]
    assert list(row) == ["section", "exercise", "points", "score", "verdict", "message", "misconception", "checks"]
    assert (row["section"], row["exercise"], row["message"], row["misconception"]) == (STEM, "forward_step", "", None)
    assert list(row["checks"][0]) == ["name", "verdict", "seconds"]


@pytest.mark.usefixtures("lent_judges")
def test_the_same_seed_gives_the_same_json_but_for_times():
    some = ["--only", "forward_step", "q_posterior", "timestep_embedding", "sample", "train_denoiser"]
    first = graded(SAMPLES / "classic-mistakes", *some, "--seed", 7, "--force")
    second = graded(SAMPLES / "classic-mistakes", *some, "--seed", 7, "--force")
    assert without_times(first) == without_times(second)


@pytest.mark.usefixtures("lent_judges")
def test_what_is_graded_is_not_graded_again():
    first = graded(REFERENCE, *QUICK, "--seed", 1)
    assert graded(REFERENCE, *QUICK, "--seed", 1) == first  # to the times: these rows are the stored ones
    assert graded(REFERENCE, *QUICK, "--seed", 2) != first


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "SUBMISSION"),
        (["x.py", "--only", "no_such_exercise"], "no_such_exercise"),
        (["x.py", "--only", "forward_stepp"], "did you mean forward_step?"),
        (["x.py", "--only", "s1"], f"did you mean {STEM}?"),
        (["x.py", "--json", "-"], "- would be a file of that name"),
        (["x.py", "--html", __file__], "is a file; name a folder"),
        (["x.py", "--learners", __file__], "is a file; name a folder"),
        (["x.py", "--jobs", "0"], "--jobs"),
        (["x.py", "--seed", "-1"], "--seed"),
        (["x.py", "--seed", "one"], "--seed"),
        (["x.py", "--isolation", "moat"], "moat"),
        (["x.py", "--frobnicate"], "--frobnicate"),
        (["nobody"], "nobody: there is no such file or folder"),
        ([str(REFERENCE), "sub/*.zip"], "sub/*.zip: this pattern matches nothing"),
    ],
)
def test_bad_usage_exits_with_2_and_says_what_is_wrong(arguments, says, capsys):
    try:
        status = main(["grade", *arguments])
    except SystemExit as stopped:
        status = stopped.code
    assert status == 2
    assert says in capsys.readouterr().err


@pytest.mark.usefixtures("lent_judges")
def test_bad_submissions_are_not_gradable_and_the_others_are_graded():
    Path("link.py").symlink_to(REFERENCE)
    folder = Path("latin")
    folder.mkdir()
    (folder / f"{STEM}.py").write_bytes("# caf\xe9\n".encode("latin-1"))
    Path("huge").mkdir()
    with Path("huge", f"{STEM}.py").open("wb") as file:
        file.truncate(100 << 20)
    Path("broken.zip").write_bytes(b"PK\x03\x04 not really")
    document = graded("link.py", "latin", "huge", "broken.zip", REFERENCE, *QUICK, "--seed", 1)
    *bad, good = document["submissions"]
    assert [submission["name"] for submission in bad] == ["link", "latin", "huge", "broken"]
    for submission in bad:
        assert set(verdicts(submission).values()) == {"not-gradable"}
        assert all(row["message"] and "\n" not in row["message"] for row in submission["exercises"])
    assert good["score"] == 2.0


@pytest.mark.usefixtures("lent_judges")
def test_submissions_of_one_name_are_told_apart():
    for folder in ("a/ada", "b/ada"):
        Path(folder).mkdir(parents=True)
        shutil.copy(REFERENCE, folder)
    with zipfile.ZipFile("b/ada.zip", "w") as archive:
        archive.write(REFERENCE, REFERENCE.name)
    document = graded("a/ada", "b/ada", "b/ada.zip", *QUICK, "--seed", 1)
    assert [submission["name"] for submission in document["submissions"]] == ["a/ada", "b/ada", "b/ada.zip"]


def test_a_fault_of_ours_counts_in_no_total_and_is_tried_again_alone(monkeypatch, capsys):
    """The judge cannot carry out one exercise; the next run has only that one to do."""
    asked = []

    def grade(self, request):
        asked.append(request["only"])
        rows = [plain_row(request["stem"], name, "pass", "") for name in request["only"]]
        rows = [{**row, "score": row["points"]} for row in rows]
        return [
            {**row, "verdict": "grader-error", "score": 0.0} if len(asked) == 1 and row is rows[-1] else row
            for row in rows
        ]

    monkeypatch.setattr(process.JudgeProcess, "__init__", lambda self, level: None)
    monkeypatch.setattr(process.JudgeProcess, "close", lambda self: None)
    monkeypatch.setattr(process.JudgeProcess, "grade", grade)
    arguments = ["grade", str(REFERENCE), "--only", "forward_step", "q_sample", "--seed", "1", "--json", "out.json"]
    assert main(arguments) == 1
    assert "1 of 1 that could be graded, 2 not: run again" in " ".join(capsys.readouterr().out.split())
    first = json.loads(Path("out.json").read_text())["submissions"][0]
    assert (first["score"], first["points"], first["ungraded"]) == (1.0, 1.0, 2.0)
    assert main(arguments) == 0
    second = json.loads(Path("out.json").read_text())["submissions"][0]
    assert (second["score"], second["points"], "ungraded" in second) == (3.0, 3.0, False)
    assert asked == [("forward_step", "q_sample"), ("q_sample",)]


@pytest.mark.parametrize(
    ("find", "replace", "says"),
    [
        (
            "points = 1\n",
            "points = -1\n",
            r"course.toml:\d+: .s1_forward_reverse.forward_step. has points = -1; give a number",
        ),
        ("points = 1\n", 'points = "3"\n', r"has points = '3'; give a number"),
        ("points = 1\n", "points = nan\n", r"has points = nan; give a number"),
        ("minutes = 10\n", "", r"course.toml:\d+: .s1_forward_reverse.forward_step. lacks minutes"),
        (
            "[s1_forward_reverse.train_denoiser]",
            "[s1_forward_reverse.teach_denoiser]",
            r"lacks .s1_forward_reverse.train_denoiser., of which there are checks",
        ),
        ("points = 1\n", "points = \n", r"course.toml cannot be read: .*line \d+"),
    ],
)
def test_a_course_file_that_does_not_fit_is_told_before_anything_is_graded(monkeypatch, capsys, find, replace, says):
    text = course.COURSE_FILE.read_text(encoding="utf-8")
    Path("course.toml").write_text(text.replace(find, replace, 1), encoding="utf-8")
    monkeypatch.setattr(course, "COURSE_FILE", Path("course.toml").absolute())
    course.sections.cache_clear()
    try:
        assert main(["grade", str(REFERENCE), "--seed", "1"]) == 2
    finally:
        course.sections.cache_clear()
    assert re.search(says, capsys.readouterr().err)


def alive(pids):
    return {pid for pid in pids if Path(f"/proc/{pid}").exists() and "Z" not in _state(pid)}


def _state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are counted in /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_stopped_leaves_no_process_and_goes_on_where_it_was(how):
    cohort = []
    for name in ("a", "b", "c", "d"):
        Path(name).mkdir()
        shutil.copy(REFERENCE, Path(name, f"{STEM}.py"))
        Path(name, f"{STEM}.py").write_text(REFERENCE.read_text() + f"\n# {name}\n")
        cohort.append(name)
    command = [sys.executable, "-m", "grader", "grade", *cohort, "--only", "q_posterior", "sample", "--seed", "1"]
    command += ["--jobs", "1", "--json", "run.json"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    store = Path(".unstatic/results.jsonl")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    heed = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores Ctrl-C
    with subprocess.Popen(command, env=environment, **quiet) as run:
        signal.signal(signal.SIGINT, heed)
        deadline = time.monotonic() + 120
        while not (store.exists() and store.read_text().count("\n") >= 1) and time.monotonic() < deadline:
            time.sleep(0.02)
        below = descendants(run.pid)
        run.send_signal(how)
        _, said = run.communicate(timeout=120)
    if how == signal.SIGINT:
        assert run.returncode == 130
        assert said.decode().endswith(
            "unstatic: stopped; what is done is kept, and the same command goes on from there\n"
        )
        assert b"Traceback" not in said
    kept = store.read_text()
    assert 1 <= kept.count("\n") < 4
    assert not Path("run.json").exists()
    deadline = time.monotonic() + 60
    while alive(below) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(below)
    said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
    assert "4/4" in said.stderr
    assert store.read_text().startswith(kept)
    assert store.read_text().count("\n") == 4
    document = json.loads(Path("run.json").read_text())
    assert [submission["score"] for submission in document["submissions"]] == [6.0] * 4


@pytest.fixture
def forged(tmp_path, monkeypatch):
    """A submission of stubs with a seed, and results in the grader's own form which say of the stubs that they pass; it is the current folder."""
    inside = tmp_path / "ada" / "exercises"
    inside.mkdir(parents=True)
    shutil.copy(ROOT / "exercises" / REFERENCE.name, inside)
    assert graded("ada", *QUICK, "--seed", 5)["submissions"][0]["score"] == 0
    entry = json.loads(Path(".unstatic/results.jsonl").read_text())
    for row in entry["rows"]:
        row.update(verdict="pass", score=row["points"], message="")
    entry["checksum"] = checksum(entry)
    (inside / ".unstatic").mkdir()
    (inside / ".unstatic" / "results.jsonl").write_text(json.dumps(entry) + "\n")
    (inside / ".unstatic" / "seed").write_text("5\n")
    monkeypatch.chdir(inside)
    return inside


@pytest.mark.usefixtures("lent_judges")
@pytest.mark.parametrize("place", [".", "..", "../../ada"])
def test_results_and_a_seed_that_lie_in_what_is_graded_count_for_nothing(forged, capsys, place):
    before = {path: path.read_bytes() for path in (forged / ".unstatic").iterdir()}
    document = graded(place, *QUICK)
    assert set(verdicts(document["submissions"][0]).values()) == {"unfinished"}
    assert document["seed"] != 5
    assert "could have been handed in" in (said := capsys.readouterr().err)
    assert "--state" in said
    assert {path: path.read_bytes() for path in (forged / ".unstatic").iterdir()} == before


@pytest.mark.usefixtures("lent_judges")
def test_nothing_is_kept_in_what_is_graded_unless_somebody_says_where(forged, capsys):
    shutil.rmtree(".unstatic")
    graded(".", *QUICK)
    assert not Path(".unstatic").exists()
    capsys.readouterr()
    first = graded(".", *QUICK, "--state", "../../mine")
    assert graded(".", *QUICK, "--state", "../../mine") == first
    assert {"seed", "results.jsonl"} <= {path.name for path in Path("../../mine").iterdir()}
    assert "handed in" not in capsys.readouterr().err


def test_what_is_kept_in_what_is_graded_counts_for_who_names_it(forged, capsys):
    document = graded(".", *QUICK, "--state", ".unstatic")
    assert set(verdicts(document["submissions"][0]).values()) == {"pass"}
    assert "handed in" not in capsys.readouterr().err


def test_a_link_to_what_is_graded_is_no_other_folder(forged):
    Path("../../class").symlink_to(forged.parent.parent)
    assert set(verdicts(graded("../../class/ada", *QUICK)["submissions"][0]).values()) == {"unfinished"}


def test_pseudonyms_that_nobody_could_resolve_are_refused(forged, capsys):
    assert main(["grade", ".", *QUICK, "--hide-names"]) == 2
    assert "--state" in capsys.readouterr().err


@pytest.mark.usefixtures("lent_judges")
def test_results_that_are_written_into_what_is_graded_follow_no_link(forged):
    Path("../../mine.txt").write_text("mine")
    Path("out.json").symlink_to("../../mine.txt")
    graded(".", *QUICK)
    assert Path("../../mine.txt").read_text() == "mine"
    assert not Path("out.json").is_symlink()


def test_results_that_would_be_a_folder_are_refused_before_anything_is_graded(capsys):
    for path in (".", "/", ""):
        assert main(["grade", str(REFERENCE), "--json", path]) == 2
        assert "is a folder; name a file" in capsys.readouterr().err
    assert not Path(".unstatic").exists()


@pytest.mark.parametrize("place", ["ada.py", "./course.toml", "class.csv"])
def test_results_do_not_take_the_place_of_what_is_graded_or_by_what(place, capsys):
    Path("ada.py").write_text(REFERENCE.read_text())
    Path("class.csv").write_text("learner\nada\n")
    Path("course.toml").write_text('roster = "class.csv"\n')
    before = Path(place).read_bytes()
    assert main(["grade", "ada.py", *QUICK, "--course", "course.toml", "--json", place]) == 2
    assert f"--json: {Path(place)} is what is graded here, or by what, and would be lost" in capsys.readouterr().err
    assert Path(place).read_bytes() == before


def test_a_log_that_cannot_be_written_is_told_once_and_the_run_goes_on(monkeypatch, capsys):
    def grade(self, request):
        raise GraderFault("the judge is gone")

    monkeypatch.setattr(process.JudgeProcess, "__init__", lambda self, level: None)
    monkeypatch.setattr(process.JudgeProcess, "close", lambda self: None)
    monkeypatch.setattr(process.JudgeProcess, "grade", grade)
    log = Path(".unstatic/log.txt").absolute()
    log.mkdir(parents=True)
    assert main(["grade", str(REFERENCE), *QUICK, "--seed", "1"]) == 1
    said = capsys.readouterr().err
    assert said.count(f"unstatic: {log}: is a directory; what goes wrong on our side is not kept\n") == 1
    assert "Traceback" not in said


def test_a_page_that_cannot_be_made_is_refused_before_anything_is_graded(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert main(["grade", str(REFERENCE), "--html", "report"]) == 2
    assert "pip install 'unstatic[instructor]'" in capsys.readouterr().err
    assert not Path(".unstatic").exists()


def test_a_machine_on_which_nothing_can_be_compiled_is_told_in_a_line(monkeypatch, capsys):
    monkeypatch.setattr(syntax, "CHILD", "import sys; sys.exit(1)")
    assert main(["grade", str(REFERENCE), *QUICK]) == 1
    assert re.fullmatch(r"unstatic: Python's compiler cannot be started as .*\n", capsys.readouterr().err)


def handed_in(name, *stems, **more):
    return Submission(name, {stem: Source(f"{stem}.py", "", "module", name) for stem in stems}, **more)


def asked_of(submissions, only=()):
    """The sections that are graded of each submission."""
    found = {one.name: [] for one in submissions}
    for unit in cohort.units(submissions, only):
        found[unit.submission.name].append(unit.stem[:2])
    return {name: " ".join(stems) for name, stems in found.items()}


def test_who_handed_in_nothing_is_held_against_no_section(tmp_path):
    (tmp_path / "eve").mkdir()
    submissions = [handed_in("ada", STEM, "s2_ddpm"), read(tmp_path / "eve")]
    assert asked_of(submissions) == {"ada": "s1 s2", "eve": ""}
    assert asked_of(submissions, [STEM]) == {"ada": "s1", "eve": ""}


def test_what_cannot_be_read_is_held_against_what_most_of_the_class_has():
    """One who is ahead of the others does not cost it a section."""
    lost = handed_in("eve", problems={None: "it is no archive"})
    ahead = handed_in("ada", *course.sections())
    both = [handed_in(name, STEM, problems={"s2_ddpm": "it is no Python"}) for name in ("bob", "cyd")]
    assert asked_of([ahead, *both, lost])["eve"] == "s1 s2"
    assert asked_of([handed_in("bob", STEM), ahead, handed_in("cyd", STEM), lost])["eve"] == "s1"
    assert asked_of([handed_in("ada", STEM, "s2_ddpm"), handed_in("bob", STEM), lost])["eve"] == "s1"
    assert asked_of([handed_in("ada", "s2_ddpm"), handed_in("bob", STEM), lost])["eve"] == "s1 s2"
    assert asked_of([ahead, lost], [STEM])["eve"] == "s1"
    assert asked_of([lost, replace(lost, name="dan")])["eve"] == "s1 s2 s3 s4 s5 s6 s7"


@pytest.mark.usefixtures("lent_judges")
def test_who_handed_in_nothing_is_told_as_missing_and_has_no_row(capsys):
    Path("eve/exercises").mkdir(parents=True)
    document = graded(REFERENCE, "eve", *QUICK)
    assert [one["name"] for one in document["submissions"]] == [STEM]
    assert document["missing"] == ["eve"]
    assert "handed in nothing: eve" in " ".join(capsys.readouterr().out.split())
    assert graded("eve", *QUICK)["submissions"] == []
