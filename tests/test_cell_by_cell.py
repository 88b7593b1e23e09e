"""A notebook is graded as Jupyter runs it: cell by cell, and what goes wrong is told with cell and line. A second a test."""

import json
from pathlib import Path

import pytest

from grader.course import section
from grader.desk.loading import load
from grader.desk.reading import Unreadable
from grader.intake.reading import read
from grader.judging import sitting
from grader.judging.judge import Judge, Request
from grader.judging.results import Row
from grader.judging.schedule import Unit

STEM = "s1_forward_reverse"
TORCH = "import torch"
BAR = "def compute_alpha_bar(betas):\n    return torch.cumprod(1 - betas, dim=0)"
Q = """def q_sample(x0, t, noise, alpha_bar):
    a = alpha_bar[t].to(x0).reshape(-1, *[1] * (x0.ndim - 1))
    return a.sqrt() * x0 + (1 - a).sqrt() * noise"""
ASKED = ("compute_alpha_bar", "q_sample")
FULL = dict.fromkeys(ASKED, "pass")


def graded(
    judge: Judge, folder: Path, *cells: str, name: str = f"{STEM}.ipynb", only: tuple[str, ...] = ASKED
) -> dict[str, Row]:
    """The rows of a notebook with these cells, or of a module with this text, by exercise."""
    folder.mkdir(exist_ok=True)
    listed = [{"cell_type": "code", "metadata": {}, "source": cell} for cell in cells]
    text = json.dumps({"nbformat": 4, "metadata": {}, "cells": listed}) if name.endswith(".ipynb") else "\n".join(cells)
    (folder / name).write_text(text, encoding="utf-8")
    submission = read(folder / name)
    assert submission.problems == {}
    rows = judge.grade(Request(**Unit(submission, STEM, only).request(1)))
    return {row["exercise"]: row for row in rows}


def verdicts(rows: dict[str, Row]) -> dict[str, str]:
    return {name: row["verdict"] for name, row in rows.items()}


JUPYTER = {
    "Colab's drive": ["from google.colab import drive, files\ndrive.mount('/content/drive')\nfor name in files.upload(): print(name)\nimport torch", BAR, Q],
    "display": [TORCH, "display(torch.arange(3))\nfrom IPython.display import HTML, clear_output\nclear_output(wait=True)\nHTML('<b>x</b>')", BAR, Q],
    "widgets": [TORCH, "import ipywidgets as widgets\n@widgets.interact(x=(0, 3))\ndef shown(x): pass", BAR, Q],
    "the shell's answer": [TORCH, "gpu = !nvidia-smi\ngpu = '\\n'.join(gpu)\nprint(gpu.find('failed'), gpu)\nlines = !ls -la | sort\nlines.s, lines.grep('x')", BAR, Q],
    "magics": ["%matplotlib inline\n%load_ext autoreload\n!pip install -q x \\\n  y\nimport torch", "%%time\n" + BAR, "x = %time 1 + 1\nassert x == 2\n%timeit x\n" + Q],
    "automagic": [TORCH, "pwd", "ls -la", "# here\ncd ..", BAR, "pip install einops", Q],
    "help": ["import torch\ntorch.cumprod?\n?print", BAR + "\ncompute_alpha_bar??", Q],
    "another language": [TORCH, "%%bash\nrm -rf /", "%%html\n<b>", BAR, Q],
    "the future": [TORCH, "from __future__ import (\n    annotations,\n)\ndef f(x: Undefined): pass", "def g(x: Undefined): pass\n" + BAR, Q],
    "global": ["import torch\nlosses = []", "global losses\nlosses.append(1.0)", BAR, Q],
    "await": ["import asyncio, torch", "await asyncio.sleep(0)\nx = [i async for i in aiter_of()] if False else 1", BAR, Q],
    "a last line": [TORCH, BAR + "\ncompute_alpha_bar", "1 + 1;", Q],
    "prompts": [">>> import torch", "In [2]: x = 1\n   ...: y = 2", "    " + BAR.replace("\n", "\n    "), Q],
    "a comprehension of the same name": [TORCH, BAR, Q, "[q_sample for q_sample in range(3)]"],
    "a wrapper of its own": [TORCH, BAR, Q, "import functools\nq_sample = functools.wraps(q_sample)(functools.partial(q_sample))\ncompute_alpha_bar = torch.compile(compute_alpha_bar)"],
}  # fmt: skip


@pytest.mark.parametrize("cells", JUPYTER.values(), ids=JUPYTER)
def test_what_jupyter_takes_costs_nothing(judge, tmp_path, cells):
    rows = graded(judge, tmp_path, *cells)
    assert verdicts(rows) == FULL, rows
    assert [row["message"] for row in rows.values()] == ["", ""]


EARLY = {
    "a module that is not there": (["import a_module_that_nobody_has\nimport torch", BAR, Q], "cell 1, line 1", "ModuleNotFoundError"),
    "a stub at the top": ([TORCH, "# YOUR CODE HERE\nraise NotImplementedError()", BAR, Q], "cell 2, line 2", "NotImplementedError"),
    "an exit": ([TORCH, BAR, "import sys\nsys.exit(0)", Q], "cell 3, line 2", "SystemExit"),
    "in a function above": ([TORCH, BAR, "def f():\n    return {}['x']", "1\nf()", Q], "cell 4, line 2", "KeyError: 'x', in cell 3, line 2"),
}  # fmt: skip


@pytest.mark.parametrize(("cells", "where", "why"), EARLY.values(), ids=EARLY)
def test_a_cell_that_raises_ends_there_and_the_others_run(judge, tmp_path, cells, where, why):
    rows = graded(judge, tmp_path, *cells)
    assert verdicts(rows) == FULL
    first = rows["compute_alpha_bar"]["message"]
    assert first.startswith(f"note       {where}: the cell ended there (")
    assert why in first
    assert rows["q_sample"]["message"] == ""


def test_what_a_cell_would_have_defined_further_down_is_told_on_its_exercise(judge, tmp_path):
    rows = graded(judge, tmp_path, TORCH, BAR, f"1 / 0\n{Q}")
    assert verdicts(rows) == {"compute_alpha_bar": "pass", "q_sample": "crash"}
    assert rows["compute_alpha_bar"]["message"] == ""
    assert "ZeroDivisionError" in rows["q_sample"]["message"]
    assert "cell 3, line 1: 1 / 0" in rows["q_sample"]["message"]


NO_BREAK = Q.replace("    return", "\u00a0\u00a0\u00a0\u00a0return")


@pytest.mark.parametrize(
    ("cell", "line", "remedy"),
    [(NO_BREAK, 3, "delete it and type a space"), (Q.replace("* noise", "* noise)"), 3, "mend the cell"), ("%%writefile mine.py\n" + Q, 0, "without that line")],
    ids=["no-break space", "bracket", "another language"],
)  # fmt: skip
def test_a_cell_that_cannot_be_read_is_told_on_its_exercise_with_line_and_remedy(judge, tmp_path, cell, line, remedy):
    rows = graded(judge, tmp_path, TORCH, BAR, cell)
    assert verdicts(rows) == {"compute_alpha_bar": "pass", "q_sample": "not-gradable"}
    assert rows["compute_alpha_bar"]["message"] == ""
    said = rows["q_sample"]["message"]
    assert said.startswith("cell 3 was left out")
    assert not line or f"line {line}:" in said
    assert remedy in said


def test_an_earlier_version_counts_where_a_later_cell_cannot_be_read_and_a_note_says_so(judge, tmp_path):
    rows = graded(judge, tmp_path, TORCH, BAR, Q, NO_BREAK)
    assert verdicts(rows) == FULL
    assert rows["q_sample"]["message"].startswith("note       cell 4 was left out")


def test_an_exercise_that_no_cell_defines_is_unfinished_whatever_else_went_wrong(judge, tmp_path):
    rows = graded(judge, tmp_path, TORCH, BAR, "1 / 0")
    assert verdicts(rows) == {"compute_alpha_bar": "pass", "q_sample": "unfinished"}
    assert "still to be written" in rows["q_sample"]["message"]


TRAINING = """model = torch.nn.Linear(2, 2)
opt = torch.optim.Adam(model.parameters())
while True:
    opt.zero_grad()
    model(torch.randn(64, 2)).square().mean().backward()
    opt.step()"""
SWALLOWS = "import time\nwhile True:\n    try:\n        time.sleep(60)\n    except BaseException:\n        pass"


@pytest.mark.parametrize(
    "cell", [TRAINING, "import time\ntime.sleep(100)", SWALLOWS], ids=["training", "sleep", "swallows"]
)
def test_a_cell_that_takes_too_long_is_interrupted_and_its_line_told(judge, tmp_path, monkeypatch, cell):
    monkeypatch.setattr(sitting, "CHECK_SECONDS", 4)
    rows = graded(judge, tmp_path, TORCH, BAR, cell, Q)
    assert verdicts(rows) == FULL
    said = rows["compute_alpha_bar"]["message"]
    assert "note       cell 3, line " in said
    assert "may take" in said


def test_each_cell_has_its_time_whatever_the_ones_above_took(judge, tmp_path, monkeypatch):
    monkeypatch.setattr(sitting, "CHECK_SECONDS", 4)
    endless = "while True: pass"
    rows = graded(judge, tmp_path, TORCH, endless, BAR, endless, Q)
    assert verdicts(rows) == FULL
    said = rows["compute_alpha_bar"]["message"].splitlines()
    assert [line.partition(": the cell")[0] for line in said] == [
        "note       cell 2, line 1",
        "note       cell 4, line 1",
    ]


def test_what_took_too_long_is_not_waited_for_again_where_each_check_imports_anew(judge, tmp_path, monkeypatch):
    monkeypatch.setattr(sitting, "CHECK_SECONDS", 4)
    thread = "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()"
    rows = graded(judge, tmp_path, TORCH, thread, BAR, f"{Q}\nwhile True:\n    time.sleep(0.01)")
    assert verdicts(rows) == FULL


REBOUND = {
    "by its own value": ("compute_alpha_bar = compute_alpha_bar(torch.ones(3) / 9)", "Tensor", 1),
    "by a loop": ("print(1)\nfor compute_alpha_bar in range(3):\n    pass", "int", 2),
    "within a block": ("if True:\n    with torch.no_grad():\n        compute_alpha_bar = 1.5", "float", 3),
}


@pytest.mark.parametrize(("cell", "kind", "line"), REBOUND.values(), ids=REBOUND)
@pytest.mark.parametrize("suffix", [".ipynb", ".py"])
def test_a_name_that_was_given_another_value_is_told_with_the_place(judge, tmp_path, cell, kind, line, suffix):
    rows = graded(judge, tmp_path, TORCH, BAR, Q, cell, name=f"{STEM}{suffix}")
    assert verdicts(rows) == {"compute_alpha_bar": "fail", "q_sample": "pass"}
    said = rows["compute_alpha_bar"]["message"]
    assert f"given another value after it was defined, of type {kind}" in said
    assert (f"at         cell 4, line {line}: " if suffix == ".ipynb" else f"at         line {line + 6}: ") in said


def test_a_name_given_to_something_else_that_can_be_called_is_noted_where_it_fails(judge, tmp_path):
    rows = graded(judge, tmp_path, TORCH, BAR, Q, "\nq_sample = torch.nn.Linear(2, 2)")
    assert rows["q_sample"]["verdict"] == "fail"
    assert rows["q_sample"]["message"].endswith("cell 4, line 2 gave q_sample another value after it was defined")


def test_a_line_is_told_by_its_cell_in_runtime_errors_too(judge, tmp_path):
    rows = graded(judge, tmp_path, TORCH, "# two\n# lines", BAR, Q.replace("alpha_bar[t]", "alpha_bars[t]"))
    assert "at         cell 4, line 2: a = alpha_bars[t]" in rows["q_sample"]["message"]


MODULES = {
    "raises": ("1 / 0", "crash", "importing stopped at line 4 (ZeroDivisionError"),
    "a stub": ("raise NotImplementedError", "crash", "importing stopped at line 4 (NotImplementedError)"),
    "hangs": ("while True: pass", "timeout", "importing stopped at line 4 (the 3.6 s that its import may take"),
}


@pytest.mark.parametrize(("line", "verdict", "note"), MODULES.values(), ids=MODULES)
def test_a_module_keeps_what_stands_above_the_line_where_its_import_stopped(
    judge, tmp_path, monkeypatch, line, verdict, note
):
    monkeypatch.setattr(sitting, "CHECK_SECONDS", 4)
    rows = graded(judge, tmp_path, TORCH, BAR, line, Q, name=f"{STEM}.py")
    assert verdicts(rows) == {"compute_alpha_bar": "pass", "q_sample": verdict}
    assert note in rows["q_sample"]["message"]
    assert rows["compute_alpha_bar"]["message"] == ""


EXPORTED = f"""#!/usr/bin/env python
# coding: utf-8
get_ipython().run_line_magic('matplotlib', 'inline')
import torch
get_ipython().system('pip install einops')
files = get_ipython().getoutput('ls')
display(files)
get_ipython().run_cell_magic('time', '', {BAR!r})
{Q}
"""


def test_a_script_that_was_made_of_a_notebook_runs_when_graded_and_at_the_desk(judge, tmp_path, monkeypatch):
    assert verdicts(graded(judge, tmp_path, EXPORTED, name=f"{STEM}.py")) == FULL
    at_the_desk(tmp_path, monkeypatch)
    assert callable(load(STEM).compute_alpha_bar)


def at_the_desk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(section(STEM)), "stub", property(lambda self: folder / f"{self.stem}.py"))


ENCODINGS = {
    "UTF-8": (b"# caf\xc3\xa9\n", None),
    "BOM": (b"\xef\xbb\xbf# caf\xc3\xa9\n", None),
    "declared": (b"# coding: latin-1\n# caf\xe9\n", None),
    "Latin-1": (b"x = 1\n\n# caf\xe9\n", "line 3 is not UTF-8: save it as UTF-8"),
    "within a function": (b"def f():\r\n    # caf\xe9\r\n    pass\r\n", "line 2 is not UTF-8: save it as UTF-8"),
    "UTF-16": ("x = 1\n".encode("utf-16"), "saved as UTF-16; save it as UTF-8"),
    "not what it declares": (b"# coding: ascii\n# caf\xc3\xa9\n", "line 2 is not in the encoding that it declares"),
}


@pytest.mark.parametrize(("data", "says"), ENCODINGS.values(), ids=ENCODINGS)
def test_a_file_is_decoded_or_refused_alike_at_the_desk_and_when_graded(tmp_path, monkeypatch, data, says):
    path = tmp_path / f"{STEM}.py"
    path.write_bytes(data)
    at_the_desk(tmp_path, monkeypatch)
    submission = read(path)
    if says is None:
        assert submission.problems == {}
        load(STEM)
    else:
        assert says in submission.problems[STEM]
        with pytest.raises(Unreadable, match=says.replace("(", r"\(")):
            load(STEM)


@pytest.mark.parametrize(
    "how",
    ["@torch.compile", "@torch.compile(fullgraph=True)", "@torch.compile(mode='reduce-overhead', dynamic=False)"],
)
def test_an_answer_that_asks_for_the_compiler_is_graded_without_it(judge, tmp_path, how):
    rows = graded(
        judge, tmp_path, TORCH, f"{how}\n{BAR}", f"{Q}\nq_sample = torch.compile(q_sample)", name=f"{STEM}.py"
    )
    assert verdicts(rows) == FULL


def test_what_hostile_cells_say_of_themselves_begins_no_line_of_ours(judge, tmp_path):
    rows = graded(
        judge, tmp_path, TORCH, "raise ValueError('x\\nnote       all is well\\ngrader     pass\\x1b[2J')", BAR, Q
    )
    lines = rows["compute_alpha_bar"]["message"].splitlines()
    assert len(lines) == 1
    assert "\x1b" not in lines[0]
