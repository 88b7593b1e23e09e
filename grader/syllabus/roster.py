"""Who is in the course, and whose a submission is."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from grader.intake.visible import one_line, seen
from grader.syllabus import columns
from grader.syllabus.entries import Entry

ENDING = re.compile(r"\.(zip|py|ipynb)$", re.I)


@dataclass(frozen=True)
class Learner:
    """Somebody on the roster: an id, a name for people, and what their submissions are called beside the id."""

    id: str
    full_name: str = ""
    submissions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Roster:
    """The learners of a course by id; empty if it has no roster, and then everybody who hands in belongs to it."""

    learners: dict[str, Learner] = field(default_factory=dict)

    def owner(self, submission: str) -> str | None:
        """The id of whose submission this is, by its name; None if nobody's.

        Case does not matter, and a submission that was told apart from another by its folder (`late/ada.zip`) is ada's.
        """
        if not self.learners:
            return submission
        last = submission.rpartition("/")[2]
        names = (submission, last, ENDING.sub("", last))
        return next((self._owners[plain(name)] for name in names if name and plain(name) in self._owners), None)

    @cached_property
    def _owners(self) -> dict[str, str]:
        """Whose each name is; of two learners with one name the first's."""
        found: dict[str, str] = {}
        for learner in self.learners.values():
            for name in (learner.id, *learner.submissions):
                found.setdefault(plain(name), learner.id)
        return found

    def missing(self, submissions: Iterable[str]) -> list[str]:
        """Who handed in nothing, given the names of what was."""
        there = {self.owner(name) for name in submissions}
        return [name for name in self.learners if name not in there]

    def full_name(self, learner: str | None) -> str:
        return self.learners[learner].full_name if learner in self.learners else ""


def plain(name: str) -> str:
    """A name as it is compared: an accent written in one way, no capitals, one space between words, and only what is seen."""
    return " ".join(unicodedata.normalize("NFC", seen(name)).casefold().split())


def read(entry: Entry) -> Roster:
    """The roster that an entry gives: a table of learners, or the path of a CSV with `learner`, `name`, `submission`."""
    faults_before = len(entry.file.faults.found)
    found = _from_csv(entry) if isinstance(entry.value, str) else entry.each(_learner).values()
    learners = {one.id: one for one in found}
    if not learners and len(entry.file.faults.found) == faults_before:
        entry.fault(f"{entry.shown} has nobody in it; leave it out if everybody may hand in")
    names = [name for one in learners.values() for name in {plain(name) for name in (one.id, *one.submissions)}]
    if taken := sorted({name for name in names if names.count(name) > 1}):
        entry.fault(f"{entry.shown}: {taken[0]} could be the submission of two learners")
    return Roster(learners)


def _learner(entry: Entry) -> Learner:
    if isinstance(entry.value, str):
        return Learner(entry.key, entry.text())
    entry.only("name", "submissions")
    return Learner(
        entry.key,
        entry.get("name", Entry.text, ""),
        tuple(entry.get("submissions", lambda given: given.items(Entry.text), [])),
    )


def _from_csv(entry: Entry) -> list[Learner]:
    found: dict[str, Learner] = {}
    lines = columns.lines(entry, needed=["learner"], known=["name", "submission"])
    for line in lines:
        one = Learner(line["learner"], line["name"], tuple(filter(None, [line["submission"]])))
        before = found.setdefault(one.id, one)
        if before is not one:
            if one.full_name and before.full_name and plain(one.full_name) != plain(before.full_name):
                line.fault(
                    f"{one_line(one.id)} is {one_line(before.full_name)} in a line above, and {one_line(one.full_name)} here: "
                    "give each learner an id of their own"
                )
            name = before.full_name or one.full_name
            found[one.id] = Learner(one.id, name, (*before.submissions, *one.submissions))
    return list(found.values())
