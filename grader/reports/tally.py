"""How a class fared, counted: by exercise, by known mistake; and how each verdict is shown."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from grader.course import sections
from grader.judging.results import Document, Graded, Row


@dataclass(frozen=True)
class Look:
    """How a verdict is shown: a letter for its class of colour, a symbol, a rich style, and what it means."""

    tone: str
    symbol: str
    style: str
    meaning: str


LOOKS = {
    "pass": Look("p", "✓", "green", "every check passed"),
    "fail": Look("f", "✗", "bold red", "a check got a wrong answer"),
    "unfinished": Look("u", "○", "dim", "not written yet"),
    "blocked": Look("b", "↑", "blue", "an exercise that it needs failed"),
    "timeout": Look("r", "∞", "yellow", "a check ran out of time"),
    "crash": Look("r", "!", "yellow", "its process ended"),
    "memory": Look("r", "M", "yellow", "it met the memory limit"),
    "output-limit": Look("r", "≡", "yellow", "it wrote too much"),
    "tamper": Look("t", "§", "bold magenta", "it tried to steer the grader"),
    "not-gradable": Look("n", "?", "bold", "it could not be read"),
    "grader-error": Look("g", "E", "bold cyan", "the grader's fault; not charged"),
}
UNKNOWN = Look("n", "?", "bold", "a verdict that this version does not know")


def look(verdict: str) -> Look:
    return LOOKS.get(verdict, UNKNOWN)


def is_isolated(document: Document) -> bool:
    """Whether the submissions ran isolated from the machine that graded them."""
    return document["isolation"] not in ("", "none")


@dataclass(frozen=True)
class Column:
    """An exercise that somebody was graded on, and how the class fared, as (verdict, count) from best to worst."""

    section: str
    exercise: str
    title: str
    tally: list[tuple[str, int]]

    @property
    def total(self) -> int:
        return sum(count for _, count in self.tally)

    @property
    def passed(self) -> int:
        return dict(self.tally).get("pass", 0)


def columns(submissions: Iterable[Graded]) -> list[Column]:
    """The exercises that occur, in the order of the course."""
    tallies: dict[tuple[str, str], Counter[str]] = {}
    for graded in submissions:
        for row in graded["exercises"]:
            tallies.setdefault((row["section"], row["exercise"]), Counter())[row["verdict"]] += 1
    course = [(stem, name) for stem, section in sections().items() for name in section.exercises]
    order = [key for key in course if key in tallies] + [key for key in tallies if key not in course]
    rank = {verdict: index for index, verdict in enumerate(LOOKS)}
    tally = {key: sorted(found.items(), key=lambda one: rank.get(one[0], len(rank))) for key, found in tallies.items()}
    return [Column(stem, name, _title(stem, name), tally[stem, name]) for stem, name in order]


def _title(stem: str, name: str) -> str:
    section = sections().get(stem)
    return section.exercises[name].title if section and name in section.exercises else ""


@dataclass(frozen=True)
class Mistake:
    """A known mistake, and the indices of the submissions that made it."""

    name: str
    exercise: str
    by: list[int]


def mistakes(submissions: list[Graded]) -> list[Mistake]:
    """The known mistakes of the class, the most frequent first, and those as frequent in the order of the course."""
    place = {(column.section, column.exercise): index for index, column in enumerate(columns(submissions))}
    by: dict[tuple[int, str, str], list[int]] = {}
    for index, graded in enumerate(submissions):
        for row in graded["exercises"]:
            if row["misconception"]:
                where = place[row["section"], row["exercise"]]
                by.setdefault((where, row["exercise"], row["misconception"]), []).append(index)
    found = sorted(by.items(), key=lambda item: (-len(item[1]), item[0]))
    return [Mistake(name, exercise, who) for (_, exercise, name), who in found]


LISTS = {
    "handed in nothing": "missing",
    "could not be fetched: run again": "not_fetched",
    "on no roster": "unknown",
    "nobody says when it came": "no_receipt",
    "in the course's file, and handed in nothing": "unused",
}
"""Lists of names in a document, by what is said of them."""


def facts(document: Document) -> list[tuple[str, str]]:
    """What there is to know of the class beside verdicts, as (label, names and more)."""
    found: list[tuple[str, str]] = []
    for label, key in LISTS.items():
        if names := document.get(key):
            found.append((label, ", ".join(names)))  # type: ignore[arg-type]
    found += [
        ("several of one learner", f"{who}: {', '.join(names)}") for who, names in document.get("twice", {}).items()
    ]
    found += [
        (
            f"equal in {one['section']}",
            f"{', '.join(one['submissions'])} ({', '.join(one['exercises']) or 'no exercise'})",
        )
        for one in document.get("equal", [])
    ]
    for graded in document["submissions"]:
        for row in graded["exercises"]:
            if "by_hand" in row:
                hand = row["by_hand"]
                said = f"{graded['name']}, {row['exercise']}: {number(row['score'])}, not {number(hand['was'])}"
                found.append(("set by hand", f"{said}, by {hand['by']}: {hand['why']}"))
        late: dict[str, set[float]] = {}
        for row in graded["exercises"]:
            if "late" in row:
                late.setdefault(row["section"], set()).add(row["late"]["kept"])
        if late:
            shares = {stem: " or ".join(f"{kept * 100:g}" for kept in sorted(those)) for stem, those in late.items()}
            said = ", ".join(f"{stem} ({those} % kept)" for stem, those in shares.items())
            found.append(("late", f"{graded['name']}: {said}"))
    return found


def unread(graded: Graded) -> list[str]:
    """Why what somebody handed in could not be read; nothing of sections that they did not hand in."""
    rows = [row for row in graded["exercises"] if row["verdict"] == "not-gradable" and "by_hand" not in row]
    reasons = dict.fromkeys(row["message"].split("\n")[0] for row in rows if not absent(row))
    return [why for why in reasons if why]


def absent(row: Row) -> bool:
    """Whether a row is of a section that was not handed in."""
    said = row["message"].split("\n")[0]
    return row["verdict"] == "not-gradable" and bool(re.fullmatch(r"there is no \w+ in it|nothing was handed in", said))


def natural(name: str) -> list[tuple[int, str]]:
    """A sort key by which ada2 comes before ada10."""
    parts = re.findall(r"\d+|\D+", name.casefold())
    return [(len(part.lstrip("0")), part.lstrip("0")) if part.isdecimal() else (-1, part) for part in parts]


def number(value: float) -> str:
    """2.0 as 2, 0.25 as 0.25."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def share(graded: Graded) -> float:
    return graded["score"] / graded["points"] if graded["points"] else 0.0


def is_full(graded: Graded) -> bool:
    """Whether a submission has full marks: all the points, and nothing that a fault of ours leaves open."""
    return graded["score"] >= graded["points"] > 0 and "ungraded" not in graded


def readable_share(graded: Graded) -> float | None:
    """The share of the points of what could be graded; None where no file of the submission could be read, or all of it is left open."""
    read = {row["section"] for row in graded["exercises"] if row["verdict"] != "not-gradable"}
    lost = sum(row["points"] for row in graded["exercises"] if row["section"] not in read and "extra" not in row)
    if graded["exercises"] and (not read or ("ungraded" in graded and graded["points"] <= lost)):
        return None
    return graded["score"] / left if (left := graded["points"] - lost) > 0 else 0.0
