"""A class at once, on several runners: who is in it, which runner takes whom, and one store of what all of them judged.

Each runner keeps its judgements in a store, as `unstatic grade` does. Whoever collects puts the stores together and runs the same
grading over them, which then judges nothing again: marks, late work and who is missing come out as on one machine.
"""

import json
import re
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from grader.ci.settings import Unusable
from grader.syllabus import columns
from grader.syllabus.entries import Faults, SyllabusError

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

    It is read as a roster is, which it may be at once.

    Raises:
        Unusable: it says something that cannot be; the message names each line.
        OSError: it cannot be read.
    """
    faults, found = Faults(), list[Place]()
    for line in columns.table(path, faults, COLUMNS, ["ref"]):
        place = Place(line["learner"], line["repository"], line["ref"] or "HEAD")
        if words := _wrong(place, found):
            line.fault(words)
        elif place not in found:  # a roster has a line for each name that somebody's work has
            found.append(place)
    try:
        faults.tell()
    except SyllabusError as error:
        raise Unusable(str(error)) from error
    if not found:
        raise Unusable(f"{path}: there is nobody in it")
    return found


def _wrong(place: Place, before: Sequence[Place]) -> str:
    """What cannot be of a place, beside those in the lines before; "" if nothing."""
    if not re.fullmatch(r"[\w.@+-]{1,80}", place.learner) or place.learner.startswith("."):
        return f"learner {place.learner!r:.80} must be letters, digits and . _ @ + -"
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", place.repository):
        return f"repository {place.repository!r:.80} must be owner/name"
    if place.ref.startswith("-"):
        return f"ref {place.ref!r:.80} is none"
    if place.learner.casefold() in {one.learner.casefold() for one in before if one != place}:
        return f"{place.learner} is in it twice, and not with the same repository and ref"
    return ""


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
