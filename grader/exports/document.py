"""The document that `unstatic grade --json` wrote, read again: by a person's hand it may have gone, or be another program's."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from grader.intake.visible import one_line
from grader.judging.results import SCHEMA, Document


class NotResults(ValueError):
    """A file is not what `unstatic grade --json` writes; the message says where, and what to do."""


NUMBER = (int, float)
LARGEST = 1e12
"""No number of a result's is as large, so that sums of them stay numbers."""
TEXTS = [str]
LATE = {"received": str, "due": str, "kept": NUMBER}
BY_HAND = {"by": str, "why": str, "was": NUMBER}
CHECK = {"name": str, "verdict": str, "seconds": NUMBER, "hidden?": bool}
ROW = {
    "section": str, "exercise": str, "points": NUMBER, "score": NUMBER, "verdict": str, "message": str,
    "misconception": (str, type(None)), "checks": [CHECK], "late?": LATE, "by_hand?": BY_HAND, "holds?": TEXTS,
    "extra?": bool, "hidden?": bool,
}  # fmt: skip
GRADED = {
    "name": str, "score": NUMBER, "points": NUMBER, "exercises": [ROW], "learner?": str, "full_name?": str, "ungraded?": NUMBER,
}  # fmt: skip
EQUAL = {"section": str, "exercises": TEXTS, "submissions": TEXTS}
DOCUMENT = {
    "seed": int, "isolation": str, "submissions": [GRADED], "course?": str, "missing?": TEXTS, "not_fetched?": TEXTS, "unknown?": TEXTS,
    "no_receipt?": TEXTS, "unused?": TEXTS, "twice?": {"*": TEXTS}, "equal?": [EQUAL],
}  # fmt: skip
"""What a document is of: a list of one shape, a table by its keys, those with ? not needed and * for all there are, or a value's type."""


def load(path: Path) -> Document:
    """The document in a file.

    Raises:
        NotResults: it is none.
        OSError: it cannot be read.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise NotResults(
            f"{path}: this is not JSON ({error}); give the file that `unstatic grade --json` wrote"
        ) from error
    fault = _fault(found, "", {"schema": int})
    if not fault and found["schema"] != SCHEMA:
        raise NotResults(f"{path}: its schema is {found['schema']!r:.60}, and this version reads {SCHEMA}; grade again")
    if fault := fault or _fault(found, "", DOCUMENT):
        raise NotResults(f"{path}: {fault}; give the file that `unstatic grade --json` wrote")
    return cast(Document, found)


def _fault(value: Any, where: str, shape: Any) -> str:
    """The first thing in a value that is not of its shape, in words; "" if there is none."""
    if isinstance(shape, list):
        if not isinstance(value, list):
            return f"{where} is {value!r:.60}, and no list"
        parts = [(one, f"{where}[{index}]", shape[0]) for index, one in enumerate(value)]
    elif isinstance(shape, dict):
        if not isinstance(value, dict):
            return f"{where or 'the document'} is no table"
        if lacking := [key for key in shape if key[-1] not in "?*" and key not in value]:
            return f"{where or 'the document'} lacks {lacking[0]!r}"
        parts = [
            (one, f"{where}.{one_line(key, 60)}".removeprefix("."), shape.get(key) or shape.get(f"{key}?") or shape.get("*"))
            for key, one in value.items()
        ]  # fmt: skip
    else:
        return "" if shape is None or _is(value, shape) else f"{where} is {value!r:.60}"
    return next((fault for part in parts if (fault := _fault(*part))), "")


def _is(value: Any, kinds: type | tuple[type, ...]) -> bool:
    if kinds is NUMBER and isinstance(value, int | float) and not abs(value) < LARGEST:
        return False
    return isinstance(value, kinds) and (kinds is bool or not isinstance(value, bool))


def names(document: Document) -> Sequence[str]:
    """What the submissions of a document are called."""
    return [graded["name"] for graded in document["submissions"]]
