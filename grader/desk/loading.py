"""The learner's module, as it is on disk now."""

import linecache
import os
import sys
from pathlib import Path
from types import ModuleType

from grader.course import ROOT, Section, section, sections
from grader.desk.reading import compiled, saved
from grader.sandbox.guest.jupyter import surround

_imported: dict[str, int] = {}
"""Of the learner's other files that were imported, when each was saved, by the name of the module."""


def load(stem: str) -> ModuleType:
    """Import the learner's module of a section, as it is on disk now; whatever it raises comes through.

    Read as it is where it is graded: in the encoding that it declares, and with stand-ins for what a notebook's export calls.
    """
    of = section(stem)
    linecache.checkcache(str(of.stub))
    module = ModuleType(f"exercises.{stem}")
    module.__file__ = str(of.stub)
    # Compiled here, as the cached bytecode of a file saved twice within a second may be of the first
    code = compiled(of)
    _forget_what_was_saved(of)
    sys.modules[module.__name__] = module
    surround(module.__dict__, str(of.stub), shadows=False)
    try:
        exec(code, module.__dict__)
    finally:
        _imported.update(_beside(of))
    return module


def _forget_what_was_saved(of: Section) -> None:
    """Let the learner's other files be imported anew if one of them was saved since, as under `unstatic watch`."""
    beside = _beside(of)
    if any(_imported.get(name, now) != now for name, now in beside.items()):
        for name in beside:
            package, _, last = name.rpartition(".")
            if package in sys.modules:  # else `from exercises import mine` finds it there
                vars(sys.modules[package]).pop(last, None)
            del sys.modules[name]


def _beside(of: Section) -> dict[str, int]:
    """The modules that lie beside a section and are no section, and when each was saved; 0 if it is gone."""
    folders, theirs = {str(ROOT), str(of.stub.parent)}, {"__init__", "conftest", *sections()}
    files = {name: getattr(module, "__file__", None) or "" for name, module in list(sys.modules.items())}
    found = {}
    for name, file in files.items():
        folder, last = os.path.split(file)
        if folder in folders and last.endswith(".py") and last.removesuffix(".py") not in theirs and name != "__main__":
            found[name] = saved(Path(file))
    return found
