"""What a file's name tells: whether it can be a section, and which."""

import re

from grader.course import sections

ENDINGS = {
    ".py": ".py",
    ".ipynb": ".ipynb",
    ".py.txt": ".py",  # as browsers and mail programs save what they take for text
    ".ipynb.txt": ".ipynb",
    ".ipynb.json": ".ipynb",
}
"""What the names of modules and notebooks end with, and which of the two it is."""

LOOSE = {".txt": ".py", ".json": ".ipynb"}
"""Endings that take the place of a module's or a notebook's own, where the name holds a section's."""

_JUNK = {"__MACOSX", "__pycache__", "Thumbs.db", "desktop.ini"}


def is_junk(name: str) -> bool:
    return name.startswith(".") or name in _JUNK


def suffix_of(name: str) -> str:
    """`.py` or `.ipynb`, however capitalised and whatever was added to it; "" for any other name."""
    return (ENDINGS | LOOSE).get(_ending(name), "")


def base_of(name: str) -> str:
    """The name without that."""
    return name[: len(name) - len(_ending(name))]


def _ending(name: str) -> str:
    fits = [ending for ending in ENDINGS if name.lower().endswith(ending)]
    if not fits and any(_holds(name, stem) for stem in sections()):
        fits = [ending for ending in LOOSE if name.lower().endswith(ending)]
    return max(fits, key=len, default="")


def _holds(name: str, stem: str) -> bool:
    return bool(
        re.search(rf"(?<![a-z0-9]){re.escape(stem.lower())}(?![a-z0-9])", re.sub(r"[-\s.]+", "_", name.lower()))
    )


def nearness(name: str, stem: str) -> int | None:
    """How near a file's name comes to that of a section: 0 is the same; None if it does not hold it."""
    base = base_of(name)
    if base == stem:
        return 0
    if base.lower() == stem.lower():
        return 1
    return 2 if _holds(base, stem) and not base.lower().startswith("test_") else None


def stems_in(name: str) -> list[str]:
    """The sections that a module's or notebook's name holds."""
    return [stem for stem in sections() if nearness(name, stem) is not None] if suffix_of(name) else []
