"""A notebook is read as its code cells, and one that cannot be read is refused with a sentence."""

import json
from pathlib import Path

import pytest

from grader.intake.reading import read
from tests.handed_in import CODE, NB, STEM, notebook, only_source, problem, write


def lines_of(path: Path) -> list[str]:
    return only_source(path).text.splitlines()


def test_a_notebook_is_read_as_its_code_cells(tmp_path):
    cells = [
        "import math\nx = 1",
        "%%time\ny = 2\n",
        "%%bash\nrm -rf /",
        "%matplotlib inline\n!pip install x \\\n  y\nz = 3",
    ]
    path = write(tmp_path / NB, notebook(*cells))
    assert lines_of(path) == [
        "# the code cells of a notebook",
        "# cell 1", "import math", "x = 1",
        "# cell 2", "pass  # %%time", "y = 2", "",
        "# cell 4", "pass  # %matplotlib inline", "pass  # !pip install x \\", "#   y", "z = 3",
    ]  # fmt: skip
    assert only_source(path).filename == NB
    assert only_source(path).place(13) == "cell 4, line 4"
    assert only_source(path).place(1) == "line 1"


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("files = !ls\nx = 1", "files = get_ipython().getoutput('ls')\nx = 1"),
        ("%time x = 1", "x = 1"),
        ("y = %time f(2)", "y = f(2)"),
        ("y = %timeit -o f(2)", "y = get_ipython().run_line_magic('timeit', '-o f(2)')"),
        ("%%capture out\nx = 1", "out = get_ipython().run_line_magic('capture', '')\nx = 1"),
        ("pwd", "pass  # pwd"),
        ("# where\nls -la", "# where\npass  # ls -la"),
        ("run = 3", "run = 3"),
        ("time.time()", "time.time()"),
        ("ls -la\nx = 1", "ls -la\nx = 1"),
        ("    x = 1\n    y = 2", "x = 1\ny = 2"),
        (">>> x = 1\n>>> if x:\n...     y = 2", "x = 1\nif x:\n    y = 2"),
        ("In [3]: x = 1\n   ...: y = 2", "x = 1\ny = 2"),
        ("await f()", "await f()"),
        ("if True:\n    %timeit f()\nx = 1", "if True:\n    pass  # %timeit f()\nx = 1"),
        ("torch.cumprod?\nx = 1", "pass  # torch.cumprod?\nx = 1"),
        ("?f", "pass  # ?f"),
        ("f??", "pass  # f??"),
        ("x = (5\n  % 3)", "x = (5\n  % 3)"),
        ('x = """\n%d items\n!"""', 'x = """\n%d items\n!"""'),
    ],
)
def test_what_only_ipython_understands_is_taken_out_and_python_is_left_alone(tmp_path, cell, expected):
    assert "\n".join(lines_of(write(tmp_path / NB, notebook(cell)))[2:]) == expected


def test_a_cell_that_is_not_python_is_left_out_and_named(tmp_path):
    submission = read(write(tmp_path / NB, notebook("x = 1", "def f(:", "y = '\ud800'", "x = " + "9" * 5000, CODE)))
    assert submission.sections[STEM].text.count("# cell") == 2
    assert submission.notes[0].startswith(
        f"{NB}: cell 2 was left out, since it is not Python (line 1: invalid syntax); mend the cell"
    )
    assert len(submission.notes) == 3


def test_cells_that_nbgrader_marks_as_tests_are_not_the_learners(tmp_path):
    document = json.loads(notebook("x = 1", "assert False"))
    document["cells"][1]["metadata"] = {"nbgrader": {"grade": True, "solution": False, "points": 3}}
    assert "assert" not in only_source(write(tmp_path / NB, json.dumps(document))).text


def test_an_exercise_that_was_written_into_a_test_cell_is_told_with_where_it_belongs(tmp_path):
    document = json.loads(notebook("x = 1", "sample = 3\nq_sample(x)", CODE))
    for cell in document["cells"][1:]:
        cell["metadata"] = {"nbgrader": {"grade": True, "solution": False, "points": 3}}
    source = only_source(write(tmp_path / NB, json.dumps(document)))
    told = "cell 3 was left out, since it is a test cell; write q_sample into the cell above it"
    assert source.lost(["sample", "q_sample"]) == {"q_sample": told}


def test_a_cell_may_hold_what_no_module_may(tmp_path):
    cells = ["x = 1", "from __future__ import annotations\ny = 1", "y = 2\nglobal_ = 1", "z = 1", "global z\nawait f()"]
    submission = read(write(tmp_path / NB, notebook(*cells)))
    assert submission.notes == []
    assert [cell.number for cell in submission.sections[STEM].cells] == [1, 2, 3, 4, 5]
    assert submission.sections[STEM].place(11) == "cell 4, line 1"


@pytest.mark.parametrize(
    "document",
    [
        {"cells": [{"cell_type": "code", "source": CODE}]},
        {"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": CODE.splitlines(keepends=True)}]}]},
        {"nbformat": 4, "metadata": {"kernelspec": None}, "cells": [{"cell_type": "code", "source": [CODE]}, None, 3]},
        {"nbformat": 5, "metadata": [], "cells": [{"cell_type": "code", "source": CODE, "metadata": "x", "id": 1}] * 2},
    ],
    ids=["bare", "version 3", "no kernel", "version 5, the same id twice"],
)
def test_a_notebook_of_any_version_is_read(tmp_path, document):
    assert "def q_sample" in only_source(write(tmp_path / NB, json.dumps(document))).text


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("", "an empty file"),
        ("{", "not valid JSON"),
        ("[]", "not an object"),
        ('{"nbformat": 4}', "no list of cells"),
        ('{"cells": {}}', "no list of cells"),
        ("[" * 100_000, "not a notebook that can be read"),
        ('{"cells": ' + "9" * 10_000 + "}", "not a notebook that can be read"),
        ("{}," * 1_000_001, "too large a notebook"),
        (notebook("x" * 2**20 + "\ny"), "more than 1,048,576 characters"),
        (notebook("x", metadata={"language_info": {"name": "R"}}), "a notebook in 'r'"),
        (b"\xff{}", "not UTF-8"),
        ("{}".encode("utf-16"), "it is saved as UTF-16; save it as UTF-8"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\n",
            "it is a pointer of Git LFS; commit the file itself",
        ),
        (b" " * (20 * 2**20 + 1), "and 20.0 MiB is the most that is read; clear its outputs and save it again"),
    ],
    ids=[
        "empty",
        "cut",
        "list",
        "no cells",
        "cells no list",
        "nested",
        "digits",
        "objects",
        "code",
        "R",
        "bytes",
        "UTF-16",
        "LFS",
        "large",
    ],
)
def test_a_notebook_that_cannot_be_read_is_refused_with_a_sentence(tmp_path, data, says):
    assert says in problem(write(tmp_path / NB, data))
