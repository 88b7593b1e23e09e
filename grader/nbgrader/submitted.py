"""A submitted notebook as nbgrader shows it: the released one, with the learner's answers in it, as text.

Of a submission only the text of its cells is taken, and where they stand. Cells of ours are ours, whatever was made of them; a
second copy is the learner's own cell. Outputs, metadata, tags, attachments and ids of theirs are left behind, and their Markdown
can link nowhere and hold no HTML: who opens it is the instructor.
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grader.intake.notebooks import MOST_CELLS, OBJECTS, cells_in, source_of
from grader.intake.reading import read
from grader.intake.sources import LIMITS
from grader.intake.submission import Submission
from grader.intake.trees import Refused, read_file, require_regular
from grader.intake.visible import one_line

Cell = dict[str, Any]

SHOWN = 200_000
"""Characters of a learner's cell that are shown; more is no answer."""
GONE = "# This cell was not handed in."


def text_of(path: Path) -> bytes:
    """The bytes of a submitted notebook at {student}/{assignment}/{notebook}.ipynb, no step to which is a link.

    Raises:
        Refused: one is, or it is no plain file, or too large.
        OSError: the system says no.
    """
    for folder in (path.parent.parent, path.parent):
        if folder.is_symlink():
            raise Refused(
                f"{one_line(folder.name)} is a link, and links are never followed; hand in the files themselves"
            )
    require_regular(os.lstat(path).st_mode, one_line(path.name))
    return read_file(str(path), LIMITS[".ipynb"])


def submission(path: Path, name: str) -> Submission:
    """A submitted notebook for the judge, under its learner's name."""
    try:
        text_of(path)
    except Refused as refusal:
        return Submission(name, problems={None: str(refusal)})
    except OSError as error:
        return Submission(name, problems={None: f"{one_line(path.name)} cannot be read: {error.strerror}"})
    found = read(path)
    return Submission(name, found.sections, found.problems, found.notes)


def cells_of(data: bytes) -> list[Cell]:
    """The cells of a notebook that somebody handed in, of each its kind, text and names; none if it is none that is graded."""
    if data.count(b"[") + data.count(b"{") > OBJECTS:
        return []
    try:
        document = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return []
    cells = cells_in(document) if isinstance(document, dict) else None
    return [_plain(cell) for cell in (cells or [])[:MOST_CELLS]]


def _plain(cell: dict[str, Any]) -> Cell:
    metadata = cell.get("metadata")
    marks = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    name = marks.get("grade_id") if isinstance(marks, dict) else None
    kind = cell.get("cell_type")
    return {
        "kind": kind if kind in ("code", "markdown") else "raw",
        "text": source_of(cell),
        "name": name if isinstance(name, str) else "",
        "id": cell.get("id") if isinstance(cell.get("id"), str) else "",
    }


def rebuilt(released: Mapping[str, Any], handed_in: list[Cell]) -> dict[str, Any]:
    """The released notebook with the answers that were handed in, in the learner's order, and their own cells between.

    Args:
        released: the notebook as `nbgrader generate_assignment` made it.
        handed_in: the cells of the learner's, by `cells_of`.
    """
    ours = [json.loads(json.dumps(cell)) for cell in released["cells"]]
    places = _places(ours, handed_in)
    found: list[tuple[int | None, Cell]] = []
    for number, cell in enumerate(handed_in):
        place = places.get(number)
        if place is None:
            found.append((None, _their_own(cell, number)))
        else:
            found.append((place, _answered(ours[place], cell["text"])))
    for missing, cell in enumerate(ours):
        if missing not in places.values():
            before = max(
                (at for at, (known, _) in enumerate(found) if known is not None and known < missing), default=-1
            )
            found.insert(before + 1, (missing, _answered(cell, GONE if cell["cell_type"] == "code" else "")))
    return {**released, "cells": [cell for _, cell in found]}


def _places(ours: list[Cell], handed_in: list[Cell]) -> dict[int, int]:
    """Which of our cells a learner's cell is, by numbers: the first that has its name or its id, or else its very text."""
    keys: dict[tuple[str, str], int] = {}
    for place, cell in enumerate(ours):
        name = _marks(cell).get("grade_id", "")
        known = [("name", name)] if name else [("id", cell.get("id", "")), ("text", _text(cell))]
        keys |= {key: place for key in known if key[1]}
    places: dict[int, int] = {}
    for number, cell in enumerate(handed_in):
        mine = [("name", cell["name"])] if cell["name"] else [("id", cell["id"]), ("text", cell["text"])]
        known_as = next((keys[key] for key in mine if key in keys), None)
        if known_as is not None and known_as not in places.values() and cell["kind"] == ours[known_as]["cell_type"]:
            places[number] = known_as
    return places


def _answered(cell: Cell, text: str) -> Cell:
    """A cell of ours; an answer's text is the learner's."""
    if cell["cell_type"] == "code":
        cell = {**cell, "outputs": [], "execution_count": None}
    if not _marks(cell).get("solution"):
        return cell
    return {**cell, "source": _cut(text) if cell["cell_type"] == "code" else inert(_cut(text))}


def _their_own(cell: Cell, number: int) -> Cell:
    made: Cell = {"cell_type": "markdown", "id": f"own-{number}", "metadata": {}, "source": inert(_cut(cell["text"]))}
    if cell["kind"] == "code":
        return {**made, "cell_type": "code", "source": _cut(cell["text"]), "outputs": [], "execution_count": None}
    return made


def _marks(cell: Mapping[str, Any]) -> Mapping[str, Any]:
    return cell["metadata"].get("nbgrader") or {}


def _text(cell: Mapping[str, Any]) -> str:
    source = cell["source"]
    return "".join(source) if isinstance(source, list) else source


def _cut(text: str) -> str:
    if len(text) <= SHOWN:
        return text
    return f"{text[:SHOWN]}\n# ... and {len(text) - SHOWN:,} characters more"


_COMMAND = re.compile(r"\\(?=href|mmlToken|style|class|cssId)")
_DEFINITION = re.compile(r"^([^\S\n]*(?:[>*+-][^\S\n]*)*)\[", re.M)


def inert(markdown: str) -> str:
    """Markdown without HTML, links and images: their signs are there to be read, and do nothing.

    An address alone is a link too, and so is what some commands of MathJax make; an entity could spell one of these.
    """
    text = re.sub(r"&(?=#|bsol;)", "&amp;", markdown)
    text = _COMMAND.sub(r"\\ ", text)
    text = text.replace("://", ": //")
    text = re.sub(r"(www)\.", r"\1&#46;", text, flags=re.IGNORECASE)
    text = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", text)
    text = re.sub(r"\](?=[(\[:])", "&#93;", text)
    return _DEFINITION.sub(r"\1&#91;", text)
