"""A section as nbgrader's source notebook: its lesson, one cell for each answer, and one locked cell for each exercise's points.

    the lesson's beginning        Markdown, its pictures inside the notebook
    what is given                 code, locked: imports and whatever stands between the exercises
    for each exercise
        its part of the lesson    Markdown
        its answer                code: the reference with its markers, which `nbgrader generate_assignment` empties
        its test                  code, locked, with its points: check(q_sample)
    the lesson's end

A cell's nbgrader name is made of the exercise's, so that it is the same in every version of the course.
"""

import ast
import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from grader.course import ROOT, Exercise, Section
from grader.source.markers import MarkerError, Region, find_regions, stub_of

Cell = dict[str, Any]

ANSWER, TEST, GIVEN = "answer", "check", "given"
"""What the names of the kinds of cells begin with: answer-q_sample, check-q_sample, given-1."""
SETUP = "from exercises.toolkit.checking import check  # check(q_sample) says at once whether yours is right"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


@dataclass(frozen=True)
class Part:
    """A piece of a solution module: what is given, or the answer to an exercise with the helpers in front of it.

    Attributes:
        text: its lines.
        exercise: the exercise's name; "" for what is given.
    """

    text: str
    exercise: str = ""


def notebook(of: Section) -> dict[str, Any]:
    """The source notebook of a section, answers included, as JSON has it (nbformat 4.5).

    Raises:
        MarkerError: the solution's markers cannot be trusted, or its answers and the course file do not fit together.
    """
    head, lessons, tail = _lesson(of)
    cells = [_markdown("lesson", head, of)]
    given = 0
    for part in parts(of):
        if part.exercise:
            exercise = of.exercises[part.exercise]
            cells.append(_markdown(f"lesson-{exercise.name}", lessons[exercise.name], of))
            cells += [_answer(exercise, part.text), _test(exercise)]
        else:
            given += 1
            cells.append(_given(given, part.text if given > 1 else f"{SETUP}\n{part.text}"))
    if tail.strip():
        cells.append(_markdown("lesson-end", tail, of))
    metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def parts(of: Section) -> list[Part]:
    """The solution module in pieces, in order, without its docstring; together they are all of it.

    Raises:
        MarkerError: see `notebook`.
    """
    origin = of.solution.relative_to(ROOT).as_posix()
    source = of.solution.read_text(encoding="utf-8")
    stub_of(source, origin)  # all that can be wrong with the markers
    regions, lines = find_regions(source, origin), source.split("\n")
    found: list[Part] = []
    begin, given, answers = 0, "", ""
    for node, end in _statements(ast.parse(source), regions):
        text = "\n".join(lines[begin:end]).strip("\n")
        has_answer = any(begin < region.begin <= end for region in regions)
        if _is_docstring(node, begin):
            pass
        elif getattr(node, "name", "") in of.exercises:
            found += [Part(given)] if given else []
            found.append(Part(f"{answers}\n\n\n{text}" if answers else text, node.name))  # type: ignore[attr-defined]
            given = answers = ""
        elif has_answer:
            answers = f"{answers}\n\n\n{text}" if answers else text
        else:
            given = f"{given}\n{text}" if given and _is_import(node) else f"{given}\n\n\n{text}" if given else text
        begin = end
    found += [Part(given)] if given else []
    if answers or [part.exercise for part in found if part.exercise] != list(of.exercises):
        raise MarkerError(f"{origin} does not have the exercises in the order of course.toml, with nothing after them")
    return found


def _statements(tree: ast.Module, regions: list[Region]) -> Iterator[tuple[ast.stmt, int]]:
    """The statements of a module, each with the line behind it; a region of several counts as its first one, whole."""
    outer = [region for region in regions if not region.indent]
    for node, following in zip(tree.body, [*tree.body[1:], None], strict=True):
        end = node.end_lineno or node.lineno
        around = next((region for region in outer if region.begin < node.lineno < region.end), None)
        if around is not None:
            if following is not None and following.lineno < around.end:
                continue  # the last statement of the region stands for all of it
            end = around.end
        end = max([end, *(region.end for region in regions if node.lineno < region.begin <= end + 1)])
        yield node, end


def _is_docstring(node: ast.stmt, begin: int) -> bool:
    return begin == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


# ------------------------------------------------------------------------------------------------------------ cells


def _answer(exercise: Exercise, text: str) -> Cell:
    return _code(f"{ANSWER}-{exercise.name}", text, solution=True)


def _test(exercise: Exercise) -> Cell:
    return _code(f"{TEST}-{exercise.name}", f"check({exercise.name})", grade=True, locked=True, points=exercise.points)


def _given(number: int, text: str) -> Cell:
    return _code(f"{GIVEN}-{number}", text, locked=True)


def _code(name: str, text: str, **marks: Any) -> Cell:
    marks = {"grade": False, "solution": False, "locked": False, "task": False} | marks
    metadata = {"nbgrader": {"schema_version": 3, "grade_id": name, **marks}}
    return _cell("code", name, text, metadata) | {"execution_count": None, "outputs": []}


def _cell(kind: str, name: str, text: str, metadata: dict[str, Any]) -> Cell:
    identity = re.sub(r"[^\w-]", "-", name)[:64]
    return {"cell_type": kind, "id": identity, "metadata": metadata, "source": text.splitlines(keepends=True)}


# ------------------------------------------------------------------------------------------------------- the lesson

_HEADING = re.compile(r"^(?:<a id=\"\w+\"></a>\n+)?## (.+)$", re.M)
_PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+\.png)\)")
_FORMULA = re.compile(r"^```math\n(.*?)\n```$", re.M | re.S)
_PAGE = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?:|#)[^)\s]+\)")


def _lesson(of: Section) -> tuple[str, dict[str, str], str]:
    """The lesson before the first exercise, by exercise, and after the last one."""
    text = of.lesson.read_text(encoding="utf-8")
    found = list(_HEADING.finditer(text))
    names = [heading[1].strip("`") for heading in found]
    ends = [heading.start() for heading in found[1:]] + [len(text)]
    by_name = {
        name: text[heading.start() : end].strip()
        for name, heading, end in zip(names, found, ends, strict=True)
        if name in of.exercises
    }
    if lacking := [name for name in of.exercises if name not in by_name]:
        raise MarkerError(f"{of.lesson.name} has no heading ## `{lacking[0]}`: write it")
    first, last = names.index(next(iter(of.exercises))), names.index(list(of.exercises)[-1])
    return text[: found[first].start()].strip(), by_name, text[ends[last] :].strip()


def _markdown(name: str, text: str, of: Section) -> Cell:
    """A piece of the lesson, with its pictures inside; a link to another page, which is not there, is its words alone.

    Formulas stand between $$, as Jupyter knows them; GitHub's own fence is a listing there.
    """
    attached: dict[str, dict[str, str]] = {}

    def attach(match: re.Match[str]) -> str:
        path = of.lesson.parent / match[2]
        attached[path.name] = {"image/png": base64.b64encode(path.read_bytes()).decode()}
        return f"![{match[1]}](attachment:{path.name})"

    text = _FORMULA.sub(lambda formula: f"$$\n{formula[1]}\n$$", text)
    text = _PAGE.sub(lambda link: link[1], _PICTURE.sub(attach, text))
    cell = _cell("markdown", name, text, {})
    return {**cell, "attachments": attached} if attached else cell
