"""What is wrong with a course's file is told with file and line, all of it, before anything is graded."""

import re
import shlex
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest

from grader.checks.collect import collect
from grader.cli import main, parser
from grader.course import ROOT, section
from grader.judging.results import document
from grader.syllabus.reading import KEYS

TAKEN = next(check.name for check in collect("s1_forward_reverse") if check.exercise == "q_sample")
"""The name of a check of ours."""
STEM = "s1_forward_reverse"
OURS = next(check.name for check in collect(STEM) if check.exercise == "q_sample" and not check.parameters)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ada").mkdir()
    Path("ada", f"{STEM}.py").write_text(section(STEM).stub.read_text())


def faults(capsys: pytest.CaptureFixture, text: str | bytes) -> list[str]:
    """What `grade` says of a course's file, a line each; nothing may have been graded."""
    Path("course.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert main(["grade", "ada", "--course", "course.toml", "--json", "out.json"]) == 2
    assert not Path("out.json").exists()
    assert not Path(".unstatic/results.jsonl").exists()
    return capsys.readouterr().err.removeprefix("unstatic: ").strip().splitlines()


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("title = \n", 1, "this is not TOML"),
        ('title = "x"\n[points', 2, "this is not TOML"),
        (b'title = "caf\xe9"', 1, "not UTF-8"),
        ("\nponts = 1", 2, "ponts is not a key of a course's file; there are title, "),
        ("title = 3", 1, "title = 3: give text"),
        ('charge_once = "no"', 1, "charge_once = 'no': give true or false"),
        ("points = 3", 1, "points = 3: give a table"),
        ("[points]\nq_sample = 2\nq_sampel = 3", 3, "no exercise or section is called 'q_sampel'; did you mean q_sample?"),
        ("[points]\nq_sample = -1", 2, "points.q_sample = -1: give a number, 0 or more"),
        ("[points]\nq_sample = nan", 2, "points.q_sample = nan: give a number, 0 or more"),
        ("[points]\nq_sample = true", 2, "points.q_sample = True: give a number"),
        (f"[points]\n{STEM} = 1", 2, f"{STEM} is a section; name an exercise"),
        ("[weights]\nq_sample = 1", 2, "q_sample is an exercise; name a section"),
        (f'left_out = ["{STEM}"]\n[weights]\n{STEM} = 3', 3, "has a weight and no points"),
        ('extra = [\n  "q_sample",\n  "q_sampel",\n]', 3, "no exercise or section is called 'q_sampel'"),
        ("[time.learners]\nada = 0.5", 2, "time.learners.ada = 0.5: give a number from 1 to 50"),
        ("[time]\nada = 2", 2, "ada is not a key of time; there are learners, exercises"),
        ("[time.exercises]\nq_sample = 1e9", 2, "give a number from 1 to 50"),
        ('[roster]\nada = "Ada"\n[time.learners]\nadda = 2', 4, "adda is not on the roster"),
        ("[roster]", 1, "roster has nobody in it"),
        ('[roster]\nada = { nam = "Ada" }', 2, "nam is not a key of roster.ada"),
        ('[roster]\nada = {}\nbob = { submissions = ["ADA"] }', 1, "ada could be the submission of two learners"),
        ('roster = "nobody.csv"', 1, "nobody.csv cannot be read: no such file"),
        (f"[deadlines]\n{STEM} = 2026-03-01", 2, "nothing says where this is; give it an offset, as +01:00"),
        (f'timezone = "Europa/Wien"\n[deadlines]\n{STEM} = 2026-03-01T00:00:00Z', 1, "timezone = 'Europa/Wien' is not known"),
        (f'receipts = "mtime"\n[deadlines]\n{STEM} = "tomorrow"', 3, "give a day or a time, as 2026-03-01 or"),
        (f"[deadlines]\n{STEM} = 2026-03-01T00:00:00Z", 1, "nothing says when submissions came: add receipts"),
        ("[late]\nper_day = 0.1", 1, "there is late and no [deadlines]"),
        ("[late]\nper_day = 10", 2, "late.per_day = 10: give a number from 0 to 1"),
        ('[[scores]]\nlearner = "ada"\nscore = 1', 1, "scores[1] lacks exercise"),
        ('scores = [\n { learner = "a", exercise = "q_sample", score = 1, by = "me", why = "x" },\n'
         ' { learner = "b", exercise = "q_sample", score = 3, by = "me", why = "x" },\n]',
         3, "a score of 3 of 2 points for q_sample; give at most these"),
        ('checks = "nowhere"', 1, "there is no folder"),
        ('[roster]\nada = {}\n[time.learners]\nAdda = 2', 4, "Adda is not on the roster; did you mean ada?"),
        ('[scores]\nlearner = "ada"', 1, "give a list, each begun by [[scores]]"),
        ("\nroster = " + "[" * 1000 + "]" * 1000 + "\n", 2, "a value here is nested too deeply"),
        ("[points]\nq_sample = " + "1" * 5000, 2, "a number has too many digits"),
        ("[points]\nq_sample = " + "1" * 400, 2, "give a number, 0 or more, up to 1,000,000,000"),
        (f"[weights]\n{STEM} = 1e308", 2, "give a number, 0 or more, up to 1,000,000,000"),
        ('roster = "a\\u0000.csv"', 1, "give text"),
        (f'timezone = "UTC"\nreceipts = "mtime"\n[deadlines]\n{STEM} = 9999-12-31', 4, "9999-12-31: give a year from 1900 to 9000"),
        (f'receipts = "mtime"\n[deadlines]\n{STEM} = 0001-01-01T00:00:00+10:00', 3, "give a year from 1900 to 9000"),
        (f'receipts = "mtime"\n[deadlines]\n{STEM} = 2026-03-01T00:00:00Z\n[extensions]\nada = 9999-12-31T23:59:59-10:00',
         5, "give a year from 1900 to 9000"),
        (f'receipts = "mtime"\n[deadlines]\n{STEM} = 2026-03-01T00:00:00Z\nsample = 2026-04-01T00:00:00Z\n[extensions]\nada = 2025-03-08T00:00:00Z',
         6, "extensions.ada = 2025-03-08 00:00:00+00:00: this is before what is due, and gives no more time"),
        (f'receipts = "mtime"\n[deadlines]\nsample = 2026-03-01T00:00:00Z\n[extensions]\nada = {{ {STEM} = 1, s2_ddpm = 1 }}',
         5, "extensions.ada.s2_ddpm: nothing of s2_ddpm has a deadline that could be extended"),
        (f'receipts = "mtime"\n[deadlines]\n{STEM} = 2026-03-01T00:00:00Z\n[extensions]\nada = 1\nAda = 2', 6, "Ada is ada, who stands above; keep one"),
        ("[time.learners]\n'jos\u00e9' = 2\n'jose\u0301' = 3", 3, "who stands above; keep one"),
    ],
    ids=lambda part: part[:30] if isinstance(part, str) else None,
)  # fmt: skip
def test_each_fault_is_told_with_file_and_line(text, line, says, capsys):
    told = faults(capsys, text)
    place = str(Path("course.toml").absolute())
    assert any(one.startswith(f"{place}:{line}: ") and says in one for one in told), told


def test_all_faults_are_told_at_once_in_the_order_of_the_file(capsys):
    told = faults(capsys, '[points]\nx = 1\n[weights]\ny = 1\n[[scores]]\nlearner = "ada"\n')
    assert [line.split(": ")[0].rpartition(":")[2] for line in told] == ["2", "4", "5"]


def test_faults_of_a_table_beside_the_file_are_told_with_its_lines(capsys):
    Path("receipts.csv").write_text(
        "submission,section,received\nada,,soon\nbob,,2026-01-01\n,,2026-01-01\nada,s9,2026-01-01T00:00Z\neve,,9999-12-31T23:00-10:00\n"
    )
    told = faults(capsys, f'receipts = "receipts.csv"\n[deadlines]\n{STEM} = 2026-03-01T00:00:00Z')
    assert [line.removeprefix(f"{Path.cwd()}/") for line in told] == [
        "receipts.csv:2: received 'soon' is not a time; write it as 2026-03-01T18:00:00+01:00",
        "receipts.csv:3: received 2026-01-01 has no offset, as +01:00, and the course's file no timezone",
        "receipts.csv:4: there is no submission in this line",
        told[3].removeprefix(f"{Path.cwd()}/"),
        "receipts.csv:6: received 9999-12-31T23:00-10:00: give a year from 1900 to 9000",
    ]
    assert "receipts.csv:5: no section is called 's9'" in told[3]
    Path("class.csv").write_text("name,email\nAda,a@b\n")
    told = faults(capsys, 'roster = "class.csv"')
    assert [line.removeprefix(f"{Path.cwd()}/") for line in told] == [
        "class.csv:1: the first line names no column learner; it must have learner, and has name, email: "
        "give the columns these names"
    ]


def test_a_fault_is_told_once_and_not_again_for_what_follows_from_it(capsys):
    Path("class.xlsx").write_bytes(b"PK\x03\x04 and so on")
    told = faults(capsys, 'roster = "class.xlsx"')
    assert told == [f"{Path.cwd()}/class.xlsx:1: this is a spreadsheet's own file; save the table as CSV in UTF-8"]
    told = faults(capsys, f'timezone = "Europa/Wien"\nreceipts = "mtime"\n[deadlines]\n{STEM} = 2026-03-01')
    assert [line.partition(": ")[2].split(" = ")[0] for line in told] == ["timezone"]


def test_a_misspelt_name_to_grade_again_is_told_with_the_nearest(capsys):
    assert main(["grade", "ada", "--again", "aada"]) == 2
    assert (
        "'aada' is no submission, learner, exercise or section of this run; did you mean 'ada'?"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("name", "text", "line", "says"),
    [
        ("test_q_sample.py", "def test_q_sample_x(code): ...", 1, "checks lie in a folder for each section"),
        (f"{STEM}/test_q_sampel.py", "def test_x(code): ...", 1, "q_sampel is no exercise of"),
        (f"{STEM}/test_q_sample.py", "def test_x(code): ...", 1, "call it test_q_sample_<sentence>"),
        (f"{STEM}/test_q_sample.py", "\ndef test_q_sample_x(code:", 2, "SyntaxError"),
        (f"{STEM}/test_q_sample.py", "import os\nimport no_such", 2, "No module named 'no_such'"),
        (f"{STEM}/test_q_sample.py", "x = 1\ndef test_q_sample_x(coed): ...", 2, "coed"),
        (f"{STEM}/test_q_sample.py", f"\n\ndef {TAKEN}(code): ...", 3, "is the name of a check of ours"),
        (f"{STEM}/test_q_sample.py", "x = 1", 1, "no check"),
        (f"{STEM}/test_q_sample.py", "import sys\nsys.exit(3)", 2, "SystemExit: 3\n"),
        (
            f"{STEM}/test_q_sample.py",
            "def test_q_sample_x(code):\n    yield",
            1,
            "'yield' keyword is allowed in fixtures, but not in tests",
        ),
        (
            f"{STEM}/test_q_sample.py",
            "\nasync def test_q_sample_x(code): ...",
            2,
            "is async, and would pass without being run",
        ),
    ],
)
def test_what_is_wrong_with_the_instructor_s_checks_is_told_before_anything_is_graded(name, text, line, says, capsys):
    path = Path("mine", name)
    path.parent.mkdir(parents=True)
    path.write_text(text)
    told = "\n".join([*faults(capsys, 'checks = "mine"'), ""])
    assert f"{path.absolute()}:{line}: " in told
    assert says in told
    assert told.count("\n") == 1


def test_unstatic_course_says_what_the_file_says_and_tries_the_checks_on_our_answers(capsys):
    path = Path("mine", STEM, "test_forward_step.py")
    path.parent.mkdir(parents=True)
    path.write_text(
        "import torch\nfrom exercises.checks import expect\n\n\n"
        "def test_forward_step_of_noise_alone(code):\n    z = torch.zeros(2)\n"
        "    expect.close(code.forward_step(z, 0.25, z + 1), z + 0.5, 'half')\n"
    )
    text = f'title = "Spring"\nchecks = "mine"\nextra = ["sample"]\n[weights]\n{STEM} = 40\n[time.learners]\nada = 2'
    Path("course.toml").write_text(text)
    assert main(["course", "course.toml"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Spring\n")
    assert f"{STEM}: 11 exercises, 40 points; extra credit: sample" in said
    assert "extra time: ada 2 times" in said
    assert "1 checks of your own: test_forward_step_of_noise_alone" in said


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("assert code.forward_step is 3", "AssertionError"),
        ("print('noise')\n    raise ValueError", "ValueError (line 3)"),
        ("import sys\n    sys.exit(0)", "SystemExit: 0 (line 3)"),
        ("code.forward_stpe(1)", "Missing: forward_stpe is not defined (line 2)"),
        ("return code.forward_step and unknown", "NameError: name 'unknown' is not defined (line 2)"),
        ("open('course.toml')", "FileNotFoundError: [Errno 2] No such file or directory: 'course.toml' (line 2)"),
    ],
)
def test_a_check_that_our_own_answer_does_not_pass_is_told_by_course_and_by_grade(body, says, capsys, monkeypatch):
    path = Path("mine", STEM, "test_forward_step.py")
    path.parent.mkdir(parents=True)
    path.write_text(f"def test_forward_step_is_three(code):\n    {body}\n")
    Path("course.toml").write_text('checks = "mine"')
    told = f"{path.absolute()}:1: our own answer does not pass test_forward_step_is_three: {says}"
    assert main(["course", "course.toml"]) == 1
    said = capsys.readouterr()
    assert told in said.out
    monkeypatch.setattr("grader.grade._graded", lambda *_: document(1, "none", []))
    assert main(["grade", "ada", "--course", "course.toml"]) == 0
    graded = capsys.readouterr()
    assert told in graded.err
    assert "noise" not in said.out + said.err + graded.out + graded.err


def test_nothing_is_graded_by_a_check_that_does_not_end(capsys, monkeypatch):
    monkeypatch.setattr("grader.syllabus.summary.SECONDS", 0.3)
    path = Path("mine", STEM, "test_forward_step.py")
    path.parent.mkdir(parents=True)
    path.write_text("def test_forward_step_for_ever(code):\n    while True:\n        pass\n")
    told = f"{path.absolute()}:1: our own answer does not pass test_forward_step_for_ever: after 0.3 s it had not ended"
    assert faults(capsys, 'checks = "mine"') == [told]
    assert main(["course", "course.toml"]) == 1
    assert told in capsys.readouterr().out


GUIDE = (ROOT / "docs" / "instructors.md").read_text(encoding="utf-8")


def test_the_guide_names_every_key_and_its_examples_can_be_read(capsys):
    assert not [key for key in KEYS if not re.search(rf"`\[*{key}\b|^{key} = |^\[{key}", GUIDE, re.MULTILINE)]
    Path("class.csv").write_text("learner\nada\n")
    Path("receipts.csv").write_text("submission,received\n")
    first, by_hand = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
    Path("course.toml").write_text(first + by_hand)
    assert main(["course", "course.toml"]) == 0
    said = capsys.readouterr().out
    assert "s1_forward_reverse: 11 exercises, 23 points; due 2026-03-16 00:00 +0100" in said
    assert "set by hand: ada, q_sample: 1.5, by Emmy Noether" in said


def test_the_guide_s_table_has_lines_that_can_be_read():
    table = GUIDE.split("| line | what it does |")[1].split("\n\n")[0]
    lines = re.findall(r"^\| (`[^|]*`) \|", table, re.MULTILINE)
    assert len(lines) > 10
    for line in lines:
        parts = re.findall(r"`([^`]*)`", line)
        if parts[0] in ("[late]", "[[scores]]") or parts[0].startswith(
            ("checks", "hidden", "roster", "receipts", "[ext")
        ):
            continue
        more = 'receipts = "mtime"\ntimezone = "UTC"\n' if parts[0] == "[deadlines]" else ""
        Path("course.toml").write_text(more + "\n".join(parts).replace('"..."', '"x"'))
        assert main(["course", "course.toml"]) == 0, line


def test_the_guide_s_commands_are_understood(capsys):
    commands = re.findall(r"^unstatic (.*)$", GUIDE, re.MULTILINE)
    assert len(commands) >= 4
    for command in commands:
        assert parser().parse_args(shlex.split(command)).run


def test_the_guide_s_check_is_one_that_our_answer_passes():
    path = Path("mine", STEM, "test_q_sample.py")
    path.parent.mkdir(parents=True)
    path.write_text(re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)[0])
    Path("course.toml").write_text('checks = "mine"')
    assert main(["course", "course.toml"]) == 0


def test_a_file_that_is_not_there_is_told_with_its_name_and_without_the_system_s_number(capsys):
    assert main(["report", "nowhere.json"]) == 1
    assert capsys.readouterr().err == "unstatic: nowhere.json: no such file or directory\n"


def test_a_system_without_time_zones_is_told_at_the_line(capsys, monkeypatch):
    """As Windows is, where the package tzdata is not installed."""
    monkeypatch.setattr("grader.syllabus.reading.ZoneInfo", unknown)
    told = faults(capsys, 'timezone = "Europe/Vienna"')
    assert len(told) == 1
    assert told[0].endswith("course.toml:1: timezone = 'Europe/Vienna' is not known; give one as \"Europe/Vienna\"")


def unknown(name: str) -> ZoneInfo:
    raise ZoneInfoNotFoundError(f"No time zone found with key {name}")
