"""The learner's module, as it is on disk now."""

import linecache
import sys
from types import ModuleType

from grader.course import section
from grader.desk.reading import compiled
from grader.sandbox.guest.jupyter import surround


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
    sys.modules[module.__name__] = module
    surround(module.__dict__, str(of.stub), shadows=False)
    exec(code, module.__dict__)
    return module
