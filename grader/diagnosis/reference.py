"""A section's reference solution as syntax trees, of which copies with other code in them are made quickly."""

import ast
import re
import warnings
from collections.abc import Iterator
from functools import cache
from itertools import repeat
from types import CodeType, ModuleType
from typing import Any

from grader.course import section

Definition = ast.FunctionDef | ast.ClassDef
TURNS = 2000
"""So often a `while` of a mistake turns at the most: made in another's place, or beside another, it may know no end."""


class EndlessError(RuntimeError):
    """A mistake that was tried would run on without an end."""


def _turns() -> Iterator[None]:
    """What a `while` of a mistake goes through.

    Raises:
        EndlessError: it has turned too often.
    """
    yield from repeat(None, TURNS)
    raise EndlessError(f"more than {TURNS} turns of a loop")


class Reference:
    """The reference module of a section: its functions and classes, public and private.

    Attributes:
        stem: the section.
        definitions: their trees by name, without annotations and docstrings.
        batched: the names of those that are given a batch, or return one.
    """

    def __init__(self, stem: str) -> None:
        self.stem = stem
        tree = ast.parse(section(stem).solution.read_text(encoding="utf-8"))
        self.batched = {
            node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef) and _batched(node)
        }
        tree = _Bare().visit(tree)
        ast.fix_missing_locations(tree)
        self.definitions: dict[str, Definition] = {
            node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)
        }
        self._names: dict[str, Any] = {"__name__": f"reference_{stem}", _turns.__name__: _turns}
        exec(compile(tree, f"<reference: {stem}>", "exec"), self._names)
        self._codes = {name: self.compiled(node) for name, node in self.definitions.items()}

    def parsed(self, text: str) -> Definition:
        """A function or class given as text, as the definitions are."""
        tree = ast.fix_missing_locations(_Bare().visit(ast.parse(text)))
        return tree.body[0]

    def compiled(self, node: Definition) -> CodeType:
        """The code that defines this function or class."""
        with warnings.catch_warnings(action="ignore"):  # of what Python thinks of an edit
            return compile(ast.Module([node], []), f"<reference: {self.stem}>", "exec")

    @cache  # noqa: B019 - there is one for each section, for as long as the process lives
    def reach(self, exercise: str) -> tuple[str, ...]:
        """The exercise, and what it uses of the module, nearest first."""
        found = [exercise]
        for name in found:
            used = [node.id for node in ast.walk(self.definitions[name]) if isinstance(node, ast.Name)]
            found += [other for other in dict.fromkeys(used) if other in self.definitions and other not in found]
        return tuple(found)

    def module(self, exercise: str, changed: dict[str, CodeType] | None = None, **names: Any) -> ModuleType:
        """A fresh module in which the exercise, and what it uses, are defined anew, some of it by other code.

        Args:
            exercise: the exercise that will be called.
            changed: other code for some of the definitions.
            names: other values for names of the module that it does not define, such as `extract`.
        """
        module = ModuleType(f"reference_{self.stem}")
        module.__dict__.update(self._names | names)
        for name in reversed(self.reach(exercise)):
            if name not in names:
                exec((changed or {}).get(name) or self._codes[name], module.__dict__)
        return module


@cache
def reference(stem: str) -> Reference:
    """The reference of a section, read once."""
    return Reference(stem)


def _batched(node: Definition) -> bool:
    """Whether a shape in its annotations begins with B, as that of a batch does, or it is told how large a batch is."""
    shapes = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    names = {part.arg for part in ast.walk(node) if isinstance(part, ast.arg)}
    return "batch_size" in names or any(re.match(r"B( |$)", shape) for shape in shapes)


class _Bare(ast.NodeTransformer):
    """Takes annotations and docstrings off, which compute nothing, and has each `while` end sometime."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_While(self, node: ast.While) -> ast.For:
        self.generic_visit(node)
        stop = ast.If(ast.UnaryOp(ast.Not(), node.test), [*node.orelse, ast.Break()], [])
        turns = ast.Call(ast.Name(_turns.__name__, ast.Load()), [], [])
        return ast.For(ast.Name("_", ast.Store()), turns, [stop, *node.body], [])

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.returns = None
        return self._undocumented(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        return self._undocumented(node)

    def _undocumented(self, node: Any) -> Any:
        self.generic_visit(node)
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        return node
