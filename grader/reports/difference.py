"""Two results of the same submissions compared: who gains, who loses, in which exercise and by which check."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from grader.intake.visible import one_line
from grader.judging.results import Document, Graded, Row
from grader.reports.tally import absent, look, number


@dataclass(frozen=True)
class Change:
    """An exercise of a submission that came out otherwise; None where there is no such row.

    Attributes:
        submission: its name.
        exercise: the exercise.
        before: the row as it was.
        after: the row as it is.
    """

    submission: str
    exercise: str
    before: Row | None
    after: Row | None

    @property
    def gain(self) -> float:
        return _score(self.after) - _score(self.before)

    @property
    def checks(self) -> list[tuple[str, str, str]]:
        """The checks whose verdict changed, as (name, before, after); "" where there is no such check. None of a row that is new or gone."""
        if self.before is None or self.after is None:
            return []
        before, after = _checks(self.before), _checks(self.after)
        names = dict.fromkeys([*before, *after])
        return [
            (name, before.get(name, ""), after.get(name, "")) for name in names if before.get(name) != after.get(name)
        ]


@dataclass(frozen=True)
class Difference:
    """What is otherwise in `after`; `only_before` and `only_after` are submissions of which the other knows nothing."""

    changes: list[Change]
    totals: dict[str, tuple[Graded, Graded]]
    only_before: list[str] = field(default_factory=list)
    only_after: list[str] = field(default_factory=list)

    def gains(self) -> dict[str, float]:
        """By how much each submission's score changed, the greatest loss first; those that stay as they are left out."""
        found = {name: round(after["score"] - before["score"], 6) for name, (before, after) in self.totals.items()}
        return dict(sorted(((name, gain) for name, gain in found.items() if gain), key=lambda one: one[1]))

    def lost(self) -> list[str]:
        """What was handed in before and is not there now, as "s2_ddpm of ada"; what the course leaves out now is not lost."""
        return [
            f"{stem} of {name}"
            for name, (before, after) in self.totals.items()
            for stem, rows in _by_section(after).items()
            if all(map(absent, rows)) and not all(map(absent, _by_section(before).get(stem, [])))
        ]


def judged_in(graded: Graded) -> set[str]:
    """The sections that a submission was judged in, be it that there was nothing; what a score by hand alone brought is none."""
    return {
        stem
        for stem, rows in _by_section(graded).items()
        if not all(map(absent, rows)) or not any("by_hand" in row for row in rows)
    }


def _by_section(graded: Graded) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in graded["exercises"]:
        found.setdefault(row["section"], []).append(row)
    return found


def difference(before: Document, after: Document) -> Difference:
    """What is otherwise in the second document; times do not count."""
    old, new = ({graded["name"]: graded for graded in document["submissions"]} for document in (before, after))
    both = [name for name in old if name in new]
    changes = [change for name in both for change in _changes(name, old[name], new[name])]
    return Difference(
        changes,
        {name: (old[name], new[name]) for name in both},
        [name for name in old if name not in new],
        [name for name in new if name not in old],
    )


def _changes(name: str, before: Graded, after: Graded) -> Iterator[Change]:
    old, new = ({(row["section"], row["exercise"]): row for row in graded["exercises"]} for graded in (before, after))
    for key in dict.fromkeys([*old, *new]):
        change = Change(name, key[1], old.get(key), new.get(key))
        if _told(change.before) != _told(change.after) or change.checks:
            yield change


def _told(row: Row | None) -> tuple | None:
    return None if row is None else (row["verdict"], row["score"], row["points"], row["misconception"])


def _score(row: Row | None) -> float:
    return row["score"] if row is not None else 0.0


def _checks(row: Row | None) -> dict[str, str]:
    return {check["name"]: check["verdict"] for check in row["checks"]} if row is not None else {}


def shown(found: Difference) -> RenderableType:
    """The difference for a terminal: the exercises that changed, then each submission's sum."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("submission", "exercise", "before", "after", "by"):
        table.add_column(head, overflow="fold", justify="right" if head == "by" else "left")
    table.add_column("checks that changed", overflow="fold")
    for change in found.changes:
        table.add_row(
            Text(one_line(change.submission, 40)),
            change.exercise,
            _cell(change.before),
            _cell(change.after),
            _signed(change.gain),
            Text("\n".join(f"{name}: {was or 'not there'} → {now or 'not there'}" for name, was, now in change.checks)),
        )
    lines = [Text(one_line(line, 300)) for line in sentences(found)]
    return Group(table, Text(""), *lines) if found.changes else Group(*lines)


def sentences(found: Difference) -> list[str]:
    """Who gains and who loses, a line each, and how many stay as they are."""
    gains = found.gains()
    lines = [
        f"{name} {'gains' if gain > 0 else 'loses'} {number(abs(gain))}: "
        f"{number(found.totals[name][0]['score'])} of {number(found.totals[name][0]['points'])} before, "
        f"{number(found.totals[name][1]['score'])} of {number(found.totals[name][1]['points'])} now"
        for name, gain in gains.items()
    ]
    stay = len(found.totals) - len(gains)
    if found.totals:
        lines.append(f"{stay} of {len(found.totals)} keep their score" if gains else "nobody's score changes")
    else:
        lines.append("no submission is in both")
    if found.only_before:
        lines.append(f"in the old results alone: {', '.join(found.only_before)}")
    if found.only_after:
        lines.append(f"in the new results alone: {', '.join(found.only_after)}")
    return lines


def _cell(row: Row | None) -> Text:
    if row is None:
        return Text("not there", style="dim")
    seen, hand = look(row["verdict"]), " by hand" if "by_hand" in row else ""
    return Text.assemble(
        (seen.symbol, seen.style), f" {one_line(row['verdict'])} {number(row['score'])}/{number(row['points'])}{hand}"
    )


def _signed(gain: float) -> str:
    return f"{'+' if gain > 0 else '−'}{number(abs(gain))}" if gain else ""
