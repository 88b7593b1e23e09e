"""Checks of the instructor's own, beside ours: a folder in the form of `exercises/checks`, outside the checkout."""

import contextlib
import re
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from grader.course import ROOT, section, sections
from grader.syllabus.entries import Entry, Faults

if TYPE_CHECKING:
    from grader.checks.collect import Check


def folder(entry: Entry) -> Path:
    """The folder that an entry names, relative to the course's file; it holds sN_name/test_<exercise>.py and no other tests."""
    path = (entry.file.path.parent / entry.text()).resolve()
    if not path.is_dir():
        raise entry.fault(f"{entry.shown}: there is no folder {path}")
    tests = sorted(path.rglob("*.py"))
    if not any(file.name.startswith("test_") for file in tests):
        entry.fault(f"{entry.shown}: no check is in {path}; call a file sN_name/test_<exercise>.py")
    for file in tests:
        if words := _misplaced(file.relative_to(path)):
            entry.file.faults.add(file, 1, words)
    return path


def _misplaced(file: Path) -> str:
    """What is wrong with where a file of the folder is; "" if nothing."""
    if len(file.parts) != 2 or file.parts[0] not in sections():
        return f"checks lie in a folder for each section, one of {', '.join(sections())}"
    name = file.stem.removeprefix("test_")
    if file.stem.startswith("test_") and name not in section(file.parts[0]).exercises:
        return f"{name} is no exercise of {file.parts[0]}; call the file test_<exercise>.py"
    return ""


def collect(folders: Sequence[Path], faults: Faults) -> "list[Check]":
    """Import the checks that lie in the folders, and note what is wrong with them."""
    if not folders:
        return []
    from grader.checks.collect import (
        collect_own,
        place_of,
    )  # torch takes seconds, and most courses have none of their own

    found: dict[str, Check] = {}
    for folder, stem in product(folders, sections()):
        try:
            with contextlib.chdir(ROOT):  # as in the judge: a file of theirs is found there or not at all
                checks = collect_own(str(folder), stem)
        except RuntimeError as error:
            faults.add(*_told(str(error), folder / stem))
            continue
        checked = {place_of(check.function)[0].name for check in checks}
        for file in (folder / stem).glob("test_*.py"):
            if file.name not in checked:
                faults.add(file, 1, f"there is no check in it; write def {file.stem}_<sentence>(code)")
        for check in checks:
            if check.name in found:
                path, line = place_of(check.function)
                faults.add(path, line, f"{check.name} is the name of another check of yours: choose another")
            found[check.name] = check
    return list(found.values())


def _told(said: str, place: Path) -> tuple[Path, int, str]:
    """Where in a file of this folder it went wrong, and what: the last line of a traceback there, and pytest's own words."""
    lines = [line.removeprefix("INTERNALERROR> ").strip() for line in said.splitlines()]
    names = "|".join(re.escape(path.name) for path in place.glob("*.py"))
    where = list(re.finditer(rf"[\\/]({names})(?::|\", line )(\d+)(?:: )?", said))
    words = [line[1:].strip() for line in said.splitlines() if line.startswith("E ")]
    words = words or [line for line in lines if _RAISED.match(line)][-1:]
    if not where:  # what pytest says of a whole file
        named = re.search(rf"^_+ ERROR collecting ({names}) _+\n(.+)", said, re.MULTILINE)
        return (place / named[1], 1, named[2]) if named else (place, 1, " ".join(words) or said)
    last = where[-1]
    return place / last[1], int(last[2]), " ".join(words) or said[last.end() :].strip()


_RAISED = re.compile(r"(?:SystemExit|KeyboardInterrupt)\b")
"""How the last line of a traceback begins that ends pytest itself."""
