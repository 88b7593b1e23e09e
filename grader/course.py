"""The course file: what is said once about each section and exercise.

`exercises/course.toml` is its only source; paths follow from a section's stem.
"""

import math
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
"""The course's folder: where solutions/, exercises/ and grader/ are."""

COURSE_FILE = ROOT / "exercises" / "course.toml"
DIFFICULTIES = ("gentle", "steady", "steep")


class CourseError(ValueError):
    """The course file says something that cannot be; the message says where, and what to do."""


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
        trains: whether it changes the parameters of a model that it is given; all others leave them as they are.
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
    trains: bool = False


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
    def pristine(self) -> Path:
        """The stub as it was handed out, in a learner's repository."""
        return ROOT / "exercises" / "stubs" / f"{self.stem}.py"

    @property
    def solution(self) -> Path:
        return ROOT / "solutions" / f"{self.stem}.py"

    @property
    def lesson(self) -> Path:
        return ROOT / "exercises" / "lessons" / f"{self.stem}.md"

    def picture(self, exercise: str) -> Path:
        """The picture of an exercise in the lesson."""
        return self.lesson.parent / "pictures" / self.stem / f"{exercise}.png"

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
        CourseError: the course file says something impossible; the message names the line, the exercise and the key.
    """
    try:
        text = COURSE_FILE.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CourseError(f"{COURSE_FILE.name} cannot be read: {error}") from error
    return {stem: _section(stem, table, text) for stem, table in data.items()}


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


def _section(stem: str, table: dict, text: str) -> Section:
    exercises: dict[str, Exercise] = {}
    for name, entry in table.items():
        if name != "title":
            exercises[name] = _exercise(stem, name, entry, exercises, _place(text, f"{stem}.{name}"))
    if not isinstance(table.get("title"), str):
        raise CourseError(f"{_place(text, stem)} has no title")
    found = Section(stem, table["title"], exercises)
    checked = [path.stem.removeprefix("test_") for path in sorted(found.checks.glob("test_*.py"))]
    if lost := [name for name in checked if name not in exercises]:
        raise CourseError(f"{_place(text, stem)} lacks [{stem}.{lost[0]}], of which there are checks: put it back")
    return found


def _place(text: str, table: str) -> str:
    """Where a table begins, as course.toml:12: [table]."""
    line = next((n for n, line in enumerate(text.splitlines(), 1) if line.strip() == f"[{table}]"), None)
    return f"{COURSE_FILE.name}:{line}: [{table}]" if line else f"{COURSE_FILE.name}: [{table}]"


KEYS = {
    "title": (str, "text"),
    "points": (int | float, "a number"),
    "minutes": (int, "a whole number"),
    "difficulty": (str, "text"),
    "needs": (list, "a list of exercises"),
    "paper": (str, "text"),
    "equation": (str, "text"),
    "hints": (list, "a list of three texts"),
    "shares": (dict, "a table of points by check"),
    "trains": (bool, "true or false"),
}
OPTIONAL = ("shares", "trains")


def _exercise(stem: str, name: str, entry: Any, earlier: dict[str, Exercise], where: str) -> Exercise:
    if not isinstance(entry, dict):
        raise CourseError(f"{where} is {entry!r}, not a table")
    if lacking := [key for key in KEYS if key not in entry and key not in OPTIONAL]:
        raise CourseError(f"{where} lacks {lacking[0]}")
    for key, value in entry.items():
        if key not in KEYS:
            raise CourseError(f"{where} has {key!r}, which is no key of an exercise")
        kind, words = KEYS[key]
        if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):
            raise CourseError(f"{where} has {key} = {value!r}; give {words}")
    if not all(0 <= points < math.inf for points in (entry["points"], *entry.get("shares", {}).values())):
        raise CourseError(f"{where} has points = {entry['points']!r}; give a number that is not negative")
    if not all(isinstance(text, str) for text in [*entry["needs"], *entry["hints"]]):
        raise CourseError(f"{where} has needs or hints that are not text")
    exercise = Exercise(name, stem, **entry | {"needs": tuple(entry["needs"]), "hints": tuple(entry["hints"])})
    if unknown := set(exercise.needs) - set(earlier):
        raise CourseError(f"{where} needs {sorted(unknown)}, not an exercise above it")
    if len(exercise.hints) != 3:
        raise CourseError(f"{where} has {len(exercise.hints)} hints, not three")
    if exercise.difficulty not in DIFFICULTIES:
        raise CourseError(f"{where} has difficulty {exercise.difficulty!r}, not one of {DIFFICULTIES}")
    return exercise
