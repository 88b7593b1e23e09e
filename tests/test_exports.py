"""Results for other programs: what they ask for is there, and nothing submitted acts on them."""

import contextlib
import copy
import csv
import io
import json
import operator
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import reduce
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from grader.cli import main
from grader.course import ROOT, sections
from grader.exports import classroom50, formats
from grader.exports.document import NotResults, load
from grader.judging.results import Document, Row, document
from grader.reports import report
from grader.reports.feedback import markdown
from grader.syllabus.roster import Learner, Roster

STEM, SECOND = list(sections())[:2]
TITLE = sections()[STEM].title
EXERCISES = list(sections()[STEM].exercises)
HOSTILE = (
    "=cmd|'/C calc'!A1\n;=1+1\t@x,-2\x00\x1b]8;;http://evil\x07\u202e\ud800\ufffe<script>&]]>\"'`::error::##[error]x"
)
SCHEMAS = Path(__file__).parent / "schemas"
CLASSROOM = {"CLASSROOM": "cs", "ASSIGNMENT": "week1", "OWNER": "ada", "SUBMISSION_TAG": "submit/2026-03-01T10-00-00Z-abc1234",
             "COMMIT_URL": "https://github.com/o/r/commit/1", "RELEASE_URL": "https://github.com/o/r/releases/tag/1"}  # fmt: skip


def row(exercise: str = EXERCISES[0], verdict: str = "pass", stem: str = STEM, **changes: Any) -> Row:
    score = 2.0 if verdict == "pass" else 0.0
    checks = [{"name": f"test_{exercise}_x", "verdict": verdict, "seconds": 0.25}]
    return {"section": stem, "exercise": exercise, "points": 2.0, "score": score, "verdict": verdict,
            "message": "" if verdict == "pass" else "check      it\nexpected   2", "misconception": None,
            "checks": checks, **changes}  # type: ignore[typeddict-item, return-value] # fmt: skip


def cohort(**submissions: list[Row]) -> Document:
    return document(7, "bwrap+landlock", submissions.items())


def hostile() -> Document:
    """A cohort in which everything that can be submitted is hostile."""
    rows = [row(verdict=verdict, message=HOSTILE, misconception=HOSTILE) for verdict in ("fail", "crash", "unfinished")]
    return document(7, "none", [(HOSTILE, rows), ("=evil()", [row()]), ("-3", [row()]), ("a;=1", [row()])])


def exported(found: Document, to: str, roster: Roster | None = None) -> str:
    texts, _ = formats.export(found, to, roster, CLASSROOM)
    return texts[""]


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


CLASS = cohort(ada=[row(), row(EXERCISES[1], "fail")], bob=[row(), row(EXERCISES[1])])
ROSTER = Roster(
    {
        "ada": Learner("ada", "Ada Lovelace", ("ada@example.org",)),
        "bob": Learner("bob", "Bob"),
        "eve": Learner("eve", "Eve"),
    }
)


def test_canvas_has_what_its_own_export_begins_with_and_a_column_a_section():
    first, *people = read(exported(CLASS, "canvas", ROSTER))
    assert list(first) == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", TITLE]
    assert (first["Student"], first[TITLE]) == ("    Points Possible", "4")
    assert [(one["Student"], one["SIS Login ID"], one[TITLE]) for one in people] == [
        ("Ada Lovelace", "ada", "2"), ("Bob", "bob", "4"), ("Eve", "eve", "")]  # fmt: skip


def test_moodle_has_whose_a_line_is_a_grade_and_a_line_about_it():
    ada, bob, eve = read(exported(CLASS, "moodle", ROSTER))
    assert (ada["Full name"], ada["ID number"], ada["Email address"]) == ("Ada Lovelace", "ada", "ada@example.org")
    assert (ada[TITLE], ada[f"{TITLE} (feedback)"]) == ("2", f"{EXERCISES[1]}: fail")
    assert (bob[TITLE], eve[TITLE]) == ("4", "")


def test_moodle_s_line_about_what_could_not_be_read_says_why():
    rows = [row(name, "not-gradable", message=f"a.rar is a RAR archive\nnote       {name}") for name in EXERCISES[:2]]
    ada = read(exported(cohort(ada=rows), "moodle", ROSTER))[0]
    assert ada[f"{TITLE} (feedback)"] == "not-gradable: a.rar is a RAR archive"
    rows[0]["by_hand"] = {"by": "me", "why": "paper", "was": 0.0}
    ada = read(exported(cohort(ada=rows), "moodle", ROSTER))[0]
    assert ada[f"{TITLE} (feedback)"] == f"{EXERCISES[0]}: not-gradable, {EXERCISES[1]}: not-gradable"


def test_a_learner_s_file_says_once_what_is_said_of_every_exercise_of_a_section():
    late = "late       received 2026-03-02 10:00"
    rows = [row(EXERCISES[0], message=late), row(EXERCISES[1], "fail", message=f"check      it\n{late}")]
    rows += [
        row("snr", "not-gradable", SECOND, message="no file"),
        row("UNet", "not-gradable", SECOND, message="no file"),
    ]
    found = cohort(ada=rows)
    text = markdown(found, found["submissions"][0])
    first, second = text.split("## ")[1].split("### ")[0], text.split(f"## {sections()[SECOND].title}")[1]
    assert late in first
    assert (text.count(late), text.count("no file"), text.count("check      it")) == (1, 1, 1)
    assert second.index("no file") < second.index("### ")
    alone = cohort(ada=[rows[1], rows[0] | {"message": ""}])
    assert markdown(alone, alone["submissions"][0]).count(late) == 1


def test_nbgrader_has_the_columns_that_its_own_export_has():
    ada, bob, eve = read(exported(cohort(ada=[row(score=1.0, late=LATE)], bob=[row()]), "nbgrader", ROSTER))
    assert list(ada) == ["assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email", "raw_score",
                         "late_submission_penalty", "score", "max_score"]  # fmt: skip
    assert list(ada.values()) == [STEM, LATE["due"], LATE["received"], "ada", "Lovelace", "Ada", "ada@example.org",
                                  "2", "1", "1", "2"]  # fmt: skip
    assert (bob["score"], eve["score"], eve["timestamp"]) == ("2", "0", "")


@pytest.mark.parametrize("to", formats.TABLES)
def test_what_is_our_fault_is_an_empty_cell_and_told(to):
    texts, doubts = formats.export(cohort(ada=[row(), row(EXERCISES[1], "grader-error")]), to, ROSTER, {})
    line = read(texts[""])[0 if to != "canvas" else 1]
    assert not re.fullmatch(r"[\d.]+", line["score" if to == "nbgrader" else TITLE])
    assert any("fault of ours" in doubt for doubt in doubts)


@pytest.mark.parametrize("to", formats.TABLES)
def test_whose_work_could_not_be_fetched_has_an_empty_cell_and_is_told(to):
    texts, doubts = formats.export(cohort(ada=[row()]) | {"not_fetched": ["eve"]}, to, ROSTER, {})
    assert read(texts[""])[-1]["score" if to == "nbgrader" else TITLE] == ""
    assert doubts == ["eve: what they handed in could not be fetched; the cells are empty, grade again"]


@pytest.mark.parametrize("to", formats.TABLES)
def test_who_handed_in_twice_keeps_the_better_and_who_is_nobody_is_left_out_and_told(to):
    roster = Roster({"ada": Learner("ada", "Ada", ("late",))})
    texts, doubts = formats.export(cohort(ada=[row(verdict="fail")], late=[row()], zoe=[row()]), to, roster, {})
    assert "ada handed in ada, late" in doubts[1]
    assert "zoe is nobody's" in doubts[0]
    assert "zoe" not in texts[""]
    assert read(texts[""])[-1]["score" if to == "nbgrader" else TITLE] == "2"


@pytest.mark.parametrize("to", formats.TABLES)
def test_by_a_roster_that_has_changed_since_nobody_is_lost_nor_there_twice(to):
    """Who is called otherwise now has an old id in the results; who has left is in no line."""
    made = cohort(fay=[row()], gone=[row()]) | {"missing": ["hal", "left"], "not_fetched": ["kim", "lost"]}
    for one in made["submissions"]:
        one["learner"] = one["name"]
    now = {"fay2": ("fay",), "hal2": ("hal",), "kim2": ("kim",)}
    roster = Roster({who: Learner(who, "", before) for who, before in now.items()})
    texts, doubts = formats.export(made, to, roster, {})
    key = {"canvas": "SIS Login ID", "moodle": "ID number", "nbgrader": "student_id"}[to]
    lines = {line[key]: line["score" if to == "nbgrader" else TITLE] for line in read(texts[""]) if line[key]}
    assert lines == {"fay2": "2", "hal2": "0" if to == "nbgrader" else "", "kim2": ""}
    assert doubts == [
        "gone is nobody's on the roster, and left out",
        "kim2: what they handed in could not be fetched; the cells are empty, grade again",
        "lost is nobody's on the roster, and left out",
    ]


@pytest.mark.parametrize("names", [("ada", "late"), ("late", "ada")])
@pytest.mark.parametrize("to", formats.TABLES)
def test_of_two_marks_of_a_learner_one_that_is_settled_counts_before_one_that_is_left_open(to, names):
    rows = {"ada": [row(), row(EXERCISES[1], "grader-error")], "late": [row(verdict="fail"), row(EXERCISES[1], "fail")]}
    roster = Roster({"ada": Learner("ada", "Ada", ("late",))})
    texts, doubts = formats.export(cohort(**{name: rows[name] for name in names}), to, roster, {})
    assert read(texts[""])[-1]["score" if to == "nbgrader" else TITLE] == "0"
    told = f"ada: {STEM} of ada could not be graded by a fault of ours; what else they handed in counts"
    assert [doubt for doubt in doubts if "fault of ours" in doubt] == [told]


@pytest.mark.parametrize("names", [("ada", "late"), ("late", "ada")])
def test_what_one_submission_does_not_have_settles_nothing_of_another(names):
    """As with `--only`, where each submission has rows of all sections that are asked for."""
    rows = {
        "ada": [row(verdict="grader-error")],
        "late": [row(verdict="not-gradable", message=f"there is no {STEM} in it")],
    }
    roster = Roster({"ada": Learner("ada", "Ada", ("late",))})
    texts, doubts = formats.export(cohort(**{name: rows[name] for name in names}), "canvas", roster, {})
    assert read(texts[""])[-1][TITLE] == ""
    assert doubts[-1] == f"ada: {STEM} could not be graded by a fault of ours; the cell is empty"


@pytest.mark.parametrize("to", formats.TABLES)
@pytest.mark.parametrize("separator", list(",;\t|"))
def test_no_cell_is_a_formula_wherever_a_program_cuts_the_line(to, separator):
    named = hostile()
    named["submissions"][0] |= {"full_name": HOSTILE, "learner": HOSTILE}
    text = exported(named, to)
    for line in csv.reader(io.StringIO(text), delimiter=separator):
        for cell in line:
            assert not re.match(r"""[\s"]*[=+\-@＝＋－＠%]""", cell), f"{cell!r} would be reckoned"
    for cell in text.replace("\r\n", separator).split(separator):  # by a program that knows no quotes
        assert not re.match(r"""[\s"]*[=+\-@＝＋－＠%]""", cell), f"{cell!r} would be reckoned"
    assert not set(text) & set("\x00\x1b\u202e\ud800")


def validate(name: str, data: Any) -> None:
    jsonschema = pytest.importorskip(
        "jsonschema", reason="the extra dev, which brings check-jsonschema, is not installed"
    )
    schema = json.loads((SCHEMAS / name).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(data)


@pytest.mark.parametrize("found", [cohort(ada=[row(), row(EXERCISES[1], "fail")]), cohort(ada=[]), cohort(eve=hostile()["submissions"][0]["exercises"])],
                         ids=["usual", "empty", "hostile"])  # fmt: skip
def test_gradescope_s_file_has_its_published_fields(found):
    data = json.loads(exported(found, "gradescope"))
    validate("gradescope-results.json", data)
    assert data["score"] == found["submissions"][0]["score"]
    assert len(data["tests"]) == len(found["submissions"][0]["exercises"])
    assert data["test_output_format"] == data["output_format"] == "text"
    assert "seed" not in json.dumps(data)


def test_the_schema_of_gradescope_s_fields_refuses_others():
    with pytest.raises(Exception, match=r"was unexpected|not valid under any"):
        validate("gradescope-results.json", {"scores": 3})


@pytest.mark.parametrize("points", [2.0, 0.75])
def test_classroom_50_s_file_has_its_published_fields(points):
    rows = [row(points=points, score=points), row(EXERCISES[1], "fail", points=points)]
    data = json.loads(exported(cohort(ada=rows), "classroom50"))
    validate("classroom50-result-v1.json", data)
    assert data["score"] / data["max-score"] == 0.5
    assert (data["owner"], data["tests"][0]["passed"], data["tests"][1]["passed"]) == ("ada", True, False)


def test_a_result_for_classroom_50_needs_its_runner_to_say_whose_it_is():
    with pytest.raises(classroom50.NotInClassroom, match="CLASSROOM, ASSIGNMENT"):
        formats.export(cohort(ada=[row()]), "classroom50", None, {})


@pytest.mark.parametrize("to", formats.SINGLE)
def test_what_is_our_fault_has_no_file_that_would_charge_it(to, tmp_path):
    found = cohort(ada=[row(verdict="grader-error")])
    with pytest.raises(ValueError, match="fault of ours"):
        formats.export(found, to, None, CLASSROOM)


def test_junit_is_well_formed_whatever_a_message_holds_and_counts_what_came_of_it():
    suites = ElementTree.fromstring(exported(hostile(), "junit"))
    suite = suites[0]
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "3", "failures": "1", "errors": "1", "skipped": "1"}  # fmt: skip
    assert [inner.tag for case in suite for inner in case] == ["failure", "error", "skipped"]
    assert "<script>" in (suite[0][0].text or "")


@pytest.mark.parametrize("code", [*range(0x20), 0x7F, 0x85, 0xD800, 0xDFFF, 0xFFFE, 0xFFFF, 0x1FFFE, 0x10FFFF])
def test_any_character_can_be_in_a_junit_file(code):
    text = f"a{chr(code)}b"
    found = cohort(
        ada=[row(verdict="fail", message=text), row(verdict=text, message=text), row(verdict=text, message="")]
    )
    ElementTree.fromstring(exported(found, "junit").encode())


@pytest.mark.parametrize("to", [*formats.SINGLE, "junit"])
def test_a_learner_s_file_says_nothing_of_checks_that_are_not_shown(to):
    secret = row(verdict="fail", message="check      the secret\nexpected   what nobody may know", hidden=True)
    text = exported(cohort(ada=[secret]), to)
    assert "secret" not in text
    assert "nobody" not in text


@pytest.mark.parametrize("to", [*formats.SINGLE, *formats.TABLES, "junit"])
def test_a_learner_s_file_tells_neither_how_nor_when_a_check_ended_that_is_not_shown(to):
    """Who chooses between an endless loop and a crash, or how long to sleep, would be told what the check gives to the function."""

    def exported_with(verdict: str, seconds: float) -> str:
        shown = {"name": "test_shown", "verdict": "pass", "seconds": 0.25}
        secret = {"name": "test_secret", "verdict": verdict, "seconds": seconds, "hidden": True}
        found = cohort(ada=[row(verdict=verdict, checks=[shown, secret], hidden=True)])
        return re.sub(r'(?:graded_at|datetime)": "[^"]*', "", exported(found, to))

    told = {exported_with(*how) for how in (("crash", 1.5), ("timeout", 60.125), ("fail", 0.0), ("memory", 3.0))}
    assert len(told) == 1
    assert "crash" not in told.pop()


# ------------------------------------------------------------------------------------------------- the command line


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> Callable[..., tuple[int, str, str]]:
    """Runs a command beside results.json, which holds CLASS; gives status, output and what was told."""
    monkeypatch.chdir(tmp_path)
    Path("results.json").write_text(json.dumps(CLASS), encoding="utf-8")

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(list(arguments))
        out, err = capsys.readouterr()
        return status, out, err

    return run


def test_the_instructors_page_has_a_row_for_each_format():
    rows = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "instructors.md").read_text(encoding="utf-8"), re.M)
    assert set(formats.FORMATS) <= set(rows), "say in docs/instructors.md what it is, and whose a line is"


@pytest.mark.parametrize("to", [*formats.TABLES, "junit"])
def test_an_export_is_printed_or_written(run, to):
    status, out, _ = run("export", "results.json", "--to", to)
    assert status == 0
    assert run("export", "results.json", "--to", to, "-o", "out/file")[0] == 0
    with Path("out/file").open(encoding="utf-8", newline="") as file:
        assert file.read().replace("\r\n", "\n") == out.replace("\r\n", "\n")


def test_gradescope_s_files_of_a_class_lie_in_a_folder(run):
    status, _, err = run("export", "results.json", "--to", "gradescope")
    assert (status, "say in which folder" in err) == (2, True)
    assert run("export", "results.json", "--to", "gradescope", "-o", "out")[0] == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["ada.json", "bob.json"]


@pytest.mark.parametrize("place", [".", "", "/"])
def test_a_folder_is_told_where_a_file_is_to_be_written(run, place):
    told = run("export", "results.json", "--to", "canvas", "-o", place)
    assert told == (1, "", f"unstatic: {Path(place)}: cannot be written: Is a directory\n")


def test_a_dash_is_no_file_to_write_to(run):
    assert run("export", "results.json", "--to", "canvas", "-o", "-")[::2] == (
        2,
        "unstatic: -o: - would be a file of that name; leave it out to print\n",
    )
    assert not Path("-").exists()


@pytest.mark.parametrize("place", ["results.json", "./course.toml", "class.csv", "link.csv"])
def test_no_export_takes_the_place_of_what_it_is_made_of(run, place):
    Path("class.csv").write_text("learner\nada\n", encoding="utf-8")
    Path("link.csv").symlink_to("class.csv")
    Path("course.toml").write_text('roster = "class.csv"\n', encoding="utf-8")
    before = Path(place).read_bytes()
    status, _, err = run("export", "results.json", "--to", "canvas", "--course", "course.toml", "-o", place)
    assert (status, err) == (
        2,
        f"unstatic: -o: {Path(place)} is what is read here, and would be lost; name another file\n",
    )
    assert Path(place).read_bytes() == before


def test_the_roster_of_a_course_says_who_is_who(run):
    Path("course.toml").write_text('[roster]\nada = "Ada Lovelace"\nbob = "Bob"\neve = "Eve"\n', encoding="utf-8")
    _, out, _ = run("export", "results.json", "--to", "canvas", "--course", "course.toml")
    assert [line["Student"] for line in read(out)[1:]] == ["Ada Lovelace", "Bob", "Eve"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "this is not JSON"),
        ("[]", "the document is no table"),
        ('{"schema": 1, "seed": 1, "isolation": "none"}', "lacks 'submissions'"),
        (json.dumps({**CLASS, "schema": 2}), "this version reads 1; grade again"),
        ("[" * 100_000, "this is not JSON"),
        ("1" * 5_000, "this is not JSON"),
        (json.dumps({**CLASS, "missing": [1]}), "missing[0] is 1; give the file that"),
        (json.dumps({**CLASS, "twice": {"ada": [None]}}), "twice.ada[0] is None; give the file that"),
        (json.dumps({**CLASS, "equal": [{"section": STEM, "exercises": []}]}), "equal[0] lacks 'submissions'"),
        (json.dumps({**CLASS, "submissions": [{**CLASS["submissions"][0], "score": float("nan")}]}), "score is nan"),
        (
            json.dumps({**CLASS, "submissions": [{"name": "ada", "score": 1, "points": 1, "exercises": [{}]}]}),
            "lacks 'section'",
        ),
    ],
    ids=lambda part: part[-20:],
)
def test_a_file_that_is_no_result_is_told_with_what_is_wrong_and_where(run, text, says):
    Path("results.json").write_text(text, encoding="utf-8")
    status, _, err = run("export", "results.json", "--to", "canvas")
    assert status == 2
    assert re.search(rf"results.json: .*{re.escape(says)}", err)


LATE = {"received": "2026-03-02T10:00:00+00:00", "due": "2026-03-01T00:00:00+00:00", "kept": 0.5}
BY_HAND = {"by": "me", "why": "paper", "was": 0.0}
FULL = cohort(
    ada=[row(late=LATE, extra=True), row(EXERCISES[1], "fail", holds=["it"], hidden=True)],
    bob=[row(verdict="grader-error"), row(EXERCISES[1], by_hand=BY_HAND)],
) | {"course": "c", "missing": ["eve"], "twice": {"ada": ["ada"]}, "equal": [
    {"section": STEM, "exercises": [EXERCISES[0]], "submissions": ["ada", "bob"]}]}  # fmt: skip


def places(value: Any, place: tuple = ()) -> Iterator[tuple]:
    """The place of each value within a value, as its keys and indices."""
    for part in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []:
        yield (*place, part)
        yield from places(value[part], (*place, part))


@pytest.mark.parametrize("value", [1, 10**400, "x", [], {}, None, [1]], ids=lambda value: repr(value)[:8])
def test_whatever_stands_in_a_place_of_a_result_can_be_shown_or_is_told(value, tmp_path):
    path = tmp_path / "results.json"
    for *above, last in places(FULL):
        changed = copy.deepcopy(FULL)
        reduce(operator.getitem, above, changed)[last] = value
        path.write_text(json.dumps(changed), encoding="utf-8")
        try:
            found = load(path)
        except NotResults as refused:
            told = re.match(rf"{re.escape(str(path))}: .*\b{last}\b", str(refused))
        else:
            told = report.table(found)
            for to in (*formats.TABLES, "junit", "gradescope"):
                with contextlib.suppress(NotResults):
                    formats.export(found, to, None, CLASSROOM)
        assert told, f"{above} {last}"


def test_the_page_of_the_class_is_made_again_and_one_for_each_learner_holds_nobody_else(run):
    secret = row(EXERCISES[1], "fail", message="check      the secret", hidden=True)
    found = cohort(
        ada=[row(verdict="fail", message="ada's own"), secret], bob=[row(verdict="fail", message="bob's own")]
    )
    Path("results.json").write_text(json.dumps(found), encoding="utf-8")
    assert run("report", "results.json", "--html", "page", "--feedback", "pages")[0] == 0
    page = Path("page/index.html").read_text(encoding="utf-8")
    assert "ada&#39;s own" in page
    assert "bob&#39;s own" in page
    ada = Path("pages/ada.html").read_text(encoding="utf-8")
    assert "ada&#39;s own" in ada
    assert "bob" not in ada
    assert "the secret" not in ada
    assert "seed" not in ada
    assert not re.search(r"(?:src|href)=\"?http|<script|<img|<link", ada)
    assert "default-src 'none'" in ada


def test_learners_whose_names_a_disk_does_not_tell_apart_have_a_page_each(run):
    found = document(1, "none", [(name, [row()]) for name in ("Ada", "ada", "../ada", "=ada", "a/d")])
    Path("results.json").write_text(json.dumps(found), encoding="utf-8")
    assert run("report", "results.json", "--feedback", "pages")[0] == 0
    assert len(list(Path("pages").iterdir())) == 5
    assert not list(Path().glob("*.html"))


@pytest.mark.parametrize(
    "points", [[1 / 3] * 3, [10 / 23] * 23, [100 / 23 * worth for worth in (1, 2, 3, 4, 13)], [2.0, 1.0]]
)
def test_full_marks_are_full_in_whole_numbers_too(points):
    """And the points are the course's: rounded each by itself, weighted ones would add up to others."""
    rows = [row(points=worth, score=worth) for worth in points]
    data = json.loads(exported(cohort(ada=rows), "classroom50"))
    times = 1 if all(worth.is_integer() for worth in points) else 100
    assert data["score"] == data["max-score"] == round(sum(points) * times)
    validate("classroom50-result-v1.json", data)


def test_extra_credit_adds_to_the_score_and_not_to_the_points():
    more = row(EXERCISES[1], "fail", extra=True), row(EXERCISES[2], extra=True)
    data = json.loads(exported(cohort(ada=[row(), *more]), "classroom50"))
    assert [(one["score"], one["max-score"]) for one in data["tests"]] == [(2, 2), (0, 0), (2, 0)]
    assert (data["score"], data["max-score"]) == (4, 2)
    validate("classroom50-result-v1.json", data)


def test_what_is_printed_is_the_file_whatever_the_terminals_encoding(tmp_path):
    """A gradebook takes UTF-8, and XML says that it is that: a name with a sign that latin-1 has not is no question mark."""
    results = tmp_path / "grade.json"
    results.write_text(json.dumps(cohort(**{"Čapek": [row()]})))
    program = [sys.executable, "-m", "grader", "export", str(results), "--to", "junit"]
    environment = os.environ | {"PYTHONIOENCODING": "latin-1"}
    printed = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, check=True, timeout=120).stdout
    assert ElementTree.fromstring(printed).find("testsuite[@name='Čapek']") is not None
