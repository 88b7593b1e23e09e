"""Submissions that are the same: by syntax tree, so that layout, comments and docstrings do not matter, ours left aside."""

import ast
import hashlib
from collections.abc import Callable, Iterable
from functools import cache, lru_cache

from grader.course import section
from grader.intake.submission import Submission
from grader.judging.results import Equal


def equal(submissions: Iterable[Submission], owner: Callable[[str], str | None] = str) -> list[Equal]:
    """The groups of submissions whose own code in a section is the same, of several learners.

    Own is what is neither in the stub nor in the reference: two learners who wrote nothing, or hand in ours, are not alike.

    Args:
        submissions: what was handed in.
        owner: whose a submission is, by its name; None if nobody knows.
    """
    groups: dict[tuple[str, str], list[tuple[str, list[str]]]] = {}
    for submission in submissions:
        for stem, source in submission.sections.items():
            own = _own(source.text, stem)
            if own:
                digest = hashlib.sha256("\n".join(tree for _, tree in own).encode()).hexdigest()
                exercises = [name for name, _ in own if name in section(stem).exercises]
                groups.setdefault((stem, digest), []).append((submission.name, exercises))
    return [
        {"section": stem, "exercises": found[0][1], "submissions": [name for name, _ in found]}
        for (stem, _), found in groups.items()
        if len({owner(name) or name for name, _ in found}) > 1
    ]


@lru_cache(maxsize=256)  # in a large class many hand in the same
def _own(text: str, stem: str) -> list[tuple[str, str]]:
    """What a module has on its top level that is not ours, as (name, tree)."""
    return [one for one in _trees(text) if one not in _ours(stem)]


@cache
def _ours(stem: str) -> frozenset[tuple[str, str]]:
    """What the stub and the reference have; the reference alone where a learner's desk has no stub any more."""
    found: set[tuple[str, str]] = set()
    for path in (section(stem).stub, section(stem).solution):
        if path.is_file():
            found.update(_trees(path.read_text(encoding="utf-8")))
    return frozenset(found)


def _trees(text: str) -> list[tuple[str, str]]:
    try:
        body = ast.parse(text).body
        for node in body:
            _without_docstrings(node)
        return [(getattr(node, "name", ""), ast.dump(node)) for node in body if not _is_text(node)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # then it is like no other
        return []


def _without_docstrings(tree: ast.stmt) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef) and _is_text(node.body[0]):
            node.body = node.body[1:] or [ast.Pass()]


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
