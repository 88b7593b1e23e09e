"""The document that `unstatic grade --json` wrote, read again: by a person's hand it may have gone, or be another program's."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from grader.judging.results import SCHEMA, Document


class NotResults(ValueError):
    """A file is not what `unstatic grade --json` writes; the message says where, and what to do."""


Kinds = type | tuple[type, ...]
NUMBER = (int, float)
ROW: dict[str, Kinds] = {
    "section": str, "exercise": str, "points": NUMBER, "score": NUMBER, "verdict": str, "message": str,
    "misconception": (str, type(None)), "checks": list,
}  # fmt: skip
LATE: dict[str, Kinds] = {"received": str, "due": str, "kept": NUMBER}
BY_HAND: dict[str, Kinds] = {"by": str, "why": str, "was": NUMBER}


def load(path: Path) -> Document:
    """The document in a file.

    Raises:
        NotResults: it is none.
        OSError: it cannot be read.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise NotResults(
            f"{path}: this is not JSON ({error}); give the file that `unstatic grade --json` wrote"
        ) from error
    check = _Checker(path)
    check.table(found, "the document", {"schema": int, "seed": int, "isolation": str, "submissions": list})
    if found["schema"] != SCHEMA:
        raise NotResults(f"{path}: its schema is {found['schema']}, and this version reads {SCHEMA}; grade again")
    check.optional(
        found,
        "the document",
        course=str,
        missing=list,
        unknown=list,
        no_receipt=list,
        unused=list,
        equal=list,
        twice=dict,
    )
    for index, graded in enumerate(found["submissions"]):
        where = f"submissions[{index}]"
        check.table(graded, where, {"name": str, "score": NUMBER, "points": NUMBER, "exercises": list})
        check.optional(graded, where, learner=str, full_name=str, ungraded=NUMBER)
        for place, row in enumerate(graded["exercises"]):
            check.row(row, f"{where}.exercises[{place}]")
    return cast(Document, found)


class _Checker:
    def __init__(self, path: Path) -> None:
        self._path = path

    def table(self, value: Any, where: str, keys: dict[str, Kinds]) -> None:
        """See that a value is a table with these keys, each of its kind."""
        if not isinstance(value, dict):
            raise self._fault(f"{where} is no table")
        for key, kinds in keys.items():
            if key not in value:
                raise self._fault(f"{where} lacks {key!r}")
            self._kind(value[key], f"{where}.{key}", kinds)

    def optional(self, value: dict, where: str, **keys: Kinds) -> None:
        self.table(value, where, {key: kinds for key, kinds in keys.items() if key in value})

    def row(self, row: Any, where: str) -> None:
        self.table(row, where, ROW)
        if "late" in row:
            self.table(row["late"], f"{where}.late", LATE)
        if "by_hand" in row:
            self.table(row["by_hand"], f"{where}.by_hand", BY_HAND)
        self.optional(row, where, holds=list)
        for index, sentence in enumerate(row.get("holds", [])):
            self._kind(sentence, f"{where}.holds[{index}]", str)
        for index, check in enumerate(row["checks"]):
            self.table(check, f"{where}.checks[{index}]", {"name": str, "verdict": str, "seconds": NUMBER})

    def _kind(self, value: Any, where: str, kinds: Kinds) -> None:
        if (
            not isinstance(value, kinds)
            or isinstance(value, bool)
            or value != value
            or value in (float("inf"), -float("inf"))
        ):
            raise self._fault(f"{where} is {value!r:.60}")

    def _fault(self, words: str) -> NotResults:
        return NotResults(f"{self._path}: {words}; give the file that `unstatic grade --json` wrote")


def names(document: Document) -> Sequence[str]:
    """What the submissions of a document are called."""
    return [graded["name"] for graded in document["submissions"]]
