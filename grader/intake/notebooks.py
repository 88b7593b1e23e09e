"""A notebook read as its code cells, in order, one below the other in one text; each is run by itself.

Every line of a cell keeps its place, so that a line number of the text leads back to a cell. A cell that is not Python is
left out, and told with the exercises that it would have defined.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from grader.course import sections
from grader.intake import mistaken
from grader.intake.cells import OtherLanguage, as_python, remedy
from grader.intake.syntax import CONFLICT, Compiler, SyntaxProblem, conflict, written_for
from grader.intake.trees import Refused
from grader.intake.visible import one_line

OBJECTS = 1_000_000
"""The most opening brackets in a file. Each may become an object of about 200 bytes; pictures, which make notebooks large, have none."""
CODE_CHARACTERS = 2**20
"""In all cells together; the limit of a module."""


MOST_CELLS = 10_000

_DEFINED = re.compile(r"^[ \t]*(?:async +)?(?:def|class) +(\w+)|^(\w+) *=(?!=)", re.MULTILINE)


@dataclass(frozen=True)
class Cell:
    """A code cell: its number among all code cells, from 1, and the lines of the text where it begins and ends.

    A script's cells have their first line for a number; a notebook's begin further down than their number, for a line stands above each.
    """

    number: int
    line: int
    last: int


@dataclass(frozen=True)
class Unread:
    """A cell that was left out.

    Attributes:
        note: which, why, and what to do: a sentence.
        defines: the names that it would have defined.
    """

    note: str
    defines: frozenset[str]


@dataclass(frozen=True)
class Notebook:
    """A notebook as a text.

    Attributes:
        text: its cells, one below the other.
        cells: where they are, in order.
        unread: what was left out and is Python, or was meant to be.
    """

    text: str
    cells: tuple[Cell, ...]
    unread: tuple[Unread, ...]


def is_one(data: bytes) -> bool:
    """Whether bytes look like a notebook, whatever the file is called."""
    begins = data[:100].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{"
    return begins and b'"nbformat"' in data and (b'"cells"' in data or b'"worksheets"' in data)


def read(data: bytes, shown: str, compiler: Compiler) -> Notebook:
    """The notebook in `data`; `shown` is what its sender calls it.

    Raises:
        Refused: it is not a Python notebook.
    """
    lines, cells, unread = ["# the code cells of a notebook"], [], []
    for number, (source, is_test) in enumerate(_code_cells(_document(data, shown), shown), 1):
        if is_test:
            unread.append(_in_test(number, source))
            continue
        kept = as_python(source, compiler)
        if isinstance(kept, SyntaxProblem | OtherLanguage):
            unread.append(Unread(_left_out(kept, number, source), _defined(source)))
        elif kept:
            lines.append(f"# cell {number}")
            cells.append(Cell(number, len(lines) + 1, len(lines) + len(kept)))
            lines += kept
    told = [one for one in unread if one.note]
    return Notebook("\n".join(lines) + "\n", tuple(cells), tuple(told))


def _left_out(why: SyntaxProblem | OtherLanguage, number: int, source: str) -> str:
    """Why a cell was left out, and what to do; "" of a cell in another language that defines nothing."""
    if isinstance(why, OtherLanguage):
        if not _defined(source):
            return ""
        return f"cell {number} was left out, since %%{one_line(why.magic, 40)} hands it to something else; without that line it is run"
    if line := conflict(source):
        return f"cell {number} was left out, since it is not Python (line {line}): {CONFLICT}"
    said = one_line(why.message, 120) + written_for(why, source)
    return f"cell {number} was left out, since it is not Python (line {why.line}: {said}); {remedy(why)}"


def _in_test(number: int, source: str) -> Unread:
    """What is told of a test cell: nothing, unless exercises were written into it."""
    written = {found[1] for found in _DEFINED.finditer(source)} & {
        name for of in sections().values() for name in of.exercises
    }
    into = " and ".join(sorted(written))
    note = (
        f"cell {number} was left out, since it is a test cell; write {into} into the cell above it" if written else ""
    )
    return Unread(note, frozenset(written))


def _defined(source: str) -> frozenset[str]:
    """The names that a cell defines, going by its look."""
    return frozenset(name for found in _DEFINED.findall(source) for name in found if name)


def _document(data: bytes, shown: str) -> dict[str, Any]:
    if data.count(b"[") + data.count(b"{") > OBJECTS:
        raise Refused(f"{shown} is too large a notebook; clear its outputs and save it again")
    if what := mistaken.begins(data):
        raise Refused(f"{shown} is not a notebook: {what}")
    try:
        document = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise Refused(f"{shown} is not a notebook: it is not UTF-8 text") from error
    except json.JSONDecodeError as error:
        if line := conflict(error.doc):
            raise Refused(f"{shown} is not a notebook, line {line}: {CONFLICT}") from error
        what = f"not valid JSON ({error.msg} at line {error.lineno})" if data.strip() else "an empty file"
        raise Refused(f"{shown} is not a notebook: it is {what}") from error
    except (ValueError, RecursionError) as error:  # a number with too many digits, brackets nested too deeply
        raise Refused(f"{shown} is not a notebook that can be read") from error
    if not isinstance(document, dict):
        raise Refused(f"{shown} is not a notebook: its JSON is not an object")
    return document


def cells_in(document: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The cells of a notebook, of any version: nbformat 3 keeps them in worksheets. None if it has no list of cells."""
    worksheets = document.get("worksheets", [])
    parts = [document] if "cells" in document else worksheets if isinstance(worksheets, list) else []
    groups = [part.get("cells") for part in parts if isinstance(part, dict)]
    lists = [group for group in groups if isinstance(group, list)]
    return [cell for group in lists for cell in group if isinstance(cell, dict)] if lists else None


def _code_cells(document: dict[str, Any], shown: str) -> list[tuple[str, bool]]:
    """The text of each code cell, and whether it is not its author's but a test."""
    language = _language(document.get("metadata"))
    if language not in ("", "python"):
        raise Refused(f"{shown} is a notebook in {language[:40]!r}; the course is in Python")
    if (cells := cells_in(document)) is None:
        raise Refused(f"{shown} is not a notebook: it has no list of cells")
    found = [(source_of(cell), _is_test(cell)) for cell in cells if cell.get("cell_type") == "code"]
    if sum(len(source) for source, is_test in found if not is_test) > CODE_CHARACTERS:
        raise Refused(f"{shown} is too large: its code cells have more than {CODE_CHARACTERS:,} characters")
    if len(found) > MOST_CELLS:
        raise Refused(f"{shown} is too large: it has more than {MOST_CELLS:,} code cells")
    return found


def _language(metadata: Any) -> str:
    """The language a notebook says it is in, in lower case; "" where it does not say."""
    for key, name in (("kernelspec", "language"), ("language_info", "name")):
        about = metadata.get(key) if isinstance(metadata, dict) else None
        if isinstance(about, dict) and isinstance(about.get(name), str):
            return about[name].lower()
    return ""


def _is_test(cell: dict[str, Any]) -> bool:
    """Whether nbgrader marks the cell as one of the instructor's tests: not the learner's work, and not run."""
    metadata = cell.get("metadata")
    marks = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return isinstance(marks, dict) and marks.get("grade") is True and marks.get("solution") is not True


def source_of(cell: dict[str, Any]) -> str:
    """The text of a cell, which nbformat 3 calls the `input` of a code cell."""
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    return source.replace("\r\n", "\n").replace("\r", "\n") if isinstance(source, str) else ""
