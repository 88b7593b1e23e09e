"""A notebook that was saved as a script: where its cells are in it, and its magics made Python.

Jupytext, VS Code, Spyder and PyCharm write `# %%` above each cell, nbconvert `# In[3]:`, Databricks `# COMMAND ----------`; Colab's
"Download .py" leaves magics in, and marimo makes a function of each cell. Every line keeps its place.
"""

import re
from dataclasses import dataclass

from grader.intake.cells import as_python
from grader.intake.notebooks import MOST_CELLS, Cell
from grader.intake.syntax import Compiler, SyntaxProblem, conflict

DO_NOTHING = "magics and shell commands do nothing here, as in a notebook"
_DATABRICKS = re.compile(r"#+ *Databricks notebook source\b")
_COMMAND = re.compile(r"# COMMAND -{4,}\s*")
_MARKS = re.compile(r"# ?%%(?!%)|# In ?\[[ \d*]{0,8}\]:?\s*$")
_MARIMO = re.compile(r"^app = marimo\.App\(", re.MULTILINE)


@dataclass(frozen=True)
class Script:
    """A module's text as Python.

    Attributes:
        text: it, with as many lines as it had.
        cells: its cells, numbered by the line where each begins; none of what is run as a whole.
        note: what was done to it, if anything was: a sentence.
        problem: why it is not Python, if it is not.
    """

    text: str
    cells: tuple[Cell, ...] = ()
    note: str = ""
    problem: SyntaxProblem | None = None


def read(text: str, shown: str, compiler: Compiler) -> Script:
    """The script in `text`, cell by cell where it was a notebook and each cell is Python; else as it is, or without its magics."""
    if _MARIMO.search(text) and (found := _without_marimo(text, compiler)):
        return Script(found, note=f"{shown} is a marimo notebook: its cells were run in their order in the file")
    lines = text.split("\n")
    begins = _begins(lines)
    if 1 < len(begins) <= MOST_CELLS and (cells := _cells(lines, begins, compiler)):
        return cells
    problem = compiler.problem(text)
    if problem is None or conflict(text):
        return Script(text, problem=problem)
    whole = as_python(text, compiler)
    if isinstance(whole, list):
        joined = "\n".join(whole)
        return Script(joined, (), f"{shown}: {DO_NOTHING}", compiler.problem(joined))
    return Script(text, problem=whole if isinstance(whole, SyntaxProblem) else problem)


def _begins(lines: list[str]) -> list[int]:
    """The lines, from 0, where cells begin, going by the marks above them; [0] of what is no notebook."""
    mark = _COMMAND if _DATABRICKS.match(lines[0]) else _MARKS
    found = [index for index, line in enumerate(lines) if mark.match(line)]
    return sorted({0, *found})


def _cells(lines: list[str], begins: list[int], compiler: Compiler) -> Script | None:
    """The cells; None where what stands between two marks is not Python by itself."""
    text, cells = [], []
    for first, last in zip(begins, [*begins[1:], len(lines)], strict=True):
        found = as_python("\n".join(lines[first:last]), compiler)
        if not isinstance(found, list):
            return None
        if found:
            cells.append(Cell(first + 1, first + 1, last))
        text += found or lines[first:last]
    return Script("\n".join(text), tuple(cells))


# ------------------------------------------------------------------------------------------------------------- marimo

_DECORATOR = re.compile(r"@app\.(?:cell|function|class_definition)\b(?:\([^()]*\))?\s*")
_CELL = re.compile(r"(?:async )?def \w+\([^()]*\):\s*")
_LONG_CELL = re.compile(r"(?:async )?def \w+\(\s*")
_SETUP = re.compile(r"with app\.setup(?:\([^()]*\))?:\s*")
_OURS = re.compile(r"import marimo\b|(?:__generated_with|app) *= |if __name__ ==")
_GIVES = re.compile(r"    return\b(?P<rest>.*)")
_OPENED = "if True:"


def _without_marimo(text: str, compiler: Compiler) -> str | None:
    """What marimo's functions hold, at the top level; None if that is not Python."""
    found: list[str] = []
    state = (
        ""  # "cell": above a cell's def; "head": within a def of several lines; "body"; "return": within one; "skip"
    )
    for line in text.split("\n"):
        top = bool(line) and not line[0].isspace() and line[0] not in ")#"
        kept = line
        if state == "head":
            state, kept = ("body", _OPENED) if line.rstrip().endswith("):") else ("head", "")
        elif _DECORATOR.fullmatch(line):
            state, kept = ("cell" if "app.cell" in line else ""), ""
        elif state == "cell" and _CELL.fullmatch(line):
            state, kept = "body", _OPENED
        elif state == "cell" and _LONG_CELL.fullmatch(line):
            state, kept = "head", ""
        elif _SETUP.fullmatch(line):
            state, kept = "body", _OPENED
        elif top and _OURS.match(line):
            state, kept = "skip", ""
        elif top:
            state = ""
        elif state == "skip":
            kept = ""
        elif state == "body" and (gives := _GIVES.match(line)):
            open_bracket = gives["rest"].count("(") > gives["rest"].count(")")
            state, kept = ("return" if open_bracket else "body"), "    pass"
        elif state == "return":
            state, kept = ("body" if line.strip() == ")" else "return"), ""
        found.append(kept)
    joined = "\n".join(found)
    return joined if compiler.problem(joined) is None else None
