"""What of the host's files an interpreter needs to run: never a whole prefix, in which somebody may keep anything else.

PREFIX/bin PREFIX/lib PREFIX/lib64 PREFIX/pyvenv.cfg     of a folder of its own: a virtual environment, conda's, pyenv's, uv's, a cluster's
PREFIX/bin/python* PREFIX/lib/pythonX.Y PREFIX/lib/*.so*  where people keep their own things too: ~, ~/.local, what holds the course
"""

import contextlib
import os
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from pathlib import Path

from grader.course import ROOT

LIBRARIES = ("lib", "lib64")
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"


def needed(seen: Sequence[Path]) -> list[Path]:
    """Files and folders of the interpreter that runs here and of its packages, those that are below none that is seen anyhow."""
    executable = Path(sys.executable)
    prefixes = [Path(sys.prefix), Path(sys.base_prefix), executable.resolve().parent.parent]
    lived_in = [Path(os.path.expanduser("~")), ROOT]
    with contextlib.suppress(FileNotFoundError):  # the current folder was removed
        lived_in.append(Path.cwd())
    paths = [path for prefix in prefixes if not _below(prefix, seen) for path in parts(prefix, lived_in)]
    told = sysconfig.get_paths()
    paths += [Path(told[kind]) for kind in ("stdlib", "platstdlib", "purelib", "platlib")]
    found: list[Path] = []
    for path in [*paths, executable.resolve(), executable]:
        if path.exists() and not _below(path, [*seen, *found]):
            found.append(path)
    return found


def parts(prefix: Path, lived_in: Iterable[Path]) -> list[Path]:
    """What an interpreter needs below its prefix.

    Args:
        prefix: where it is installed.
        lived_in: folders with what nobody is to see; a prefix that is or holds one of them is not the interpreter's own.
    """
    whole, settings = prefix.resolve(), prefix / "pyvenv.cfg"
    theirs = whole.name == ".local" or whole.parent == Path("/home")
    if not theirs and not any(folder.resolve().is_relative_to(whole) for folder in lived_in):
        return [prefix / "bin", settings, *(prefix / name for name in LIBRARIES)]
    # An environment's python is a link, and may look beside what that leads to for its libraries: a file in its place would not
    found = [prefix / "bin", settings] if settings.exists() else sorted(prefix.glob("bin/python*"))
    for folder in (prefix / name for name in LIBRARIES):
        shared = [path for path in sorted(folder.glob("*.so*")) if path.is_file()]
        found += [folder / PYTHON, *shared]
    return found


def _below(path: Path, folders: Iterable[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)
