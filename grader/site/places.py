"""Where things are in the built site, and whether it is built."""

from pathlib import Path

from grader.course import ROOT, Exercise, Section

SITE = ROOT / "site"
"""The built site, in the learner's own copy of the course."""


def page(section: Section) -> str:
    """The page of a section's lesson, from the top of the site."""
    return f"exercises/lessons/{section.stem}.html"


def place(of: Exercise | Section) -> str:
    """Where an exercise's place, or a section's beginning, is, from the top of the site."""
    if isinstance(of, Section):
        return page(of)
    return f"exercises/lessons/{of.section}.html#{of.name}"


def address(of: Exercise | Section) -> str:
    """What a browser opens to show it from this copy.

    Raises:
        FileNotFoundError: the site is not built here.
    """
    file, _, part = place(of).partition("#")
    path: Path = SITE / file
    if not path.is_file():
        how = (
            "run `make site`"
            if (ROOT / "Makefile").is_file()
            else "put the site there, if your course hands it out built"
        )
        raise FileNotFoundError(
            f"there is no built site in this copy, at {SITE / 'index.html'}: {how}, or read {lesson(of)}"
        )
    return path.as_uri() + (f"#{part}" if part else "")


def is_built() -> bool:
    return (SITE / "index.html").is_file()


def told(of: Exercise | Section) -> str:
    """Where to read about it: in the lesson, and in the site where that is built."""
    name = of.stem if isinstance(of, Section) else of.name
    return f"{lesson(of)}{f', or: unstatic read {name}' if is_built() else ''}"


def lesson(of: Exercise | Section) -> str:
    """The same in the repository, as a path with an anchor."""
    stem, part = (of.stem, "") if isinstance(of, Section) else (of.section, f"#{of.name}")
    return f"exercises/lessons/{stem}.md{part}"
