"""A test cell's points as nbgrader reads them, `check` in a real notebook, and settings of somebody's own."""

import csv
import json
import re
from importlib.util import find_spec
from types import SimpleNamespace

import pytest

from grader import cli
from grader.course import ROOT
from grader.nbgrader.submitted import GONE, cells_of, rebuilt
from grader.source.markers import emptied
from grader.source.notebooks import notebook
from tests.nbgrader_course import (
    S1,
)

if find_spec("nbgrader") is None:  # to import it takes a second, of each process that collects
    pytest.skip("nbgrader is not installed: make install EXTRAS=instructor,dev,nbgrader", allow_module_level=True)


def test_a_test_cell_that_is_not_ours_gets_no_point_for_saying_nothing() -> None:
    import nbformat
    from nbgrader.utils import determine_grade

    from grader.nbgrader.preprocessor import Judged

    marks = {"grade": True, "solution": False, "locked": True, "points": 5, "grade_id": "test-of-mine"}
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("assert True", metadata={"nbgrader": marks})])
    Judged().preprocess(made, {"nbgrader": {}})
    assert determine_grade(made.cells[0]) == (0, 5)


def test_no_name_is_a_formula_where_a_line_is_cut_in_other_places_either(tmp_path) -> None:
    """As in the tables of `unstatic export`: a spreadsheet of another country separates cells by semicolons."""
    from nbgrader.api import MissingEntry

    from grader.nbgrader.export import CsvExport

    def find_submission(*_: str) -> None:
        raise MissingEntry

    names = dict.fromkeys(("last_name", "first_name", "email"), "x; =1+1")
    gradebook = SimpleNamespace(
        assignments=[SimpleNamespace(name="s1", duedate=None, max_score=2.0)],
        students=[SimpleNamespace(id="ada", **names)],
        find_submission=find_submission,
    )
    CsvExport(to=str(tmp_path / "grades.csv")).export(gradebook)
    (row,) = csv.DictReader((tmp_path / "grades.csv").read_text(encoding="utf-8").splitlines())
    assert {row[name] for name in names} == {"x;' =1+1"}
    assert (row["student_id"], row["duedate"], row["score"], row["max_score"]) == ("ada", "", "0.0", "2.0")


def test_answers_of_a_notebook_of_version_3_are_shown_where_they_belong() -> None:
    made = notebook(S1)
    cells = [{{"source": "input"}.get(key, key): value for key, value in cell.items()} for cell in made["cells"]]
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": cells}]}
    assert rebuilt(made, cells_of(json.dumps(old).encode())) == rebuilt(made, cells_of(json.dumps(made).encode()))
    assert GONE not in json.dumps(rebuilt(made, cells_of(json.dumps(old).encode())))


def test_partial_points_and_changed_points_keep_the_share() -> None:
    import nbformat
    from nbgrader.utils import determine_grade

    from grader.nbgrader.preprocessor import outputs

    for score, verdict, points, expected in (
        (1, "fail", 3, 1.5),
        (2, "pass", 7, 7),
        (0, "crash", 7, 0),
        (2, "pass", 0, 0),
    ):
        row = {
            "exercise": "q_sample",
            "score": float(score),
            "points": 2.0,
            "verdict": verdict,
            "message": "\x1b[31mred",
        }
        marks = {"grade": True, "solution": False, "locked": True, "points": points, "grade_id": "check-q_sample"}
        test = nbformat.v4.new_code_cell("check(q_sample)", metadata={"nbgrader": marks})
        test.outputs = outputs(row, float(points))
        assert determine_grade(test)[0] == expected
        assert "\x1b" not in json.dumps(test)


def test_a_course_of_somebodys_own_is_told_what_its_settings_lack(tmp_path, capsys) -> None:
    (tmp_path / "nbgrader_config.py").write_text("c = get_config()\n")
    assert cli.main(["release", str(tmp_path), "--nbgrader", "--sections", "s1"]) == 0
    assert "Until it does" in capsys.readouterr().out


def test_check_in_a_real_notebook_says_what_pytest_says(tmp_path, monkeypatch) -> None:
    """Costs 10 seconds."""
    import nbformat
    from nbclient import NotebookClient

    ours = {one["id"]: "".join(one["source"]) for one in notebook(S1)["cells"]}
    right = ours["answer-q_sample"]
    cells = [
        ours["given-1"],
        emptied(right, "cell"),
        "check(q_sample)",
        right.replace("a.sqrt() * x0", "a * x0"),
        "check(q_sample)",
        right.replace("a.sqrt() * x0", "a.squirt() * x0"),
        "check(q_sample)",
        right,
        "check(q_sample)",
        "check(print)",
    ]
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    NotebookClient(made, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    said = ["".join(output.text for output in one.outputs) for one in made.cells if one.source.startswith("check")]
    assert said[0] == "· q_sample is still to be written\n"
    assert "called" in said[1]
    assert "expected" in said[1]
    assert "AttributeError" in said[2]
    assert re.search(r"line \d+ of your cell, in q_sample", said[2])
    assert said[3] == "✓ q_sample passes: 2 points\n"
    assert "takes one of the exercises" in said[4]
