"""What a course's own file does to rows, by itself: whose they are, what is late, what is set by hand; and the tables it reads."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from grader.course import section
from grader.intake.sources import Source
from grader.intake.submission import Submission
from grader.judging.results import document, plain_row
from grader.syllabus import marks
from grader.syllabus.reading import read
from grader.syllabus.receipts import Receipts
from grader.syllabus.roster import Learner, Roster
from grader.syllabus.rules import HandScore, LateRule, Syllabus

FIRST, SECOND = "s1_forward_reverse", "s2_ddpm"
ROSTER = Roster({name: Learner(name) for name in ("ada", "bob", "cyd")})


def passed(stem: str) -> list:
    rows = [plain_row(stem, name, "pass", "") for name in section(stem).exercises]
    return [{**row, "score": row["points"]} for row in rows]


def test_a_score_by_hand_in_a_section_that_was_not_handed_in_brings_the_section_s_points():
    by_hand = tuple(
        HandScore(who, next(iter(section(SECOND).exercises)), 1.0, "Emmy", "on paper") for who in ("ada", "cyd")
    )
    syllabus = Syllabus(roster=ROSTER, scores=by_hand)
    found = document(1, "none", [("ada", passed(FIRST)), ("bob", passed(FIRST) + passed(SECOND))])
    asked = [name for stem in (FIRST, SECOND) for name in section(stem).exercises]
    submissions = {name: (Submission(name), None) for name in ("ada", "bob")}
    marked = {one["name"]: one for one in marks.marked(found, syllabus, submissions, asked)["submissions"]}
    assert (marked["ada"]["score"], marked["ada"]["points"]) == (24.0, marked["bob"]["points"])
    names = [row["exercise"] for row in marked["ada"]["exercises"]]
    assert names == asked
    assert marked["cyd"]["score"] == 1.0


def test_a_score_by_hand_of_who_handed_in_twice_goes_where_its_section_is():
    """In another submission it would be a mark that is settled, and count before one that a fault of ours leaves open."""
    first, second = next(iter(section(FIRST).exercises)), next(iter(section(SECOND).exercises))
    roster = Roster({"ada": Learner("ada", "", ("ada2", "ada3"))})
    broken = [plain_row(FIRST, name, "grader-error", "") for name in section(FIRST).exercises]
    asked = [name for stem in (FIRST, SECOND) for name in section(stem).exercises]

    def sums(exercise: str, **handed_in: list) -> dict[str, tuple]:
        syllabus = Syllabus(roster=roster, scores=(HandScore("ada", exercise, 1.0, "Emmy", "on paper"),))
        found = marks.marked(document(1, "none", handed_in.items()), syllabus, {}, asked)
        return {one["name"]: (one["score"], one["points"], one.get("ungraded", 0)) for one in found["submissions"]}

    assert sums(first, ada=broken, ada2=passed(SECOND)) == {"ada": (1, 1, 22), "ada2": (37, 37, 0)}
    assert sums(first, ada2=passed(SECOND), ada=broken) == {"ada": (1, 1, 22), "ada2": (37, 37, 0)}
    assert sums(second, ada=passed(FIRST), ada3=passed(FIRST)) == {"ada": (24, 60, 0), "ada3": (23, 23, 0)}


def test_late_is_what_passed_and_not_what_clocks_show():
    """In the night of the 29th of March clocks in Vienna are put forward."""
    vienna = ZoneInfo("Europe/Vienna")
    due = datetime(2026, 3, 28, 23, 59, tzinfo=vienna)
    for received in (datetime(2026, 3, 30, 0, 30, tzinfo=vienna), datetime.fromisoformat("2026-03-30T00:30:00+02:00")):
        assert LateRule(per_day=0.1).kept(marks.after(received, due)) == pytest.approx(0.9)
    assert (
        marks.after(
            datetime.fromisoformat("2026-10-25T02:20:00+01:00"), datetime(2026, 10, 25, 2, 30, tzinfo=vienna)
        ).seconds
        == 3000
    )


@pytest.mark.parametrize(
    ("received", "told"),
    [
        ("2026-03-16T00:00:01+01:00", "received 2026-03-16 00:00:01, due 2026-03-16 00:00:00: 90 % "),
        ("2026-03-17T08:00:00+00:00", "received 2026-03-17 09:00, due 2026-03-16 00:00: 80 % "),
    ],
)
def test_what_is_late_is_told_as_exactly_as_it_takes_to_see_it(received, told):
    due = datetime(2026, 3, 16, tzinfo=ZoneInfo("Europe/Vienna"))
    receipts = Receipts({("ada", ""): datetime.fromisoformat(received)})
    syllabus = Syllabus(deadlines={FIRST: due}, late=LateRule(per_day=0.1), receipts=receipts)
    submissions = {"ada": (Submission("ada", {FIRST: Source("", "", "module", "")}), None)}
    marked = marks.marked(document(1, "none", [("ada", passed(FIRST)[:1])]), syllabus, submissions, [])
    assert told in marked["submissions"][0]["exercises"][0]["message"]


@pytest.mark.parametrize(
    ("receipts", "are_late", "without"),
    [(("ada@a.b", "bob-again"), ["ada", "bob-again"], ["bob"]), (("bob", "ada"), ["ada", "bob"], ["bob-again"])],
)
def test_a_receipt_goes_by_any_name_that_the_roster_has_but_for_another_submission_s(receipts, are_late, without):
    due, late = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC)
    syllabus = Syllabus(
        roster=Roster({who: Learner(who, "", (f"{who}@a.b", f"{who}-again")) for who in ("ada", "bob")}),
        deadlines={FIRST: due},
        receipts=Receipts({(name, ""): late for name in receipts}),
    )
    submissions = {
        name: (Submission(name, {FIRST: Source("", "", "module", "")}), None) for name in ("ada", "bob", "bob-again")
    }
    found = document(1, "none", [(name, passed(FIRST)[:1]) for name in submissions])
    marked = marks.marked(found, syllabus, submissions, [next(iter(section(FIRST).exercises))])
    assert [one["name"] for one in marked["submissions"] if "late" in one["exercises"][0]] == are_late
    assert marked["no_receipt"] == without


def test_a_learner_s_name_with_a_dot_is_not_the_name_before_it():
    owner = Roster({"ada": Learner("ada"), "j": Learner("j")}).owner
    assert [owner(name) for name in ("ada.smith", "J. Doe", "late/ada.zip", "ada.ipynb")] == [None, None, "ada", "ada"]


def roster(text: str, folder: Path) -> tuple[list[str], str]:
    (folder / "roster.csv").write_text(text, encoding="utf-8", newline="")
    (folder / "course.toml").write_text('roster = "roster.csv"')
    try:
        return [f"{one.id}: {one.full_name}" for one in read(folder / "course.toml").roster.learners.values()], ""
    except Exception as error:
        return [], str(error)


def test_tables_are_read_as_spreadsheets_write_them(tmp_path):
    assert roster('learner,name,\r\nada,"Ada, Countess",,\r\nbob,"Bob\r\nB."\r\n', tmp_path)[0] == [
        "ada: Ada, Countess",
        "bob: Bob\nB.",
    ]
    assert roster("learner,name\nada,Ada\u2028L.\n", tmp_path)[0] == ["ada: Ada\u2028L."]
    emptied = '\ufeff\r\nlearner;name;"Exercises 1, 2, 3 (of 10, in %)"\r\nada;Ada;7\r\n;;\r\n\r\n;;\r\n'
    assert roster(emptied, tmp_path)[0] == ["ada: Ada"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("learner,name\nada,Ada Lovelace\n\nada,Adam Smith\n", "4: ada is Ada Lovelace in a line above, and Adam Smith here"),
        ("learner,name, Name \nada,Ada,Lovelace\n", "1: two columns are called name"),
        ("learner,name\n\n,Ada\n", "3: there is no learner in this line"),
    ],
)  # fmt: skip
def test_a_table_that_could_be_read_in_two_ways_is_told_with_its_line(tmp_path, text, says):
    found, said = roster(text, tmp_path)
    assert not found
    assert f"roster.csv:{says}" in said


def test_what_else_a_learner_s_work_is_called_has_a_line_each(tmp_path):
    text = "learner,name,submission\nada,Ada,al1815\nada,,ada@a.b\nada,ADA,\n"
    assert roster(text, tmp_path)[0] == ["ada: Ada"]
    found = read(tmp_path / "course.toml").roster
    assert found.owner("al1815") == found.owner("ada@a.b") == "ada"


def test_a_table_with_a_quotation_mark_too_few_is_told_with_its_line(tmp_path):
    found, said = roster('learner,name\nada,"Ada\nbob,Bob\ncyd,Cyd\n', tmp_path)
    assert not found
    assert "roster.csv:" in said
    assert "is a quotation mark missing?" in said
