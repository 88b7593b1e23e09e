"""Which modules of the grader a part of it needs, told from their text."""

import ast
from collections.abc import Collection, Iterator
from pathlib import Path

from grader.course import ROOT


def needed(starts: Collection[str], without: Collection[str] = ()) -> list[Path]:
    """The files of the grader that these modules import, directly or not, wherever in them; those of their packages too.

    Args:
        starts: modules by name, such as "grader.desk.commands".
        without: modules and packages that are left out, with all that only they need.
    """
    found: dict[str, Path] = {}
    waiting = list(starts)
    while waiting:
        name = waiting.pop()
        path = _file(name)
        if name in found or path is None or any(name == left or name.startswith(f"{left}.") for left in without):
            continue
        found[name] = path
        waiting += [name.rpartition(".")[0], *_imported(path)]
    return sorted(found.values())


def _file(name: str) -> Path | None:
    base = ROOT.joinpath(*name.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def _imported(path: Path) -> Iterator[str]:
    """What a module imports of the grader; of `from grader.desk import commands` both, as either may be a module."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom):
            names = [str(node.module), *(f"{node.module}.{name}" for name in names)]
        yield from (name for name in names if name.split(".")[0] == "grader")
