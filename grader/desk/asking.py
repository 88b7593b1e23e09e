"""What a learner asks for: an exercise or a section by its name, or by the file that holds it, and what was meant by a slip."""

import difflib
from pathlib import Path

from grader.course import Exercise, Section, sections
from grader.desk.reading import NEAR

PART = 3
"""A part of a name with so many letters is looked for within all names."""
WITHOUT_POINTS = ("end_to_end", "shortcut")
"""Beside the checks: the folders with a section's reward and the libraries' way."""


class NoExerciseError(ValueError):
    """A section's file has no such exercise."""


def names() -> dict[str, Exercise | Section]:
    """All exercises and sections by name; a section also by the beginning of its stem, s1."""
    found: dict[str, Exercise | Section] = {}
    for stem, section in sections().items():
        found |= {stem: section, stem.split("_")[0]: section, **section.exercises}
    return found


def advice(name: str) -> str:
    """What to do about a name that nothing has."""
    spelt = {known.lower(): known for known in names()}
    near = [spelt[word] for word in difflib.get_close_matches(name.lower(), spelt, n=3, cutoff=NEAR)]
    near = near or [known for word, known in spelt.items() if len(name) >= PART and name.lower() in word][:3]
    return f"did you mean {' or '.join(near)}?" if near else "`unstatic status` lists the exercises"


def tests_of(argument: str, folder: Path) -> list[str]:
    """What pytest is to collect for an argument that was given in a folder.

    For the learner's file of a section (`exercises/s1_forward_reverse.py`) all tests of the section, for an exercise in it
    (`exercises/s1_forward_reverse.py::q_sample`, and what is inside of it) its checks; anything else is what it is.

    Raises:
        NoExerciseError: the file has no such exercise.
    """
    path, *inner = argument.split("::")
    of = next((one for one in sections().values() if one.stub.resolve() == (folder / path).resolve()), None)
    if of is None:
        return [argument]
    exercises = of.checks.parents[1]
    if not inner:
        beside = [exercises / place / f"test_{of.stem}.py" for place in WITHOUT_POINTS]
        return [str(of.checks), *(str(test) for test in beside if test.is_file())]
    if inner[0] not in of.exercises:
        found = names().get(inner[0])
        elsewhere = f"it is one of {found.section}" if isinstance(found, Exercise) else advice(inner[0])
        raise NoExerciseError(f"{path} has no exercise {inner[0]!r}; {elsewhere}")
    return [str(of.checks / f"test_{inner[0]}.py")]
