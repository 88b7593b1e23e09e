"""A class at once, on several runners: who is in it, which runner takes whom, and one store of what all of them judged.

Each runner keeps its judgements in a store, as `unstatic grade` does. Whoever collects puts the stores together and runs the same
grading over them, which then judges nothing again: marks, late work and who is missing come out as on one machine.
"""

import csv
import json
import re
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from grader.ci.settings import Unusable

COLUMNS = ("learner", "repository")
SECONDS = 30
MOST_JOBS = 256
"""Of one matrix, on GitHub."""


@dataclass(frozen=True)
class Place:
    """Where a learner hands in: a repository, as owner/name, and a branch, tag or commit."""

    learner: str
    repository: str
    ref: str


def places(path: Path) -> list[Place]:
    """The table of who hands in where: CSV with `learner`, `repository` and perhaps `ref`, whose default is HEAD.

    Raises:
        Unusable: it says something that cannot be; the message names the line.
        OSError: it cannot be read.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        try:
            found = _places(reader, path)
        except (csv.Error, UnicodeDecodeError) as error:
            raise Unusable(f"{path}:{reader.line_num + 1}: this is no CSV in UTF-8 from here on ({error})") from error
    if not found:
        raise Unusable(f"{path}: there is nobody in it")
    return found


def _places(reader: csv.DictReader, path: Path) -> list[Place]:
    found: list[Place] = []
    if lacking := [name for name in COLUMNS if name not in (reader.fieldnames or [])]:
        raise Unusable(
            f"{path}:1: there is no column {lacking[0]}; it must have {', '.join(COLUMNS)}, and may have ref"
        )
    for row in reader:
        where = f"{path}:{reader.line_num}"
        place = Place(*((row.get(name) or "").strip() for name in (*COLUMNS, "ref")))
        if not re.fullmatch(r"[\w.@+-]{1,80}", place.learner) or place.learner.startswith("."):
            raise Unusable(f"{where}: learner {place.learner!r:.80} must be letters, digits and . _ @ + -")
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", place.repository):
            raise Unusable(f"{where}: repository {place.repository!r:.80} must be owner/name")
        if place.ref.startswith("-"):
            raise Unusable(f"{where}: ref {place.ref!r:.80} is none")
        if place.learner.casefold() in {one.learner.casefold() for one in found}:
            raise Unusable(f"{where}: {place.learner} is in it twice")
        found.append(Place(place.learner, place.repository, place.ref or "HEAD"))
    return found


def is_private(api: str, repository: str, token: str) -> bool:
    """Whether a repository is not everybody's to read.

    Raises:
        OSError: GitHub does not say.
    """
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"}
    request = urllib.request.Request(f"{api}/repos/{repository}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return json.load(answer)["private"] is True
    except (OSError, HTTPException, ValueError, LookupError, TypeError, RecursionError) as error:
        raise OSError(
            f"{api} does not say whether {repository} is private ({type(error).__name__}: {error}); run it again"
        ) from error


def chunks(found: Sequence[Place], runners: int) -> str:
    """The matrix of a workflow: the numbers of the runners, as JSON."""
    return json.dumps(list(range(max(1, min(runners, len(found), MOST_JOBS)))))


def share(found: Sequence[Place], number: int, runners: int) -> list[Place]:
    """Those that a runner takes: each n-th, so that all have about as many."""
    return list(found[number :: max(1, min(runners, len(found), MOST_JOBS))])


def together(stores: Iterable[Path], into: Path) -> None:
    """One store of several. A line that is damaged or not ours is found out when it is read, as in any store."""
    into.parent.mkdir(parents=True, exist_ok=True)
    with into.open("ab") as file:
        for store in stores:
            data = store.read_bytes()
            file.write(data if data.endswith(b"\n") or not data else data + b"\n")
