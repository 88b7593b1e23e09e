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
from grader.intake.visible import one_line, visible
from grader.judging.results import Document, Graded, Row, write_atomically
from grader.reports.feedback import file_names, for_learner
from grader.reports.tally import LOOKS, Column, columns, facts, is_isolated, look, mistakes, natural, number, share

HERE = Path(__file__).parent
MESSAGE_CHARACTERS = 4000
"""Of one message, on the page; the JSON has it whole."""
CHECKS_LISTED = 12
ALIKE_FROM = 500
"""Submissions from which on those that came out alike are told once, so that the page stays one that can be opened."""
NAMES_LISTED = 12
MISTAKES_LISTED = 12

_LABELS = ["check", "called", "came back", "expected", "because", "raised", "at", "grader", "note", "printed", *LOOKS]
_LABELS += ["late", "by hand"]
_FACT = re.compile("|".join(f"(?:{label:<10} )" for label in _LABELS))
"""How a line of a message begins that says what it is."""


@dataclass(frozen=True)
class Card:
    """Exercises of one submission that came out alike: the same verdict for the same reason."""

    rows: list[Row]

    @property
    def first(self) -> Row:
        return self.rows[0]

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What the message says, as (label, text); "" labels what has none."""
        facts: list[tuple[str, str]] = []
        for line in self._message.split("\n"):
            if line.startswith(self._lesson):
                facts.append(("", line.removeprefix(self._lesson)))
            elif label := _FACT.match(line):
                facts.append((label[0].strip(), line[label.end() :]))
            elif facts:
                facts[-1] = (facts[-1][0], f"{facts[-1][1]}\n{line}")
            elif line:
                facts.append(("", line))
        return facts

    @property
    def _message(self) -> str:
        message = self.first["message"].rstrip()
        left = len(message) - MESSAGE_CHARACTERS
        return message if left <= 0 else f"{message[:MESSAGE_CHARACTERS]}\n… ({left:,} more characters are in the JSON)"

    @property
    def _lesson(self) -> str:
        """How the explanation of the known mistake begins in a message; its name has a line of its own."""
        return f"looks like {self.first['misconception']}. "

    @property
    def failed(self) -> list[tuple[str, str]]:
        """The checks that did not pass, as (sentence, verdict); none where the verdict alone tells it."""
        if len(self.rows) > 1 or self.first["verdict"] in ("pass", "unfinished", "blocked", "not-gradable"):
            return []
        start = f"test_{self.first['exercise']}_"
        failed = [check for check in self.first["checks"] if check["verdict"] != "pass"][:CHECKS_LISTED]
        return [(check["name"].removeprefix(start).replace("_", " "), check["verdict"]) for check in failed]

    @property
    def passed(self) -> int:
        return sum(check["verdict"] == "pass" for check in self.first["checks"])


def html(document: Document, title: str = "") -> str:
    """The page: the class at a glance, its most frequent mistakes, a table, and a part for each submission.

    Raises:
        RuntimeError: jinja2 is not installed.
    """
    submissions = sorted(document["submissions"], key=lambda graded: natural(graded["name"]))
    shown, recognised = columns(submissions), mistakes(submissions)
    told = parts(submissions)
    return _render(
        "report.html.jinja",
        title=title or document.get("course") or "Class report",
        document=document,
        isolated=is_isolated(document),
        submissions=submissions,
        parts=told,
        anchors={id(graded): part.index for part in told for graded in (part.graded, *part.others)},
        identity=id,
        columns=shown,
        groups=list(Counter(column.section for column in shown).items()),
        hardest=min([one for one in shown if one.passed < one.total], key=lambda one: one.passed, default=None),
        full=sum(graded["score"] >= graded["points"] > 0 for graded in submissions),
        found={verdict for column in shown for verdict, _ in column.tally},
        mistakes=recognised[:MISTAKES_LISTED],
        recognised=len(recognised),
        facts=facts(document),
        median=statistics.median([share(graded) for graded in submissions] or [0.0]),
        cells=cells,
        share=share,
    )


def learner_html(document: Document, graded: Graded) -> str:
    """A page of one submission for its learner: what they may know, and nothing of anybody else's; the seed is not in it.

    Raises:
        RuntimeError: jinja2 is not installed.
    """
    return _render(
        "learner.html.jinja",
        title=document.get("course") or "Unstatic",
        who=graded.get("full_name") or graded["name"],
        graded=for_learner(graded),
        isolated=is_isolated(document),
        titles={stem: section.title for stem, section in sections().items()},
    )


def write_pages(document: Document, folder: Path) -> list[Path]:
    """A page for each submission, by the learner's id where there is a roster.

    Raises:
        OSError: one cannot be written.
        RuntimeError: jinja2 is not installed.
    """
    pages = [folder / name for name in file_names(document, ".html")]
    for page, graded in zip(pages, document["submissions"], strict=True):
        write_atomically(page, learner_html(document, graded))
    return pages


def _render(template: str, **values: Any) -> str:
    """A page from its template, with the style and the looks that all of them have."""
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
    return environment.get_template(template).render(
        css=markupsafe.Markup(css),
        css_hash=base64.b64encode(hashlib.sha256(css.encode()).digest()).decode(),
        cards=cards,
        look=look,
        looks=LOOKS,
        **values,
    )


@dataclass(frozen=True)
class Part:
    """A part of the page: one submission, or several that came out alike."""

    index: int
    graded: Graded
    others: list[Graded]

    @property
    def also(self) -> str:
        """The names of the others, as many as can be read."""
        names = ", ".join(graded["name"] for graded in self.others[:NAMES_LISTED])
        more = len(self.others) - NAMES_LISTED
        return f"{names} and {more} more" if more > 0 else names


def parts(submissions: list[Graded]) -> list[Part]:
    """The parts of the page, in the order of the submissions."""
    if len(submissions) < ALIKE_FROM:
        return [Part(index, graded, []) for index, graded in enumerate(submissions)]
    found: dict[tuple, Part] = {}
    for index, graded in enumerate(submissions):
        alike = tuple(
            (
                row["section"],
                row["exercise"],
                row["verdict"],
                row["score"],
                row["points"],
                row["message"],
                row["misconception"],
            )
            for row in graded["exercises"]
        )
        if alike in found:
            found[alike].others.append(graded)
        else:
            found[alike] = Part(index, graded, [])
    return list(found.values())


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


def table(document: Document) -> RenderableType:
    """A row for each submission, a symbol for each exercise, and below it the mistakes most often made."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    shown.add_column("submission", overflow="fold")
    stems = list(dict.fromkeys(column.section for column in columns(document["submissions"])))
    for stem in stems:
        shown.add_column(stem if len(stems) == 1 else stem.partition("_")[0], no_wrap=True)
    shown.add_column("score", justify="right", no_wrap=True)
    for graded in document["submissions"]:
        score = f"{number(graded['score'])}/{number(graded['points'])}"
        if "ungraded" in graded:
            score = f"{number(graded['score'])} of {number(graded['points'])} that could be graded, {number(graded['ungraded'])} not: run again"
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
    for label, said in facts(document):
        yield Text(one_line(f"{label}: {said}", 300))
    if not is_isolated(document):
        yield Text("untrusted code was not isolated", style="bold white on red")
