"""The results of a class for people: one HTML page that needs nothing else, and a table for the terminal.

Everything on the page that was submitted is escaped and made visible, the page loads nothing, and its Content-Security-Policy
allows no script but its own, known by its hash, so that a report is safe to open and to hand on. Folds, filters and orders are HTML
and CSS; the script only adds to them (a search, an order by each column, links that open what is folded).
"""

import base64
import hashlib
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
from grader.files import write_atomically
from grader.intake.visible import one_line, visible
from grader.judging.results import Document, Graded, Row
from grader.reports.cards import cards, gather
from grader.reports.feedback import file_names, for_learner
from grader.reports.tally import (
    LISTS,
    LOOKS,
    Column,
    absent,
    columns,
    facts,
    is_full,
    is_isolated,
    look,
    mistakes,
    natural,
    number,
    readable_share,
    share,
    unread,
)

HERE = Path(__file__).parent
ALIKE_FROM = 500
"""Submissions from which on those that came out alike are told once, so that the page stays one that can be opened."""
NAMES_LISTED = 12
PEOPLE_LISTED = 200
"""Names of those who have something in common."""
TOPICS_LISTED = 12
"""Of what a class has in common, as many as are not folded away."""


class NotInstalled(RuntimeError):
    """What the pages are made with is not installed; the message says how to."""


def require_templates() -> None:
    """See that pages can be made, before there is anything to lose.

    Raises:
        NotInstalled: jinja2 is not.
    """
    try:
        import jinja2  # noqa: F401
    except ImportError as error:
        raise NotInstalled("the HTML report needs jinja2: pip install 'unstatic[instructor]'") from error


def html(document: Document, title: str = "") -> str:
    """The page: the class at a glance, what it has in common, a matrix that leads to each failure, and a fold for each submission.

    Raises:
        NotInstalled: jinja2 is not.
    """
    submissions = sorted(document["submissions"], key=lambda graded: natural(graded["name"]))
    shown, told = columns(submissions), parts(submissions)
    home = {id(graded): part.index for part in told for graded in (part.graded, *part.others)}
    homes = [home[id(graded)] for graded in submissions]
    gathered = gather(submissions, homes)
    groups = list(Counter(column.section for column in shown).items())
    shares = [readable_share(graded) for graded in submissions]
    return _render(
        "report.html.jinja",
        rules=_rules(submissions, groups),
        orders=len(submissions) < ALIKE_FROM,
        parts=told,
        homes=homes,
        people_listed=PEOPLE_LISTED,
        script=(HERE / "report.js").read_text(encoding="utf-8"),
        title=title or document.get("course") or "Class report",
        document=document,
        isolated=is_isolated(document),
        submissions=submissions,
        columns=shown,
        groups=groups,
        titles={stem: section.title for stem, section in sections().items()},
        hardest=min([one for one in shown if one.passed < one.total], key=lambda one: one.passed, default=None),
        full=sum(is_full(graded) for graded in submissions),
        found={verdict for column in shown for verdict, _ in column.tally},
        gathered=gathered,
        recognised=len(
            {(card.first["exercise"], card.key[2]) for own in gathered.cards for card in own if card.key[2]}
        ),
        listed=TOPICS_LISTED,
        facts=facts(document),
        median=statistics.median([one for one in shares if one is not None] or [0.0]),
        read=sum(one is not None for one in shares),
        unread=[index for index, graded in enumerate(submissions) if "unread" in _states(graded)],
        left_open=[index for index, graded in enumerate(submissions) if "ungraded" in graded],
        cells=_cells,
        states=_states,
    )


def learner_html(document: Document, graded: Graded) -> str:
    """A page of one submission for its learner: what they may know, and nothing of anybody else's; the seed is not in it.

    Raises:
        NotInstalled: jinja2 is not.
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
        NotInstalled: jinja2 is not.
    """
    pages = [folder / name for name in file_names(document, ".html")]
    for page, graded in zip(pages, document["submissions"], strict=True):
        write_atomically(page, learner_html(document, graded))
    return pages


def _digest(text: str) -> str:
    """By which a Content-Security-Policy knows a style or a script: its SHA-256, in base 64."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _render(template: str, rules: str = "", script: str = "", **values: Any) -> str:
    """A page from its template, with the style and the looks that all of them have."""
    require_templates()
    import jinja2
    import markupsafe

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
    css = (HERE / "report.css").read_text(encoding="utf-8") + rules
    return environment.get_template(template).render(
        css=markupsafe.Markup(css),
        css_hash=_digest(css),
        script=markupsafe.Markup(script),
        script_hash=_digest(script),
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


def _cells(graded: Graded, columns: list[Column]) -> list[Row | None]:
    """The submission's row under each column; None where it was not asked for that exercise."""
    rows = {(row["section"], row["exercise"]): row for row in graded["exercises"]}
    return [rows.get((column.section, column.exercise)) for column in columns]


def _states(graded: Graded) -> str:
    """The classes by which the page filters."""
    states = ["full"] if is_full(graded) else []
    if any(row["verdict"] == "not-gradable" and not absent(row) for row in graded["exercises"]):
        states.append("unread")
    return " ".join(states)


def _rules(submissions: list[Graded], groups: list[tuple[str, int]]) -> str:
    """What of the style depends on the class: its order by points, and where its sections stand in the matrix."""
    ranked = sorted(range(len(submissions)), key=lambda index: (share(submissions[index]), index))
    rules = [
        f"body:has(#by-{name}:checked) :is(#r{index},#s{index}){{order:{place}}}"
        for name, found in (("least", ranked), ("most", ranked[::-1]))
        for place, index in enumerate(found)
        if len(found) < ALIKE_FROM
    ]
    first = 3
    for place, (_, count) in enumerate(groups):
        cells = f"#class tr:not(.sections)>:nth-child(n+{first}):nth-child(-n+{first + count - 1})"
        hidden = f"body:has(#in-{place}:not(:checked))"
        rules += [
            f"#g{place}{{grid-column:span {count}}}",
            f"#class tr:not(.sections)>:nth-child({first}){{border-left:2px solid var(--line)}}",
            f"{hidden} :is(#g{place},#e{place}),{hidden} {cells}{{display:none!important}}",
        ]
        first += count
    return "\n".join(rules) + "\n"


SAID = 300
"""Characters of a line below the table; the page and the JSON have all of it."""


def table(document: Document) -> RenderableType:
    """A row for each submission, a symbol for each exercise, and below it the mistakes most often made."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    shown.add_column("submission", overflow="fold")
    stems = list(dict.fromkeys(column.section for column in columns(document["submissions"])))
    for stem in stems:
        shown.add_column(stem if len(stems) == 1 else stem.partition("_")[0], overflow="fold")
    # Where it is narrow, symbols go on in the next line; a name that is not there, or a score cut off, would say something else
    shown.add_column("score", justify="right", no_wrap=not any("ungraded" in one for one in document["submissions"]))
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
    for graded in document["submissions"]:  # on the page it stands with the exercises
        for why in unread(graded):
            yield Text(one_line(f"could not be read: {graded['name']}: {why}", SAID))
    for label, said in facts(document):
        line = one_line(f"{label}: {said}", SAID)
        if line.endswith("…") and label in LISTS:
            line += f" ({len(document[LISTS[label]])} in all)"  # type: ignore[literal-required]
        yield Text(line)
    if not is_isolated(document):
        yield Text("untrusted code was not isolated", style="bold white on red")
