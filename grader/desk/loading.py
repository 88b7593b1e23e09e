"""The learner's module, as it is on disk now."""

import linecache
import sys
from pathlib import Path
from types import ModuleType

from grader.course import section
from grader.intake.sources import decode, first_undecodable
from grader.intake.trees import Refused
from grader.sandbox.guest.jupyter import surround


def load(stem: str) -> ModuleType:
    """Import the learner's module of a section, as it is on disk now; whatever it raises comes through.

    Read as it is where it is graded: in the encoding that it declares, and with stand-ins for what a notebook's export calls.

    Raises:
        SyntaxError: it is no text, or no Python.
    """
    path = section(stem).stub
    linecache.checkcache(str(path))
    module = ModuleType(f"exercises.{stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    surround(module.__dict__, str(path), shadows=False)
    # Compiled here, as the cached bytecode of a file saved twice within a second may be of the first
    exec(compile(_text(path), str(path), "exec", dont_inherit=True), module.__dict__)
    return module


def _text(path: Path) -> str:
    data = path.read_bytes()
    try:
        return decode(data, "")
    except Refused as refusal:
        line = first_undecodable(data)
        raise SyntaxError(str(refusal).removeprefix(": "), (str(path), line, None, None)) from None
