"""The course file: what is said once about each section and exercise.

`exercises/course.toml` is its only source; paths follow from a section's stem.
"""

import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The course's folder: where solutions/, exercises/ and grader/ are."""

COURSE_FILE = ROOT / "exercises" / "course.toml"
DIFFICULTIES = ("gentle", "steady", "steep")


@dataclass(frozen=True)
class Exercise:
    """What the course file says of one exercise.

    Attributes:
        name: the function or class that the learner writes.
        section: the stem of its section.
        title: a few words.
        points: what it is worth.
        minutes: how long it takes a newcomer, about.
        difficulty: one of `DIFFICULTIES`.
        needs: the exercises of the section that the reference solution calls.
        paper: the source, with an arXiv number.
        equation: the formula, in the course's symbols.
        hints: three, from a nudge to nearly there.
        shares: points that single checks carry by themselves, by check name; usually none.
    """

    name: str
    section: str
    title: str
    points: float
    minutes: int
    difficulty: str
    needs: tuple[str, ...]
    paper: str
    equation: str
    hints: tuple[str, str, str]
    shares: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Section:
    """One section: its stem, its title and its exercises by name, in the order of the course."""

    stem: str
    title: str
    exercises: dict[str, Exercise]

    @property
    def stub(self) -> Path:
        return ROOT / "exercises" / f"{self.stem}.py"

    @property
    def solution(self) -> Path:
        return ROOT / "solutions" / f"{self.stem}.py"

    @property
    def lesson(self) -> Path:
        return ROOT / "exercises" / "lessons" / f"{self.stem}.md"

    @property
    def checks(self) -> Path:
        """The folder of its checks, a file an exercise."""
        return ROOT / "exercises" / "checks" / self.stem

    @property
    def misconceptions(self) -> Path:
        """The folder of the mistakes that people make in it, a file an exercise."""
        return ROOT / "solutions" / "misconceptions" / self.stem


@cache
def sections() -> dict[str, Section]:
    """All sections by stem, in order.

    Raises:
        ValueError: the course file says something impossible; the message names the exercise and the key.
    """
    with COURSE_FILE.open("rb") as file:
        data = tomllib.load(file)
    return {stem: _section(stem, table) for stem, table in data.items()}


def section(stem: str) -> Section:
    """The section with this stem.

    Raises:
        ValueError: there is none.
    """
    if stem not in sections():
        raise ValueError(f"no section is called {stem!r}; there are {', '.join(sections())}")
    return sections()[stem]


def find_exercise(name: str) -> Exercise:
    """The exercise with this name.

    Raises:
        ValueError: there is none.
    """
    for found in sections().values():
        if name in found.exercises:
            return found.exercises[name]
    raise ValueError(f"no exercise is called {name!r}; `unstatic status` lists them")


def _section(stem: str, table: dict) -> Section:
    exercises: dict[str, Exercise] = {}
    for name, entry in table.items():
        if name != "title":
            exercises[name] = _exercise(stem, name, entry, earlier=exercises)
    return Section(stem, table["title"], exercises)


def _exercise(stem: str, name: str, entry: dict, earlier: dict[str, Exercise]) -> Exercise:
    where = f"{COURSE_FILE.name}: [{stem}.{name}]"
    try:
        exercise = Exercise(name, stem, **entry | {"needs": tuple(entry["needs"]), "hints": tuple(entry["hints"])})
    except (KeyError, TypeError) as error:
        raise ValueError(f"{where} lacks a key, or has one too many: {error}") from error
    if unknown := set(exercise.needs) - set(earlier):
        raise ValueError(f"{where} needs {sorted(unknown)}, not an exercise above it")
    if len(exercise.hints) != 3:
        raise ValueError(f"{where} has {len(exercise.hints)} hints, not three")
    if exercise.difficulty not in DIFFICULTIES:
        raise ValueError(f"{where} has difficulty {exercise.difficulty!r}, not one of {DIFFICULTIES}")
    return exercise
