"""A graded cohort graded again: who gains, who loses, by which check, and nothing written before it is asked for."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grader.cli import main
from grader.course import section
from grader.judging.results import Row, document
from grader.reports.difference import difference, sentences

STEM = "s1_forward_reverse"
REFERENCE = section(STEM).solution.read_text(encoding="utf-8")
SECOND = section("s2_ddpm").solution.read_text(encoding="utf-8")
RIGHT = "return (1 - beta).sqrt() * x + beta.sqrt() * noise"
ONLY = ["--only", "forward_step", "compute_alpha_bar"]


def row(exercise: str, verdict: str, *checks: str, score: float | None = None) -> Row:
    got = score if score is not None else 2.0 * (verdict == "pass")
    return {"section": STEM, "exercise": exercise, "points": 2.0, "score": got, "verdict": verdict, "message": "",
            "misconception": None, "checks": [{"name": name, "verdict": said, "seconds": 0.1} for name, _, said in
                                              (check.partition(":") for check in checks)]}  # fmt: skip


def test_the_difference_names_who_gains_who_loses_and_the_checks():
    before = document(
        1,
        "none",
        [
            ("ada", [row("a", "fail", "x:fail", "y:pass")]),
            ("bob", [row("a", "pass", "x:pass")]),
            ("eve", [row("a", "pass", "x:pass")]),
        ],
    )
    after = document(
        2,
        "none",
        [
            ("ada", [row("a", "pass", "x:pass", "y:pass")]),
            ("bob", [row("a", "fail", "z:fail")]),
            ("zoe", [row("a", "pass")]),
        ],
    )
    found = difference(before, after)
    assert found.gains() == {"bob": -2.0, "ada": 2.0}
    assert [(one.submission, one.gain, one.checks) for one in found.changes] == [
        ("ada", 2.0, [("x", "fail", "pass")]),
        ("bob", -2.0, [("x", "pass", ""), ("z", "", "fail")]),
    ]
    assert (found.only_before, found.only_after) == (["eve"], ["zoe"])
    assert sentences(found)[:3] == [
        "bob loses 2: 2 of 2 before, 0 of 2 now",
        "ada gains 2: 0 of 2 before, 2 of 2 now",
        "0 of 2 keep their score",
    ]


def test_times_alone_are_no_difference():
    slow = row("a", "pass", "x:pass")
    slow["checks"][0]["seconds"] = 9.0
    found = difference(
        document(1, "none", [("ada", [row("a", "pass", "x:pass")])]), document(1, "none", [("ada", [slow])])
    )
    assert not found.changes
    assert sentences(found) == ["nobody's score changes"]


def test_where_nobody_can_be_compared_it_is_not_said_that_nobody_changes():
    one, other = (document(1, "none", [(name, [row("a", "pass")])]) for name in ("ada", "bob"))
    assert sentences(difference(one, other))[0] == "no submission is in both"


@pytest.fixture(scope="module")
def term(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort, graded by two judges: ada is right, bob is wrong."""
    folder = tmp_path_factory.mktemp("term")
    before = Path.cwd()
    os.chdir(folder)
    try:
        for name, text in {
            "ada": REFERENCE,
            "bob": REFERENCE.replace(RIGHT, "return (1 - beta) * x + beta * noise"),
        }.items():
            Path(name).mkdir()
            Path(name, f"{STEM}.py").write_text(text, encoding="utf-8")
        assert main(["grade", "ada", "bob", *ONLY, "--seed", "1", "--json", "graded.json"]) == 0
    finally:
        os.chdir(before)
    return folder


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(term: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Run:
    """Regrades from what is kept: results.json says that an older version passed bob and failed ada."""
    monkeypatch.chdir(term)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("grader.judging.schedule.JudgeProcess", None)  # nothing need be judged again
    older = json.loads(Path("graded.json").read_text(encoding="utf-8"))
    for one, verdict in zip(older["submissions"], ("fail", "pass"), strict=True):
        first = one["exercises"][0]
        _set(first, verdict)
        one["score"] = sum(each["score"] for each in one["exercises"])
    Path("results.json").write_text(json.dumps(older), encoding="utf-8")

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(["regrade", "results.json", *arguments])
        out, err = capsys.readouterr()
        return status, out, err

    return run


def _set(changed: Any, verdict: str) -> None:
    changed["verdict"], changed["score"] = verdict, changed["points"] * (verdict == "pass")
    changed["checks"][0]["verdict"] = verdict


def test_a_regrade_shows_what_would_change_and_writes_nothing(run):
    before = Path("results.json").read_bytes()
    status, out, _ = run("ada", "bob")
    assert status == 0
    assert "bob loses" in out
    assert "ada gains" in out
    assert "✗ fail 0/" in out
    assert "fail → pass" in out
    assert "--apply writes this" in out
    assert Path("results.json").read_bytes() == before


def test_applied_it_is_what_grading_gives_and_a_second_regrade_finds_nothing(run):
    assert run("ada", "bob", "--apply")[0] == 0
    assert json.loads(Path("results.json").read_text()) == json.loads(Path("graded.json").read_text())
    _, out, _ = run("ada", "bob")
    assert "nobody's score changes" in out


def test_a_score_by_hand_stays_and_is_told_for_what_it_is(run):
    Path("hand.toml").write_text(
        '[[scores]]\nlearner = "ada"\nexercise = "forward_step"\nscore = 0.5\nby = "Emmy"\nwhy = "a bug in a check"\n'
    )
    older = json.loads(Path("results.json").read_text())
    first = older["submissions"][0]["exercises"][0]
    first |= {"score": 0.5, "by_hand": {"by": "Emmy", "why": "a bug in a check", "was": 0.0}}
    older["submissions"][0]["score"] += 0.5
    Path("results.json").write_text(json.dumps(older))
    out = run("ada", "bob", "--course", "hand.toml")[1]
    assert re.search(r"^ada +forward_step +✗ fail 0.5/1 by hand +✓ pass 0.5/1 by hand ", out, re.MULTILINE)
    assert "ada gains" not in out


def test_nobody_s_results_are_lost_by_a_regrade_of_some(run):
    before = Path("results.json").read_bytes()
    status, out, err = run("ada", "--apply")
    assert status == 2
    assert "bob of results.json is not among the submissions, and would be lost" in err
    assert "in the old results alone: bob" in out
    assert Path("results.json").read_bytes() == before


@pytest.mark.parametrize("hidden", [True, False])
def test_results_by_names_are_not_compared_with_pseudonyms_nor_the_other_way(run, hidden):
    if not hidden:
        assert main(["grade", "ada", "bob", *ONLY, "--hide-names", "--seed", "1", "--json", "results.json"]) == 0
    before = Path("results.json").read_bytes()
    Path("hidden.toml").write_text("hide_names = true\n" if hidden else "")
    status, out, err = run("ada", "bob", "--course", "hidden.toml", "--apply")
    ours, theirs = ("pseudonyms", "names") if hidden else ("names", "pseudonyms")
    assert (status, "score changes" in out) == (2, False)
    assert f"results.json goes by {theirs}, and this would by {ours}" in err
    assert Path("results.json").read_bytes() == before


def handed_in(folder: str, **files: str) -> str:
    Path(folder).mkdir(parents=True)
    for stem, text in files.items():
        Path(folder, f"{stem}.py").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("hidden", [[], ["--hide-names"]])
def test_a_section_that_came_since_stays_out_and_is_told(run, hidden):
    assert main(["grade", "ada", "bob", *ONLY, *hidden, "--seed", "1", "--json", "results.json"]) == 0
    before = Path("results.json").read_bytes()
    with_more = handed_in(f"since{len(hidden)}/ada", **{STEM: REFERENCE, "s2_ddpm": SECOND})
    status, out, err = run(with_more, "bob", *hidden, "--apply")
    assert status == 0
    assert "nobody's score changes" in out
    assert re.search(
        r"s2_ddpm of (ada|learner-\w+) is not in results.json, and stays out of it; `unstatic grade` grades it", err
    )
    assert json.loads(Path("results.json").read_bytes()) == json.loads(before)


def test_what_was_asked_for_and_not_handed_in_still_counts_after_a_regrade(run):
    other = handed_in("other/eve", s2_ddpm=SECOND)
    assert main(["grade", other, "--only", STEM, "--json", "results.json"]) == 0
    before = Path("results.json").read_bytes()
    assert run(other, "--apply")[0] == 0
    assert Path("results.json").read_bytes() == before


def test_a_section_is_not_lost_by_a_regrade_either(run):
    before = Path("results.json").read_bytes()
    without = handed_in("without/ada", s2_ddpm=SECOND)
    status, out, err = run(without, "bob", "--apply")
    assert status == 2
    assert f"{STEM} of ada of results.json is not among the submissions, and would be lost" in err
    assert "not-gradable" in out
    assert Path("results.json").read_bytes() == before


@pytest.mark.parametrize("more", [[], ["--apply"]])
def test_results_by_a_course_s_file_are_not_regraded_without_one(run, more):
    by_a_course = json.loads(Path("results.json").read_text()) | {"course": "Spring"}
    Path("results.json").write_text(json.dumps(by_a_course))
    status, _, err = run("ada", "bob", *more)
    assert status == 2
    assert "results.json is by a course's own file (Spring): give that as --course FILE" in err
    assert json.loads(Path("results.json").read_text()) == by_a_course


@pytest.mark.parametrize("hidden", [[], ["--hide-names"]])
def test_whose_work_could_not_be_fetched_is_not_missing_after_a_regrade_and_who_is_there_now_is_graded(run, hidden):
    people = "".join(f"{name} = {{}}\n" for name in ("ada", "bob", "cyd", "dan"))
    Path("course.toml").write_text(f"[roster]\n{people}")
    course = ["--course", "course.toml", *hidden]
    written = ["--seed", "1", "--json", "results.json", "--not-fetched"]
    assert main(["grade", "ada", "bob", *ONLY, *course, *written, "cyd"]) == 1
    before = json.loads(Path("results.json").read_text())
    assert run("ada", "bob", *course, "--apply")[0] == 1
    assert json.loads(Path("results.json").read_text()) == before
    assert main(["grade", "ada", "bob", *ONLY, *course, *written, "bob", "cyd"]) == 1
    assert json.loads(Path("results.json").read_text()) == before


def test_what_is_our_fault_is_not_applied(run, monkeypatch):
    class Broken:
        def __init__(self, level: str) -> None:
            from grader.faults import GraderFault

            raise GraderFault("it does not start")

    monkeypatch.setattr("grader.judging.schedule.JudgeProcess", Broken)
    before = Path("results.json").read_bytes()
    status, _, err = run("ada", "bob", "--seed", "2", "--apply")
    assert status == 2
    assert "grader-error; what is there is kept" in err
    assert Path("results.json").read_bytes() == before
