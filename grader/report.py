"""The results of a class for people: one HTML page that needs nothing else, and a table for the terminal.

Everything on the page that was submitted is escaped and made visible, the page loads nothing, and its Content-Security-Policy
allows no script, so that a report is safe to open and to hand on.
"""

import base64
import hashlib
import re
import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from grader.course import sections
from grader.results import Document, Graded, Row
from grader.visible import one_line, visible

HERE = Path(__file__).parent
MESSAGE_CHARACTERS = 4000
"""Of one message, on the page; the JSON has it whole."""
CHECKS_LISTED = 12
MISTAKES_LISTED = 12


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


# The page


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


@dataclass(frozen=True)
class Card:
    """Exercises of one submission that came out alike: the same verdict for the same reason."""

    rows: list[Row]

    @property
    def first(self) -> Row:
        return self.rows[0]

    @property
    def message(self) -> str:
        message = self.first["message"].rstrip()
        left = len(message) - MESSAGE_CHARACTERS
        return message if left <= 0 else f"{message[:MESSAGE_CHARACTERS]}\n… ({left:,} more characters are in the JSON)"

    @property
    def failed(self) -> list[tuple[str, str]]:
        """The checks that did not pass, as (sentence, verdict); none where the verdict alone tells it."""
        if len(self.rows) > 1 or self.first["verdict"] in ("pass", "unfinished", "blocked", "not-gradable"):
            return []
        start = f"test_{self.first['exercise']}_"
        checks = [check for check in self.first["checks"] if check["verdict"] != "pass"]
        return [(check["name"].removeprefix(start).replace("_", " "), check["verdict"]) for check in checks][
            :CHECKS_LISTED
        ]

    @property
    def passed(self) -> int:
        return sum(check["verdict"] == "pass" for check in self.first["checks"])


@dataclass(frozen=True)
class Mistake:
    """A known mistake, and the indices of the submissions that made it."""

    name: str
    exercise: str
    by: list[int]


def html(document: Document, title: str = "Class report") -> str:
    """The page: the class at a glance, its most frequent mistakes, a table, and a part for each submission.

    Raises:
        RuntimeError: jinja2 is not installed.
    """
    try:
        import jinja2
        import markupsafe
    except ImportError as error:
        raise RuntimeError("the HTML report needs jinja2: pip install 'unstatic[instructor]'") from error

    def finalize(value: Any) -> Any:
        return visible(value) if isinstance(value, str) and not isinstance(value, markupsafe.Markup) else value

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    css = (HERE / "report.css").read_text(encoding="utf-8")
    submissions = sorted(document["submissions"], key=lambda graded: natural(graded["name"]))
    shown = columns(submissions)
    return environment.get_template("report.html.jinja").render(
        title=title,
        css=markupsafe.Markup(css),
        css_hash=base64.b64encode(hashlib.sha256(css.encode()).digest()).decode(),
        document=document,
        isolated=is_isolated(document),
        submissions=submissions,
        columns=shown,
        groups=list(Counter(column.section for column in shown).items()),
        hardest=min(
            (column for column in shown if column.passed < column.total), key=lambda one: one.passed, default=None
        ),
        full=sum(graded["score"] >= graded["points"] > 0 for graded in submissions),
        found={verdict for column in shown for verdict, _ in column.tally},
        mistakes=mistakes(submissions),
        median=statistics.median([share(graded) for graded in submissions] or [0.0]),
        cards=cards,
        cells=cells,
        share=share,
        look=look,
        looks=LOOKS,
    )


def natural(name: str) -> list[tuple[int, str]]:
    """A sort key by which ada2 comes before ada10."""
    parts = re.findall(r"\d+|\D+", name.casefold())
    return [(len(part.lstrip("0")), part.lstrip("0")) if part.isdecimal() else (-1, part) for part in parts]


def number(value: float) -> str:
    """2.0 as 2, 0.25 as 0.25."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def share(graded: Graded) -> float:
    return graded["score"] / graded["points"] if graded["points"] else 0.0


def columns(submissions: Iterable[Graded]) -> list[Column]:
    """The exercises that occur, in the order of the course."""
    tallies: dict[tuple[str, str], Counter[str]] = {}
    for graded in submissions:
        for row in graded["exercises"]:
            tallies.setdefault((row["section"], row["exercise"]), Counter())[row["verdict"]] += 1
    course = [(stem, name) for stem, section in sections().items() for name in section.exercises]
    order = [key for key in course if key in tallies] + [key for key in tallies if key not in course]
    rank = {verdict: index for index, verdict in enumerate(LOOKS)}
    return [
        Column(
            stem, name, _title(stem, name), sorted(tallies[stem, name].items(), key=lambda one: rank.get(one[0], 99))
        )
        for stem, name in order
    ]


def _title(stem: str, name: str) -> str:
    section = sections().get(stem)
    return section.exercises[name].title if section and name in section.exercises else ""


def cells(graded: Graded, columns: list[Column]) -> list[Row | None]:
    """The submission's row under each column; None where it was not asked for that exercise."""
    rows = {(row["section"], row["exercise"]): row for row in graded["exercises"]}
    return [rows.get((column.section, column.exercise)) for column in columns]


def cards(graded: Graded) -> list[Card]:
    """The submission's exercises, grouped by what came of them: first what went wrong, then what passed."""
    groups: dict[tuple[str, str, str | None], list[Row]] = {}
    for row in graded["exercises"]:
        groups.setdefault((row["verdict"], row["message"].strip(), row["misconception"]), []).append(row)
    order = {"unfinished": 1, "pass": 2}
    return sorted(map(Card, groups.values()), key=lambda card: order.get(card.first["verdict"], 0))


def mistakes(submissions: list[Graded]) -> list[Mistake]:
    """The known mistakes of the class, the most frequent first."""
    by: dict[tuple[str, str], list[int]] = {}
    for index, graded in enumerate(submissions):
        for row in graded["exercises"]:
            if row["misconception"]:
                by.setdefault((row["misconception"], row["exercise"]), []).append(index)
    found = [Mistake(name, exercise, who) for (name, exercise), who in by.items()]
    return sorted(found, key=lambda mistake: -len(mistake.by))[:MISTAKES_LISTED]


# The terminal


def table(document: Document) -> RenderableType:
    """A row for each submission, a symbol for each exercise, and below it the mistakes most often made."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    shown.add_column("submission", overflow="fold")
    stems = list(dict.fromkeys(column.section for column in columns(document["submissions"])))
    for stem in stems:
        shown.add_column(stem, no_wrap=True)
    shown.add_column("score", justify="right", no_wrap=True)
    for graded in document["submissions"]:
        score = f"{number(graded['score'])}/{number(graded['points'])}"
        shown.add_row(Text(one_line(graded["name"], 40)), *[_symbols(graded, stem) for stem in stems], score)
    return Group(shown, *_below(document))


def _symbols(graded: Graded, stem: str) -> Text:
    verdicts = [look(row["verdict"]) for row in graded["exercises"] if row["section"] == stem]
    return Text.assemble(*((seen.symbol, seen.style) for seen in verdicts))


def _below(document: Document) -> Iterable[RenderableType]:
    found = {row["verdict"] for graded in document["submissions"] for row in graded["exercises"]}
    used = [(verdict, seen) for verdict, seen in LOOKS.items() if verdict in found]
    yield Text("\n") + Text("  ").join(
        Text.assemble((seen.symbol, seen.style), f" {verdict}") for verdict, seen in used
    )
    often = [mistake for mistake in mistakes(document["submissions"]) if len(mistake.by) > 1][:3]
    for mistake in often:
        yield Text(f"{len(mistake.by)} times in {mistake.exercise}: {one_line(mistake.name)}")
    if not is_isolated(document):
        yield Text("untrusted code was not isolated", style="bold white on red")
