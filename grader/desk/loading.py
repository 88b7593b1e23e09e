"""The learner's module, as it is on disk now."""

import linecache
import sys
from types import ModuleType

from grader.course import section


def load(stem: str) -> ModuleType:
    """Import the learner's module of a section, as it is on disk now; whatever it raises comes through."""
    path = section(stem).stub
    linecache.checkcache(str(path))
    module = ModuleType(f"exercises.{stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    # Compiled here, as the cached bytecode of a file saved twice within a second may be of the first
    exec(compile(path.read_bytes(), str(path), "exec", dont_inherit=True), module.__dict__)
    return module
