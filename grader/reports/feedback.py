"""One learner's results as a file to hand back to them: what they may know, and nothing of anybody else's."""

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from grader.checks.sentences import held
from grader.course import sections
from grader.files import write_atomically
from grader.intake.visible import one_line, visible
from grader.judging.results import Document, Graded, Row
from grader.reports.tally import LOOKS, look, number

NOT_SHOWN = "A check of your instructor's that is not shown did not pass."
HOW = {"crash", "timeout", "memory", "output-limit", "unfinished"}
"""Verdicts that say how a check ended: of one that is not shown it would be a message to whoever chose it."""
LONGEST_NAME = 80


def write_all(document: Document, folder: Path) -> list[Path]:
    """A file for each submission, by the learner's id where there is a roster.

    Raises:
        OSError: one cannot be written.
    """
    written: list[Path] = []
    for name, graded in zip(file_names(document, ".md"), document["submissions"], strict=True):
        write_atomically(folder / name, markdown(document, graded))
        written.append(folder / name)
    return written


def file_names(document: Document, suffix: str) -> list[str]:
    """What a file of each submission is called: by the learner's id where there is a roster, and no two alike."""
    names: list[str] = []
    for graded in document["submissions"]:
        kept = _file_name(graded.get("learner", graded["name"]))
        tried, count = f"{kept}{suffix}", 1
        while tried.casefold() in (name.casefold() for name in names):  # a disk may not tell cases apart
            count += 1
            tried = f"{kept} ({count}){suffix}"
        names.append(tried)
    return names


def markdown(document: Document, graded: Graded) -> str:
    """The text. The seed is not in it: with it, the inputs of the checks could be known before they are handed in again."""
    graded, title = for_learner(graded), document.get("course", "Unstatic")
    who = graded.get("full_name") or graded["name"]
    parts = [
        f"# {plain(title)}: {plain(who)}",
        f"**{number(graded['score'])} of {number(graded['points'])} points**",
    ]
    if "ungraded" in graded:
        parts.append(f"{number(graded['ungraded'])} points could not be graded, by a fault that is not yours.")
    for stem in dict.fromkeys(row["section"] for row in graded["exercises"]):
        found = sections().get(stem)
        parts.append(f"## {plain(found.title if found else stem)}")
        rows = [row for row in graded["exercises"] if row["section"] == stem]
        if said := _of_all(rows):
            parts.append(_as_it_is("\n".join(said)))
        parts += [part for row in rows for part in _row(row, said)]
    return "\n\n".join(parts) + "\n"


def _of_all(rows: list[Row]) -> list[str]:
    """The lines that are said of every exercise of a section, and so once: that it was late, or why it could not be read."""
    if len(rows) < 2:
        return []
    unread = all(row["verdict"] == "not-gradable" for row in rows)
    messages = [row["message"].split("\n") for row in rows]
    return [
        line
        for line in messages[0]
        if line and (unread or line.startswith("late ")) and all(line in message for message in messages)
    ]


def _as_it_is(text: str) -> str:
    """Text with four spaces before each line, so that it is shown whatever is in it."""
    return "\n".join(f"    {line}" for line in visible(text).split("\n"))


def _row(row: Row, said: list[str]) -> Iterator[str]:
    seen = look(row["verdict"])
    of = "extra points" if "extra" in row else "points"
    yield f"### {seen.symbol} `{_code(row['exercise'])}`: {number(row['score'])} of {number(row['points'])} {of}"
    if row["verdict"] != "pass":
        yield (
            f"*{row['verdict']}*: {LOOKS[row['verdict']].meaning}."
            if row["verdict"] in LOOKS
            else plain(row["verdict"])
        )
    text = "\n".join(line for line in row["message"].split("\n") if line not in said).strip()
    if holds := row.get("holds"):
        text = f"{'holds':<10} {held(holds, len(row['checks']), room=0)}\n{text}"
    if text:
        yield _as_it_is(text)


def shown(row: Row) -> str:
    """What its learner may read of a row's message: nothing of a check that is not shown."""
    if "hidden" not in row:
        return row["message"]
    ours = [line for line in row["message"].split("\n") if line.startswith(("late ", "by hand ", "note "))]
    return "\n".join([NOT_SHOWN, *ours])


def for_learner(graded: Graded) -> Graded:
    """A submission's results as its learner may see them: of a check that is not shown no word, time or way in which it ended."""
    rows: list[Row] = []
    for row in graded["exercises"]:
        seen: Row = {
            **row,
            "message": shown(row),
            "checks": [check for check in row["checks"] if "hidden" not in check],
        }
        if "hidden" in row:
            seen["misconception"] = None
            seen["verdict"] = "fail" if row["verdict"] in HOW else row["verdict"]
        rows.append(seen)
    return {**graded, "exercises": rows}


def plain(text: str) -> str:
    """Text within a line of Markdown, none of its signs meant."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|&~@-])", r"\\\1", one_line(text))


def _code(text: str) -> str:
    return one_line(text).replace("`", "'")


def _file_name(name: str) -> str:
    kept = re.sub(r"[^\w.@+-]+", "_", unicodedata.normalize("NFC", name)).lstrip(".")
    return kept.encode()[:LONGEST_NAME].decode(errors="ignore") or "unnamed"
