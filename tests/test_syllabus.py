"""A course's own file, as an instructor uses it: through the command line, one file of a few lines a test.

The cohort is graded once; what a test's file says of points, time and names is applied to what is kept.
"""

import contextlib
import json
import os
import re
import shutil
import sys
import threading
import unicodedata
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from grader.cli import main
from grader.course import section
from grader.files import write_atomically
from grader.intake.reading import read_all
from grader.intake.visible import visible
from grader.syllabus.hiding import Pseudonyms, hide
from grader.syllabus.reading import read as syllabus
from grader.syllabus.roster import Learner, Roster

STEM = "s1_forward_reverse"
REFERENCE = section(STEM).solution.read_text(encoding="utf-8")
RIGHT = "return (1 - beta).sqrt() * x + beta.sqrt() * noise"
WRONG = "return (1 - beta) * x + beta * noise"
QUICK = ["--only", "forward_step", "compute_alpha_bar", "--seed", "1"]
COHORT = ["ada", "bob", "eve", "zoe"]

Grade = Callable[..., dict]


def hand_in(name: str, text: str) -> None:
    Path(name).mkdir(exist_ok=True)
    Path(name, f"{STEM}.py").write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort, graded: ada is right, bob and eve wrote the same mistake, zoe another."""
    folder = tmp_path_factory.mktemp("term")
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert RIGHT in REFERENCE
        hand_in("ada", REFERENCE)
        hand_in("bob", REFERENCE.replace(RIGHT, WRONG))
        mine = WRONG.replace(" * ", "  *  ") + "  # mine"
        hand_in("eve", REFERENCE.replace(RIGHT, mine).replace("One step of the forward Markov chain", "Mine"))
        hand_in("zoe", REFERENCE.replace(RIGHT, "return x + beta * noise"))
        assert main(["grade", *COHORT, *QUICK]) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def grade(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Grade:
    """Grades the cohort by a course's file of these lines, and gives the document; `said` is what was printed."""
    monkeypatch.chdir(folder)

    def run(lines: str = "", *arguments: str) -> dict:
        Path("course.toml").write_text(lines, encoding="utf-8")
        capsys.readouterr()
        status = main(["grade", *COHORT, *QUICK, "--course", "course.toml", "--json", "out.json", *arguments])
        run.said, run.err = (" ".join(text.split()) for text in capsys.readouterr())  # type: ignore[attr-defined]
        assert status == 0, run.err  # type: ignore[attr-defined]
        return json.loads(Path("out.json").read_text())

    return run


def of(document: dict, name: str, exercise: str = "forward_step") -> dict:
    submission = next(one for one in document["submissions"] if one["name"] == name)
    return next(row for row in submission["exercises"] if row["exercise"] == exercise)


def total(document: dict, name: str) -> tuple[float, float]:
    submission = next(one for one in document["submissions"] if one["name"] == name)
    return submission["score"], submission["points"]


# ------------------------------------------------------------------------------------------------------- the roster


def test_a_long_list_of_names_is_cut_below_the_table_and_counted(grade):
    people = [f"somebody-{number:02}" for number in range(40)]
    found = grade("[roster]\n" + "".join(f"{who} = {{}}\n" for who in people))
    assert found["missing"] == people
    assert "… (40 in all)" in grade.said


def test_the_roster_says_who_is_missing_and_whose_a_submission_is(grade):
    found = grade(
        '[roster]\nada = "Ada Lovelace"\nbob = {}\nmary = "Mary"\nevelyn = { name = "Eve", submissions = ["eve"] }'
    )
    assert (found["missing"], found["unknown"]) == (["mary"], ["zoe"])
    assert [one.get("learner") for one in found["submissions"]] == ["ada", "bob", "evelyn", None]
    assert found["submissions"][0]["full_name"] == "Ada Lovelace"
    assert "handed in nothing: mary" in grade.said
    assert "on no roster: zoe" in grade.said


@pytest.mark.parametrize("more", ["", "dan = { name = 'Dan' }\n"])
def test_who_has_a_folder_without_a_file_is_missing(grade, monkeypatch, more):
    """As an empty repository is: no row, no points, and not the submission of somebody who handed in twice."""
    monkeypatch.setattr(sys.modules[__name__], "COHORT", [*COHORT, "mary", "late/ada", "nobody"])
    for name in ("mary", "late/ada", "nobody"):
        Path(name).mkdir(parents=True, exist_ok=True)
    receipts(ada="2026-02-02T22:00:00")
    try:
        found = grade("[roster]\nada = {}\nbob = {}\neve = {}\nzoe = {}\nmary = {}\n" + more)
        without = grade(f"{DEADLINE}[extensions]\nmary = 1\n")
        paper = grade(BY_HAND.replace("bob", "mary"))
        hidden = grade("hide_names = true")
    finally:
        shutil.rmtree("late")
        for name in ("mary", "nobody"):
            Path(name).rmdir()
    assert found["missing"] == (["mary", "dan"] if more else ["mary"])
    assert found["unknown"] == ["nobody"]
    assert "twice" not in found
    assert [one["learner"] for one in found["submissions"]] == ["ada", "bob", "eve", "zoe"]
    assert sorted(without["missing"]) == ["late/ada", "mary", "nobody"]
    assert "unused" not in without
    assert total(paper, "mary") == (0.5, total(paper, "bob")[1])
    assert (len(hidden["submissions"]), len(hidden["missing"])) == (4, 3)
    assert all(name.startswith("learner-") for name in hidden["missing"])


@pytest.mark.parametrize("lines", ["", "[roster]\nada = {}\nbob = {}\neve = {}\nzoe = {}\n", "hide_names = true"])
def test_who_was_in_the_results_and_is_not_any_more_is_told(grade, monkeypatch, lines):
    Path("out.json").unlink(missing_ok=True)
    for _ in range(2):
        grade(lines)
        assert "any more" not in grade.err
    monkeypatch.setattr(sys.modules[__name__], "COHORT", ["ada", "bob"])
    grade(lines)
    who = r"learner-\w+, learner-\w+" if "hide" in lines else "eve, zoe"
    assert re.search(rf"unstatic: out.json had {who} too, and has not any more; .* give all submissions", grade.err)
    if "roster" in lines:
        grade(lines.replace("bob = {}", 'robert = { submissions = ["bob"] }'))
        assert "any more" not in grade.err
    grade("" if "hide" in lines else "hide_names = true")  # which would say who is who
    assert "any more" not in grade.err


def test_results_that_were_by_another_seed_are_told_before_it_is_lost(grade):
    grade()
    other = json.loads(Path("out.json").read_text()) | {"seed": 77}  # as a regrade left them
    Path("out.json").write_text(json.dumps(other))
    grade()
    assert "out.json was by the seed 77, and is by 1 now; --seed 77 goes on with the other one" in grade.err
    grade()
    assert "by the seed" not in grade.err


def test_a_roster_may_be_the_table_that_a_platform_exports(grade):
    Path("class.csv").write_text("\ufeffName;Learner;Grade\nAda;ada;\nBob;bob;\nMary;mary;\n", encoding="utf-8")
    found = grade('roster = "class.csv"')
    assert (found["missing"], found["unknown"]) == (["mary"], ["eve", "zoe"])
    assert found["submissions"][1]["full_name"] == "Bob"


def test_a_learner_s_id_and_submission_may_differ_in_capitals_alone(grade):
    Path("class.csv").write_text("learner,submission\nada,Ada\nbob,BOB\n", encoding="utf-8")
    assert grade('roster = "class.csv"')["unknown"] == ["eve", "zoe"]


def test_two_submissions_of_one_learner_are_told(grade):
    found = grade('[roster]\nada = { submissions = ["bob"] }\n')
    assert found["twice"] == {"ada": ["ada", "bob"]}
    assert "several of one learner: ada: ada, bob" in grade.said


# ------------------------------------------------------------------------------------------------- what counts


def test_points_weights_and_extra_credit_are_the_course_s(grade):
    found = grade("[points]\nforward_step = 5")
    assert [total(found, name) for name in ("ada", "bob")] == [(6, 6), (1, 6)]
    found = grade(f"[weights]\n{STEM} = 46")  # its exercises have 23 points
    assert [total(found, name) for name in ("ada", "bob")] == [(4, 4), (2, 4)]
    found = grade('extra = ["compute_alpha_bar"]')
    assert [total(found, name) for name in ("ada", "bob")] == [(2, 1), (1, 1)]
    assert of(found, "ada", "compute_alpha_bar")["extra"] is True
    assert "extra" not in of(found, "ada")
    assert of(found, "bob")["verdict"] == "fail"


def test_what_a_course_leaves_out_is_not_graded(grade):
    found = grade('left_out = ["compute_alpha_bar"]')
    assert [row["exercise"] for row in found["submissions"][0]["exercises"]] == ["forward_step"]
    assert total(found, "ada") == (1, 1)


# ------------------------------------------------------------------------------------------------------- deadlines

DEADLINE = f"""
receipts = "receipts.csv"
timezone = "Europe/Vienna"
[deadlines]
{STEM} = 2026-03-01
"""


def receipts(**times: str) -> None:
    lines = [f"{name},{time}" for name, time in times.items()]
    Path("receipts.csv").write_text("submission,received\n" + "\n".join(lines) + "\n")


def test_what_is_late_is_told_and_loses_what_the_course_says(grade):
    receipts(ada="2026-03-02T23:00:00+01:00", bob="2026-03-01T23:59:59+01:00", eve="2026-03-02T00:05:00+01:00")
    rule = "[late]\nper_day = 0.25\ngrace_minutes = 10\n"
    found = grade(DEADLINE + rule)
    assert [total(found, name)[0] for name in ("ada", "bob", "eve", "zoe")] == [1.5, 1, 1, 1]
    assert of(found, "ada")["late"] == {
        "received": "2026-03-02T23:00:00+01:00",
        "due": "2026-03-02T00:00:00+01:00",
        "kept": 0.75,
    }
    assert (
        "late       received 2026-03-02 23:00, due 2026-03-02 00:00: 75 % of the score is kept"
        in of(found, "ada")["message"]
    )
    assert of(found, "ada")["verdict"] == "pass"
    assert found["no_receipt"] == ["zoe"]
    assert f"late: ada: {STEM} (75 % kept)" in grade.said
    assert total(grade(DEADLINE), "ada")[0] == 2  # no rule: it is told, and loses nothing
    assert total(grade(DEADLINE + "[late]\nper_day = 0.1\nuntil_days = 0.5"), "ada")[0] == 0
    assert total(grade(DEADLINE + "[late]\nper_day = 0.6\nat_most = 0.3"), "ada")[0] == 1.4


@pytest.mark.parametrize("extension", ["ada = 2026-03-03", "ada = 1", "ada = { s1_forward_reverse = 1.5 }"])
def test_an_extension_moves_the_deadline_of_one_learner(grade, extension):
    receipts(ada="2026-03-02T22:00:00", bob="2026-03-02T22:00:00+01:00")
    found = grade(f"{DEADLINE}[late]\nper_day = 1\n[extensions]\n{extension}")
    assert ("late" in of(found, "ada"), "late" in of(found, "bob")) == (False, True)
    assert [total(found, name)[0] for name in ("ada", "bob")] == [2, 0]


UNSEEN = "\u200fعدي\u200e\u00ad أحمد\ufeff"
LONG = " and ".join(f"Ada Augusta King the {number}th" for number in range(12))


@pytest.mark.parametrize("name", [UNSEEN, LONG], ids=["signs that are not seen", "a long one"])
@pytest.mark.parametrize("written", [str, visible], ids=["as it is", "as results show it"])
def test_a_name_is_known_whatever_signs_are_not_seen_in_it_and_however_long_it_is(tmp_path, name, written):
    metadata = f"submission_1:\n  :submitters:\n  - :name: {name}\n"
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as archive:
        archive.writestr("submission_metadata.yml", metadata)
        archive.writestr(f"submission_1/{STEM}.py", REFERENCE)
    (read,) = read_all([tmp_path / "class.zip"])
    assert read.name == visible(name)
    assert Roster({"7": Learner("7", "", (written(name),))}).owner(read.name) == "7"
    (tmp_path / "receipts.csv").write_text(f"submission,received\n{written(name)},2026-03-01T18:00:00Z\n", "utf-8")
    (tmp_path / "course.toml").write_text('receipts = "receipts.csv"', "utf-8")
    assert syllabus(tmp_path / "course.toml").receipts.of((read.name,), STEM, None) is not None


def test_names_that_differ_in_what_is_seen_are_two(tmp_path):
    roster = Roster({name: Learner(name) for name in ("ada", "ad", LONG + " A", LONG + " B")})
    assert [roster.owner(name) for name in ("ada", "ad\u200b", LONG + " A", LONG + " B")] == list(roster.learners)


@pytest.mark.parametrize("with_roster", [True, False])
def test_a_name_is_the_same_however_its_accents_and_capitals_are_written(grade, with_roster, monkeypatch):
    """Archives of a Mac have accents apart, platforms have them in one. 2 s each, and what is graded once."""
    apart, in_one = unicodedata.normalize("NFD", "Zoë Müller"), unicodedata.normalize("NFC", "Zoë Müller")
    written, other = (apart, in_one) if with_roster else (in_one, apart)
    monkeypatch.setattr(sys.modules[__name__], "COHORT", ["ada", apart])
    shutil.copytree("bob", apart)
    Path("receipts.csv").write_text(f"submission,received\n{written},2026-03-09T00:00:00Z\n", encoding="utf-8")
    try:
        found = grade(
            f'{DEADLINE}[late]\nper_day = 0.5\n[extensions]\n"{other}" = 7\n[[scores]]\nlearner = "{written.upper()}"\n'
            'exercise = "forward_step"\nscore = 0.5\nby = "me"\nwhy = "x"\n'
            + (f'[roster]\nada = {{}}\n"{in_one}" = {{}}\n' if with_roster else ""),
            *(["--again", in_one] if with_roster else []),
        )
    finally:
        shutil.rmtree(apart)
    assert apart not in found.get("no_receipt", [])
    assert of(found, apart)["late"]["due"].startswith("2026-03-09T00:00")  # by the extension
    assert of(found, apart)["score"] == 0.5
    assert "unused" not in found
    assert found.get("missing", []) == []


def test_the_collector_s_times_of_files_count_where_the_course_says_so(grade):
    for name, day in (("ada", 1), ("bob", 3)):
        moment = datetime(2026, 3, day, 12, tzinfo=UTC).timestamp()
        os.utime(Path(name, f"{STEM}.py"), (moment, moment))
    found = grade(DEADLINE.replace("receipts.csv", "mtime"))
    assert ("late" in of(found, "ada"), "late" in of(found, "bob")) == (False, True)


@pytest.mark.parametrize(
    ("read", "beside"), [("homework.py", f"{STEM}.log"), ("mine.zip", f"{STEM}.pdf"), (f"a/{STEM}.py", f"{STEM}.pdf")]
)
@pytest.mark.parametrize("late", [True, False])
def test_of_a_folder_s_files_the_time_of_the_one_that_was_read_counts(grade, monkeypatch, read, beside, late):
    """Else an older file beside it hides that it is late, and a later one makes it so."""
    monkeypatch.setattr(sys.modules[__name__], "COHORT", ["ada", "dan"])
    Path("dan", read).parent.mkdir(parents=True)
    if read.endswith(".zip"):
        with zipfile.ZipFile(Path("dan", read), "w") as archive:
            archive.writestr(f"{STEM}.py", REFERENCE)
    else:
        Path("dan", read).write_text(REFERENCE, encoding="utf-8")
    Path("dan", beside).write_bytes(b"\0")
    for name, day in ((read, 3 if late else 1), (beside, 1 if late else 3)):
        moment = datetime(2026, 2 if day == 1 else 3, day, 12, tzinfo=UTC).timestamp()
        os.utime(Path("dan", name), (moment, moment))
    try:
        found = grade(DEADLINE.replace("receipts.csv", "mtime"))
    finally:
        shutil.rmtree("dan")
    assert of(found, "dan")["verdict"] == "pass"
    assert ("late" in of(found, "dan")) == late


# ---------------------------------------------------------------------------------------------------- scores by hand

BY_HAND = """
[[scores]]
learner = "bob"
exercise = "forward_step"
score = 0.5
by = "Emmy Noether"
why = "right idea,
 wrong sign"
""".replace("idea,\n", "idea,")


def test_a_score_set_by_hand_survives_a_rerun_and_says_who_set_it_and_why(grade):
    receipts(bob="2026-03-09T00:00:00Z")
    for _ in range(2):
        found = grade(f"{DEADLINE}[late]\nper_day = 1\n{BY_HAND}", "--again", "bob")
        row = of(found, "bob")
        assert (row["score"], row["verdict"]) == (0.5, "fail")
        assert row["by_hand"] == {"by": "Emmy Noether", "why": "right idea, wrong sign", "was": 0.0}
        assert "by hand    0.5, not 0, set by Emmy Noether: right idea, wrong sign" in row["message"]
        assert "set by hand: bob, forward_step: 0.5, not 0, by Emmy Noether: right idea, wrong sign" in grade.said
        assert total(found, "bob") == (0.5, 2)  # the rest was late


def test_a_score_by_hand_stands_for_who_handed_in_nothing(grade):
    found = grade("[roster]\nada = {}\nbob = {}\neve = {}\nzoe = {}\nmary = {}\n" + BY_HAND.replace("bob", "mary"))
    assert total(found, "mary") == (0.5, total(found, "bob")[1])  # of as many points as everybody
    assert of(found, "mary", "compute_alpha_bar")["message"] == "nothing was handed in"
    assert found["missing"] == ["mary"]
    assert grade(BY_HAND.replace("bob", "bobby"))["unused"] == ["bobby"]


# ------------------------------------------------------------------------------------------- again, files, names, equals


def seconds(document: dict, name: str, exercise: str) -> list[float]:
    return [check["seconds"] for check in of(document, name, exercise)["checks"]]


def test_one_learner_or_one_exercise_is_graded_again_inside_the_cohort_s_results(grade):
    first, stored = grade(), Path(".unstatic/results.jsonl")
    before = stored.read_text().count("\n")
    again = grade("", "--again", "ada", "forward_step")
    assert stored.read_text().count("\n") == before + 1
    assert seconds(again, "ada", "forward_step") != seconds(first, "ada", "forward_step")
    assert seconds(again, "ada", "compute_alpha_bar") == seconds(first, "ada", "compute_alpha_bar")
    assert of(again, "bob") == of(first, "bob")
    assert grade() == again
    with pytest.raises(
        AssertionError, match="--again: 'adda' is no submission, learner, exercise or section of this run"
    ):
        grade("", "--again", "adda")


def test_each_learner_gets_a_file_with_what_concerns_them_and_without_the_seed(grade):
    grade('[roster]\nada = "Ada *L*"\nbob = {}\neve = {}\nzoe = {}', "--learners", "out")
    assert sorted(path.name for path in Path("out").iterdir()) == ["ada.md", "bob.md", "eve.md", "zoe.md"]
    bob = Path("out", "bob.md").read_text()
    assert "1 of 2 points" in bob
    assert "### ✗ `forward_step`: 0 of 1 points" in bob
    assert re.search(r"^    looks like ", bob, re.MULTILINE)
    assert not re.search(r"seed|ada|eve|zoe", bob)
    assert r"Ada \*L\*" in Path("out", "ada.md").read_text()


def test_names_are_hidden_the_same_way_in_every_run(grade):
    lines = 'hide_names = true\n[roster]\nada = "Ada Lovelace"\nbob = {}\neve = {}\nmary = {}\n'
    shutil.rmtree("out", ignore_errors=True)
    found = grade(lines, "--learners", "out", "--html", "page")
    shown = json.dumps(found) + grade.said + grade.err + Path("page/index.html").read_text()
    shown += "".join(path.name + path.read_text() for path in Path("out").iterdir())
    assert not re.search(r"\b(ada|bob|eve|zoe|mary|lovelace)\b", shown, re.IGNORECASE)
    names = [one["name"] for one in found["submissions"]]
    assert names == sorted(names)
    whose = json.loads(Path(".unstatic/names.json").read_text())["names"]
    assert sorted(whose[name] for name in names) == COHORT
    assert [whose[name] for name in found["missing"]] == ["mary"]
    assert [one["name"] for one in grade("", "--hide-names")["submissions"]] == names


def test_two_submissions_of_one_learner_go_by_one_pseudonym_wherever_they_are_told(grade, monkeypatch):
    lines = 'hide_names = true\n[roster]\nada = {}\neve = { submissions = ["bob"] }\nzoe = {}\n'
    found = grade(lines)
    ((who, both),) = found["twice"].items()
    assert both == [who, f"{who} (2)"]
    assert {one["learner"] for one in found["submissions"] if one["name"] in both} == {who}
    monkeypatch.setattr(sys.modules[__name__], "COHORT", COHORT[::-1])
    assert grade(lines) == found  # whichever is given first
    assert main(["export", "out.json", "--to", "canvas", "-o", "canvas.csv"]) == 0
    assert Path("canvas.csv").read_text(encoding="utf-8").count(f"{who},") == 2  # one line: as a name and as an id


def test_equal_submissions_are_listed_whatever_their_layout(grade):
    assert grade()["equal"] == [{"section": STEM, "exercises": ["forward_step"], "submissions": ["bob", "eve"]}]
    assert f"equal in {STEM}: bob, eve (forward_step)" in grade.said
    assert "equal" not in grade('[roster]\nada = {}\neve = { submissions = ["bob"] }')  # handed in twice, by one


def test_two_runs_that_begin_at_once_have_the_same_pseudonyms_and_lose_no_name_of_each_other_s(tmp_path, monkeypatch):
    """Both are held where they write, until the other is there too or 0.3 s have passed."""
    both = threading.Barrier(2)

    def write(path: Path, text: str, *, mode: int) -> None:
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.3)
        write_atomically(path, text, mode=mode)

    monkeypatch.setattr("grader.syllabus.hiding.write_atomically", write)
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda _: Pseudonyms(tmp_path, Roster()), range(2))
    assert one.of("ada") == two.of("ada")
    pseudonyms = [one.of("bob"), two.of("eve")]
    one.keep()
    two.keep()
    assert set(pseudonyms) < set(json.loads((tmp_path / "names.json").read_text(encoding="utf-8"))["names"])


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("LovelaceAda", "not used: lovelaceada_LATE_12_34_s1.py, as there is a later attempt"),
        ("ps1/lovelaceada", "not used: lovelaceada_12_34_s1.py, as there is a later attempt"),
        ("lovelaceada (7)", "not used: lovelaceada_7_assignsubmission_file_, as there is a later attempt"),
        ("late/lovelaceada.zip", "lovelaceada: not used: x.txt"),
        ("mine", "not used: lovelaceada.docx"),
    ],
)
def test_a_name_that_a_platform_set_into_a_file_s_name_is_hidden_too(tmp_path, name, told):
    row = {"section": STEM, "exercise": "q_sample", "verdict": "pass", "message": f"note       {told}"}
    one = {"name": name, "score": 1, "points": 1, "exercises": [row], "full_name": "Ada"}
    roster = Roster({"7": Learner("7", "Ada", ("mine", "lovelaceada"))} if name == "mine" else {})
    found = hide({"submissions": [one]}, Pseudonyms(tmp_path, roster))
    said = found["submissions"][0]["exercises"][0]["message"]
    assert said == f"note       {told.replace('lovelaceada', found['submissions'][0]['name'])}"


YAML = "submission_10077:\n  :submitters:\n  - :name: Ada L\n"
LATER = ", as there is a later attempt"
FORMS = {
    "Canvas": (
        [f"lovelaceada_10077_200_{STEM}.py", f"lovelaceada_LATE_10077_310_{STEM}-1.py"],
        f"not used: PSEUDONYM_{STEM}.py{LATER}",
    ),
    "Moodle": (
        [f"Ada L_10077_assignsubmission_file_{STEM}.py", f"Ada L_10077_assignsubmission_file_{STEM}-1.py"],
        f"not used: PSEUDONYM_{STEM}.py{LATER}",
    ),
    "Brightspace": (
        [f"10077-22 - Ada L - Mar {day}, 2026 600 PM/{STEM}.py" for day in (1, 2)],
        f"not used: PSEUDONYM{LATER}",
    ),
    "Gradescope": (
        ["submission_metadata.yml", f"submission_10077/{STEM}.py", "submission_10077/x\\y"],
        "not read: class.zip: PSEUDONYM/x\\y is",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("files", "told"), FORMS.values(), ids=FORMS)
def test_a_platform_s_number_of_a_learner_is_hidden_with_their_name(tmp_path, files, told):
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as archive:
        for name in files:
            archive.writestr(name, YAML if name.endswith(".yml") else REFERENCE)
    (read,) = read_all([tmp_path / "class.zip"])
    row = {"section": STEM, "exercise": "q_sample", "verdict": "pass", "message": "note       " + "; ".join(read.notes)}
    one = {"name": read.name, "score": 1, "points": 1, "exercises": [row]}
    (found,) = hide({"submissions": [one]}, Pseudonyms(tmp_path, Roster(), [read]))["submissions"]
    said = found["exercises"][0]["message"]
    assert told.replace("PSEUDONYM", found["name"]) in said
    assert not re.search(r"10077|_200|ada\b", said, re.IGNORECASE)


def test_a_message_is_left_as_it_is_where_there_is_no_name_to_hide(tmp_path):
    """A submission that is called as its section is has no name of its own."""
    row = {"section": STEM, "exercise": "q_sample", "verdict": "not-gradable", "message": "it is no ZIP archive"}
    one = {"name": STEM, "score": 0, "points": 1, "exercises": [row]}
    found = hide({"submissions": [one]}, Pseudonyms(tmp_path, Roster()))
    assert found["submissions"][0]["exercises"][0]["message"] == "it is no ZIP archive"
