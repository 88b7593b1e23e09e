"""A line a learner: what each section earned them, of whom the roster says so."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from grader.course import sections
from grader.judging.results import OURS, Document, Graded, Row
from grader.reports.feedback import for_learner
from grader.reports.tally import absent
from grader.syllabus.roster import Roster


@dataclass(frozen=True)
class Mark:
    """What a learner got in a section. What could not be graded through a fault of ours leaves it `open`."""

    score: float
    points: float
    rows: tuple[Row, ...]

    @property
    def open(self) -> bool:
        return any(row["verdict"] == OURS and "by_hand" not in row for row in self.rows)

    @property
    def rank(self) -> tuple[bool, bool, float]:
        """What is greater of the mark that counts, of several; of a section that was not handed in it is none."""
        return not all(map(absent, self.rows)), not self.open, self.score

    @property
    def said(self) -> str:
        """A line about it, for people: what did not pass, or why nothing could be read."""
        why = {row["message"].split("\n")[0] for row in self.rows if row["verdict"] == "not-gradable"}
        if len(why) == 1 and all(row["verdict"] == "not-gradable" and "by_hand" not in row for row in self.rows):
            return f"not-gradable: {why.pop()}"
        return ", ".join(f"{row['exercise']}: {row['verdict']}" for row in self.rows if row["verdict"] != "pass")


@dataclass
class Person:
    """One learner: an id, a name for people, an e-mail address if any is known, the marks by section, and whether they are all there are."""

    id: str
    name: str
    email: str = ""
    marks: dict[str, Mark] = field(default_factory=dict)
    fetched: bool = True


@dataclass(frozen=True)
class Class:
    """Everybody, the points of each section, and what there is to tell: who is not in the table, and why."""

    people: list[Person]
    points: dict[str, float]
    doubts: list[str]

    def titled(self) -> list[tuple[str, str]]:
        """The sections as (stem, title)."""
        return [(stem, sections()[stem].title if stem in sections() else stem) for stem in self.points]


def everybody(document: Document, roster: Roster | None = None) -> Class:
    """The class of a document.

    Of a learner who handed in twice, in each section a mark that is settled counts before one that a fault of ours leaves open, and of
    settled ones the better. Whose submission is on no roster is left out, and told.
    """
    known = (roster or Roster()).learners
    people = {who: Person(who, one.full_name or who, _address((who, *one.submissions))) for who, one in known.items()}
    doubts: list[str] = []
    twice: dict[str, list[str]] = {}
    left: list[tuple[Person, str, str]] = []
    for graded in document["submissions"]:
        owner = _owner(roster, graded.get("learner", ""), graded["name"])
        if owner is None:
            doubts.append(f"{graded['name']} is nobody's on the roster, and left out")
            continue
        person = people.setdefault(owner, Person(owner, graded.get("full_name") or owner, _address((owner,))))
        twice.setdefault(owner, []).append(graded["name"])
        for stem, mark in marks(graded).items():
            if mark.open:
                left.append((person, stem, graded["name"]))
            if stem not in person.marks or mark.rank > person.marks[stem].rank:
                person.marks[stem] = mark
    for who in document.get("not_fetched", []):
        if (owner := _owner(roster, who)) is None:
            doubts.append(f"{who} is nobody's on the roster, and left out")
            continue
        people.setdefault(owner, Person(owner, owner, _address((owner,)))).fetched = False
        doubts.append(f"{owner}: what they handed in could not be fetched; the cells are empty, grade again")
    for owner in filter(None, (_owner(roster, who) for who in document.get("missing", []))):
        people.setdefault(owner, Person(owner, owner, _address((owner,))))
    for owner, names in twice.items():
        if len(names) > 1:
            doubts.append(f"{owner} handed in {', '.join(names)}: the better settled mark of each section counts")
    for person in people.values():
        if still := [stem for stem, mark in person.marks.items() if mark.open]:
            doubts.append(f"{person.id}: {', '.join(still)} could not be graded by a fault of ours; the cell is empty")
    doubts += [
        f"{person.id}: {stem} of {name} could not be graded by a fault of ours; what else they handed in counts"
        for person, stem, name in left
        if not person.marks[stem].open
    ]
    return Class(list(people.values()), _points(people.values()), doubts)


def _owner(roster: Roster | None, *names: str) -> str | None:
    """Whose these are, by a roster that may be another one than when the results were made; None if nobody's on it."""
    if roster is None or not roster.learners:
        return next(filter(None, names), names[-1])
    return next(filter(None, (roster.owner(name) for name in names if name)), None)


def marks(graded: Graded) -> dict[str, Mark]:
    """What a submission earned in each of its sections, as its learner may see it."""
    found: dict[str, list[Row]] = {}
    for row in for_learner(graded)["exercises"]:
        found.setdefault(row["section"], []).append(row)
    return {stem: _mark(rows) for stem, rows in found.items()}


def _mark(rows: list[Row]) -> Mark:
    score = round(sum(row["score"] for row in rows), 6)
    points = round(sum(row["points"] for row in rows if "extra" not in row), 6)
    return Mark(score, points, tuple(rows))


def _points(people: Iterable[Person]) -> dict[str, float]:
    """What each section is worth, in the order of the course."""
    found: dict[str, float] = {}
    for person in people:
        for stem, mark in person.marks.items():
            found[stem] = max(mark.points, found.get(stem, 0.0))
    order = [*sections(), *found]
    return {stem: found[stem] for stem in dict.fromkeys(order) if stem in found}


def _address(names: Iterable[str]) -> str:
    """The first that looks like an e-mail address."""
    return next((name for name in names if "@" in name.strip("@") and " " not in name), "")
