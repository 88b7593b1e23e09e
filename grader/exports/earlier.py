"""Results that there are already: what a regrade takes from them, and what goes where new ones take their place."""

from collections.abc import Sequence
from pathlib import Path

from grader.course import sections
from grader.exports.document import NotResults, load
from grader.intake.submission import Submission
from grader.intake.visible import one_line
from grader.judging.results import Document, Graded
from grader.reports.difference import judged_in
from grader.syllabus import hiding

LOOKED_INTO = 32 << 20
"""Bytes that results may have to be looked into for who was there before: of a pipe nothing is read, and of thousands it takes long."""


def exercises_in(before: Document) -> list[str]:
    """The exercises that results have, as `--only` would name them."""
    rows = {(row["section"], row["exercise"]) for one in before["submissions"] for row in one["exercises"]}
    return [name for stem, section in sections().items() for name in section.exercises if (stem, name) in rows]


def sections_in(
    before: Document, submissions: Sequence[Submission], names: hiding.Pseudonyms | None
) -> tuple[dict[str, set[str]], list[str]]:
    """The sections that each submission has in results, and what is to be told: who has others beside them.

    Args:
        before: the results.
        submissions: what is graded again.
        names: the pseudonyms by which the results go, if they do.
    """
    called = [one.name for one in submissions]
    shown = hiding.shown(called, names) if names is not None else dict(zip(called, called, strict=True))
    judged = {one["name"]: judged_in(one) for one in before["submissions"]}
    every = set().union(*judged.values())
    beside = {
        stem: [
            shown[one.name]
            for one in submissions
            if stem in one.sections and stem not in judged.get(shown[one.name], every)
        ]
        for stem in sections()
    }
    told = [f"{stem} of {one_line(', '.join(who), 300)}" for stem, who in beside.items() if who]
    return {name: judged[shown[name]] for name in called if shown[name] in judged}, told


def what_goes(path: Path, document: Document, regraded: bool) -> list[str]:
    """Sentences on what new results take away with those at a path: another seed, and who is not in them.

    Args:
        path: where the new ones are to stand.
        document: the new ones.
        regraded: whether they are the others' regrade, of which another seed is asked for.
    """
    try:
        before = load(path) if path.is_file() and path.stat().st_size <= LOOKED_INTO else None
    except (OSError, NotResults):  # there are none
        before = None
    if before is None:
        return []
    told = []
    if before["seed"] != document["seed"] and not regraded:
        said = f"{path} was by the seed {before['seed']}, and is by {document['seed']} now"
        told.append(f"{said}; --seed {before['seed']} goes on with the other one")
    if hiding.is_hidden(before) == hiding.is_hidden(document):
        there = set().union(*map(_called, document["submissions"]))
        if gone := [one["name"] for one in before["submissions"] if not _called(one) & there]:
            said = f"{path} had {one_line(', '.join(gone), 300)} too, and has not any more; if that is not meant"
            told.append(f"{said}, give all submissions, of which none is judged anew")
    return told


def _called(one: Graded) -> set[str]:
    """What a submission and its learner are called, wherever it lies."""
    return {one["name"].rpartition("/")[2], one.get("learner", one["name"])}
