"""Submissions that try something (`tests/attacks`), and honest ones that are odd (`tests/noise`), as data.

Each is a file whose docstring says in its first line the class and what it tries, and then, in a line for each exercise
that is to be graded, the verdicts that it may get:

    expect: compute_alpha_bar crash|tamper

A line `needs: seccomp` names a layer of isolation without which an attack is not stopped, or something honest is refused,
a line `section: s3_score_sde` the section whose exercises these are, if it is not the first.
What is handed in is the reference solution followed by the file: what it does not define itself is honest.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from grader.course import ROOT
from grader.judging.judge import Judge, Request
from grader.judging.results import Row

STEM = "s1_forward_reverse"
ATTACKS = ROOT / "tests" / "attacks"
NOISE = ROOT / "tests" / "noise"


@dataclass(frozen=True)
class Entry:
    """A submission of the corpus.

    Attributes:
        name: folder and file.
        family: its class, "Ending the process".
        tries: what it tries, or what is odd about it.
        expect: the verdicts allowed, by exercise.
        needs: the layers of isolation that the promise takes, for an attack beside bubblewrap.
        stem: the section.
        text: what is handed in.
    """

    name: str
    family: str
    tries: str
    expect: dict[str, tuple[str, ...]]
    needs: tuple[str, ...]
    stem: str
    text: str

    @classmethod
    def read(cls, path: Path) -> "Entry":
        text = path.read_bytes().decode()
        family, tries, expect = promised(text)
        needs = tuple(line.removeprefix("needs: ") for line in text.splitlines() if line.startswith("needs: "))
        stem = next(
            (line.removeprefix("section: ") for line in text.splitlines() if line.startswith("section: ")), STEM
        )
        reference = (ROOT / "solutions" / f"{stem}.py").read_text(encoding="utf-8")
        return cls(f"{path.parent.name}/{path.stem}", family, tries, expect, needs, stem, f"{reference}\n\n{text}")

    def grade(self, judge: Judge, time: Mapping[str, float] | None = None) -> dict[str, Row]:
        """The rows of the exercises that it promises something about; `time` is that of a request."""
        rows = judge.grade(
            Request(self.stem, f"{self.stem}.py", self.text, 1, tuple(self.expect), time=dict(time or {}))
        )
        return {row["exercise"]: row for row in rows}


def promised(text: str) -> tuple[str, str, dict[str, tuple[str, ...]]]:
    """What a docstring says: class, what it tries, and the verdicts allowed for each exercise."""
    docstring = ast.get_docstring(ast.parse(text)) or ""
    first, *rest = docstring.splitlines()
    family, colon, tries = first.partition(": ")
    words = [line.removeprefix("expect: ").split() for line in rest if line.startswith("expect: ")]
    if not colon or not words:
        raise ValueError(f"{first!r} is no class and what is tried, with verdicts below it")
    return family, tries.rstrip("."), {exercise: tuple(verdicts.split("|")) for exercise, verdicts in words}


def attacks() -> list[Entry]:
    return [Entry.read(path) for path in sorted(ATTACKS.glob("*/*.py"))]


def noise() -> list[Entry]:
    return [Entry.read(path) for path in sorted(NOISE.glob("*.py"))]
