"""A class is graded at once, on several runners."""

import json
import os
import re
from pathlib import Path

import pytest

from grader.ci import __main__ as ci
from grader.ci import cohort
from grader.ci.settings import Unusable
from grader.judging.results import Row, plain_row
from tests.github import ANSWERS, REFERENCE, SEED, STEM, answering, repository


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
        ("name,repository\na,o/r\n", ":1: the first line names no column learner"),
        ("learner,repository\n../a,o/r\n", ":2: learner"),
        ("learner,repository\na,https://x\n", ":2: repository"),
        ("learner,repository\na,o/r\nA,o/s\n", ":3: A is in it twice"),
        ("learner,repository,ref\na,o/r,--upload-pack=x\n", ":2: ref"),
        ("learner,repository\n", "nobody in it"),
        (f"learner,repository\na,o/r\nb,{'r' * 200_000}\n", ":3: this is no CSV from here on"),
        (b"learner,repository\na,o/r\nb,\xe9\n", ":3: this is not UTF-8 text; save the table as CSV in UTF-8"),
        (b"PK\x03\x04\xff", ":1: this is a spreadsheet's own file; save the table as CSV in UTF-8"),
        ("learner,repository\na,o/r\n,o/s\nb,x\n", ":3: there is no learner in this line\n"),
    ],
    ids=lambda part: str(part)[-30:],
)
def test_a_table_of_the_class_that_cannot_be_is_told_with_its_line(tmp_path, lines, says):
    (tmp_path / "class.csv").write_bytes(lines.encode() if isinstance(lines, str) else lines)
    with pytest.raises(Unusable, match=re.escape(says)):
        cohort.places(tmp_path / "class.csv")


def test_a_table_of_the_class_is_read_as_a_roster_is(tmp_path):
    text = '\ufeffName;Learner;Repository\r\n"Lovelace, Ada";ada;o/r\r\n;;\r\n;bob ;o/s\r\n'
    (tmp_path / "class.csv").write_text(text, encoding="utf-8", newline="")
    assert cohort.places(tmp_path / "class.csv") == [
        cohort.Place("ada", "o/r", "HEAD"),
        cohort.Place("bob", "o/s", "HEAD"),
    ]
    names = "learner,submission,repository\nada,al1815,o/r\nada,lovelaceada,o/r\n"  # a line for each name
    (tmp_path / "class.csv").write_text(names, encoding="utf-8")
    assert cohort.places(tmp_path / "class.csv") == [cohort.Place("ada", "o/r", "HEAD")]


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


@pytest.mark.parametrize("data", ANSWERS.values(), ids=ANSWERS)
def test_what_does_not_answer_as_github_does_not_say_that_a_repository_is_private(data, tmp_path, monkeypatch, capsys):
    (tmp_path / "class.csv").write_text("learner,repository\na,o/r\n", encoding="utf-8")
    with answering(data) as api:
        told = {"API": api, "REPOSITORY": "o/private", "TOKEN": "t", "CLASS": str(tmp_path / "class.csv")}
        for variable, said in told.items():
            monkeypatch.setenv(f"UNSTATIC_{variable}", said)
        assert ci.main(["plan"]) == 1
    assert f"{api} does not say whether o/private is private (" in capsys.readouterr().out


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
            lost = json.loads((tmp_path / place / "taken" / ci.NOT_TAKEN).read_text(encoding="utf-8"))
            assert ci.main(["grade-class"]) == int(lost == ["eve"])
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
    assert (found["not_fetched"], found.get("missing")) == (["eve"], None)
    said = capsys.readouterr().out
    assert "::warning title=not taken::eve" in said
    assert "could not be fetched: run again: eve" in said


@pytest.mark.parametrize(
    ("lines", "status"),
    [('receipts = "mtime"', 0), ('receipts = "mtime"\n[deadlines]\ns2_ddpm = 2026-03-01T00:00:00Z', 2)],
)
def test_no_class_is_late_by_the_time_at_which_its_files_were_fetched(tmp_path, monkeypatch, capsys, lines, status):
    monkeypatch.setattr("grader.judging.schedule.JudgeProcess", Generous)
    monkeypatch.chdir(tmp_path)
    repository(tmp_path / "server" / "o" / "ada", {f"{STEM}.py": REFERENCE})
    Path("class.csv").write_text("learner,repository\nada,o/ada\n", encoding="utf-8")
    Path("course.toml").write_text(lines, encoding="utf-8")
    told = {"SERVER": f"file://{tmp_path}/server", "CLASS": "class.csv", "SEED": SEED, "ISOLATION": "none", "ONLY": "forward_step",
            "RULES": "course.toml", "TAKEN": "taken", "RESULTS": "results"}  # fmt: skip
    for variable, said in told.items():
        monkeypatch.setenv(f"UNSTATIC_{variable}", said)
    assert ci.main(["take-class"]) == 0
    assert ci.main(["grade-class"]) == status
    assert (
        'course.toml: receipts = "mtime" would be when this runner fetched the files' in capsys.readouterr().out
    ) is (status == 2)


def test_no_line_of_the_log_of_a_class_begins_with_what_somebody_handed_in(tmp_path, monkeypatch, capsys):
    """A long sentence about a file is broken into lines: one of them could begin with a command."""
    monkeypatch.setattr("grader.judging.schedule.JudgeProcess", Generous)
    monkeypatch.chdir(tmp_path)
    for padding in range(12, 40, 4):
        language = f"{'a' * padding} ::error title=u::x"
        notebook = {"nbformat": 4, "nbformat_minor": 5, "cells": [], "metadata": {"kernelspec": {"language": language}}}
        repository(tmp_path / "server" / "o" / f"a{padding}", {f"{STEM}.ipynb": json.dumps(notebook)})
    lines = [f"a{padding},o/a{padding}\n" for padding in range(12, 40, 4)]
    Path("class.csv").write_text("learner,repository\n" + "".join(lines), encoding="utf-8")
    told = {"SERVER": f"file://{tmp_path}/server", "CLASS": "class.csv", "SEED": SEED, "ISOLATION": "none", "ONLY": "forward_step",
            "TAKEN": "taken", "RESULTS": "results"}  # fmt: skip
    for variable, said in told.items():
        monkeypatch.setenv(f"UNSTATIC_{variable}", said)
    assert ci.main(["take-class"]) == 0
    ci.main(["grade-class"])
    out, err = capsys.readouterr()
    assert "::error" in out.replace("\n│ ", " ")
    assert not err
    assert [line for line in out.splitlines() if not line.startswith("│ ")] == []
