"""Edits of a syntax tree, each of which is a mistake that somebody makes, with a phrase that names it.

`edits_of` walks over a function or class of the reference and says what can go wrong at each place: a root left out, two
terms exchanged, the level before. An edit puts one node in the place of another; it can be done and undone.
"""

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from grader.diagnosis.mistaken import ALTERED, APPROXIMATE, COMPARED, GUARDS, LEVELS, RESULTS, SIGNS, STEPS, UNDER
from grader.diagnosis.operations import call, constant, operation, subscript
from grader.diagnosis.trees import (
    Said,
    compare,
    condition,
    in_context,
    is_numeric,
    later,
    load,
    names_in,
    one_of,
    put,
    raising,
    read_in,
    shifted,
    targets,
    th,
)
from grader.diagnosis.words import name_of, words


@dataclass(frozen=True, eq=False)
class Edit:
    """One change of a tree.

    Attributes:
        rank: the lower, the simpler.
        says: a phrase that names the mistake.
        parent: the node in which something is changed.
        field: which of its fields.
        index: where in the field, if that is a list.
        new: what stands there instead.
    """

    rank: int
    says: str
    parent: ast.AST
    field: str
    index: int | None
    new: Any

    def do(self) -> Callable[[], None]:
        """Change the tree; returns what undoes it."""
        before = getattr(self.parent, self.field)
        made = self.new() if callable(self.new) else self.new
        for node in made if isinstance(made, list) else [made]:
            ast.fix_missing_locations(node)
        if self.index is None:
            setattr(self.parent, self.field, made)
        else:
            new = made if isinstance(made, list) else [made]
            body = [*before[: self.index], *new, *before[self.index + 1 :]]
            setattr(self.parent, self.field, body or [ast.Pass()])
        return lambda: setattr(self.parent, self.field, before)

    @property
    def old(self) -> Any:
        """What stands there in the reference."""
        value = getattr(self.parent, self.field)
        return value if self.index is None else value[self.index]


def edits_of(definition: ast.AST, others: tuple[str, ...] = ()) -> list[Edit]:
    """All edits of a function or class, the simplest first.

    Args:
        definition: its tree.
        others: names that may be confused with those in it, beside its own.
    """
    return sorted(_Walk(others).over(definition), key=lambda edit: (edit.rank, len(edit.says)))


class _Walk:
    """Goes over a tree once; what the node means depends on where it stands."""

    def __init__(self, others: tuple[str, ...]) -> None:
        self.others = others
        self.names: list[str] = []

    def over(self, definition: ast.AST) -> Iterator[Edit]:
        if isinstance(definition, ast.ClassDef):
            for part in definition.body:
                if isinstance(part, ast.FunctionDef):
                    yield from self.over(part)
            return
        arguments = [arg.arg for arg in definition.args.args if arg.arg != "self"]  # type: ignore[attr-defined]
        assigned = [n.id for n in ast.walk(definition) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
        self.names = list(dict.fromkeys([*arguments, *assigned, *self.others]))
        defaults = definition.args.defaults  # type: ignore[attr-defined]
        for index, default in enumerate(defaults):
            name = definition.args.args[len(definition.args.args) - len(defaults) + index].arg  # type: ignore[attr-defined]
            for rank, _, new in constant(default):
                yield Edit(rank + 2, f"another default for {name}", definition.args, "defaults", index, new)  # type: ignore[attr-defined]
        yield from self._visit(definition, skip={"args"})
        yield from _everywhere(definition)

    def _visit(self, node: ast.AST, skip: frozenset | set = frozenset()) -> Iterator[Edit]:
        for field, value in ast.iter_fields(node):
            if field in skip:
                continue
            if isinstance(value, list):
                for index, part in enumerate(value):
                    if isinstance(part, ast.AST):
                        yield from self._at(node, field, index, part)
            elif isinstance(value, ast.AST):
                yield from self._at(node, field, None, value)

    def _at(self, parent: ast.AST, field: str, index: int | None, node: ast.AST) -> Iterator[Edit]:
        if isinstance(node, ast.stmt):
            said = self._statement(node)
        elif isinstance(node, ast.expr) and isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
            if isinstance(node, ast.JoinedStr | ast.Lambda) or (isinstance(parent, ast.Call) and field == "func"):
                # what is called is changed with the call
                if isinstance(node, ast.Attribute):
                    yield from self._visit(node)
                return
            said = self._expression(node, parent, field)
        else:
            said = iter(())
        for rank, says, new in said:
            yield Edit(rank, says, parent, field, index, new)
        if not isinstance(node, ast.Raise | ast.JoinedStr):
            yield from self._visit(node)

    # ---------------------------------------------------------------------------------------------------- statements

    def _statement(self, node: ast.stmt) -> Iterator[Said]:
        match node:
            case ast.If(body=[ast.Raise()]):
                yield 1, "no ValueError for arguments that make no sense", []
                yield 2, "another exception than ValueError", raising(node, "RuntimeError")
                yield 2, "an assertion in place of ValueError", raising(node, "AssertionError")
                yield 2, "another exception than ValueError", raising(node, "TypeError")
                yield 2, "another exception than ValueError", raising(node, "KeyError")
                yield 3, "a ValueError that does not name the argument", raising(node, "ValueError")
            case ast.If():
                yield 2, f"no difference made where {condition(node.test)}", node.body
                yield 2, f"the case where {condition(node.test)} left out", node.orelse
            case ast.With(items=[ast.withitem(context_expr=ast.Call(func=func))]):
                what = name_of(func).split(".")[-1]
                yield 0, UNDER.get(what, f"no {what}"), node.body
            case ast.For():
                for rank, says, template in STEPS:
                    new = copy.copy(node)
                    new.iter = put(template, X=node.iter)
                    yield rank, says, new
            case ast.Assign(targets=[target], value=value):
                if names_in(target) & set(read_in(value)):
                    yield 3, f"{targets(target)} left as before: {words(value)} not taken", []
            case ast.Expr(value=ast.Call(func=func)):
                yield 2, f"{name_of(func).split('.')[-1].strip('_').replace('_', ' ')} left out", []
            case ast.Return(value=value) if value is not None:
                yield from self._returned(value)

    def _returned(self, value: ast.expr) -> Iterator[Said]:
        def back(template: str) -> Callable[[], ast.Return]:
            return lambda: ast.Return(put(template, X=value))

        if isinstance(value, ast.Tuple):
            yield 2, "the results in the reverse order", ast.Return(ast.Tuple(value.elts[::-1], ast.Load()))
            yield 3, "the first result alone", ast.Return(value.elts[0])
            for index, part in enumerate(value.elts):
                for rank, says, template in RESULTS:
                    yield rank + 1, f"{says} ({th(index)} result)", one_of(value, index, part, template)
            return
        for rank, says, template in RESULTS:
            yield rank, says, back(template)

    # --------------------------------------------------------------------------------------------------- expressions

    def _expression(self, node: ast.expr, parent: ast.AST, field: str) -> Iterator[Said]:
        match node:
            case ast.Constant():
                for rank, says, new in constant(node):
                    yield rank, in_context(parent, field, new) or says, new
                return
            case ast.BinOp():
                yield from operation(node, self.names)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                yield 1, f"the sign of {words(operand)} lost", operand
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yield 2, "a condition turned round", operand
                return
            case ast.Compare(ops=[op]):
                for sign in COMPARED.get(type(op), ()):
                    yield 2, f"{SIGNS[sign]} in place of {SIGNS[type(op)]}", compare(node, sign)
                return
            case ast.Compare():
                return
            case ast.BoolOp(values=values):
                yield from (
                    (2, f"one of the conditions left out: {condition(v)}", values[1 - i])
                    for i, v in enumerate(values[:2])
                )
                return
            case ast.IfExp(test=test, body=body, orelse=orelse):
                yield 2, f"{words(body)} always, not only where {condition(test)}", body
                yield 2, f"{words(orelse)} also where {condition(test)}", orelse
                yield 2, "the two cases exchanged", ast.IfExp(test, orelse, body)
            case ast.Call():
                yield from call(node)
            case ast.Subscript():
                yield from subscript(node)
            case ast.Name():
                if node.id not in self.names or field == "slice":
                    if field == "slice":
                        yield from shifted(node)
                    return
                yield from self._other_names(node)
            case ast.Attribute(value=ast.Name(id="self")):
                pass
            case ast.Dict():
                return
            case ast.ListComp() | ast.GeneratorExp() | ast.Tuple() | ast.List() | ast.Starred():
                if isinstance(node, ast.List | ast.Tuple) and 2 <= len(node.elts) <= 4 and isinstance(parent, ast.Call):
                    first, *_, last = node.elts
                    turned = type(node)(node.elts[::-1], ast.Load())
                    yield 2, f"{words(first)} and {words(last)} in the other order", turned
                return
            case _:
                return
        if not is_numeric(node):
            return
        yield from self._altered(node, parent, field)

    def _other_names(self, node: ast.Name) -> Iterator[Said]:
        """Another of the function's names than is meant; a level before the first is taken for the first."""
        for other in self.names:
            if other != node.id:
                says = f"{words(load(other))} where {words(node)} belongs"
                yield 4, says, load(other)
                if node.id in LEVELS and other in LEVELS:
                    yield 5, says, later("max(X, 0)", X=load(other))

    def _altered(self, node: ast.expr, parent: ast.AST, field: str) -> Iterator[Said]:
        """What may be done to any number or tensor that is not meant to be."""
        what = words(node)
        for rank, says, template in ALTERED:
            yield rank, says.format(what), later(template, X=node)
        under = isinstance(parent, ast.Attribute) and parent.attr in ("sqrt", "rsqrt", "log")
        below = isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Div) and field == "right"
        inside = isinstance(parent, ast.Call) and name_of(parent.func).split(".")[-1] in ("sqrt", "log", "rsqrt")
        if under or below or inside:
            where = "in the quotient"
            if under or inside:
                where = "under the root" if "sqrt" in ast.dump(parent)[:400] else "in the logarithm"
            for guard in GUARDS:
                yield 5, f"a guard of {guard} added {where}, to {what}", later(f"X + {guard}", X=node)
                yield 6, f"{what} held above {guard}", later(f"X.clamp(min={guard})", X=node)
        if isinstance(node, ast.Name) and node.id == "t":
            yield from shifted(node)


def _everywhere(definition: ast.AST) -> Iterator[Edit]:
    """What is done wherever a function is called, not in one place."""
    calls = [name_of(node.func).split(".")[-1] for node in ast.walk(definition) if isinstance(node, ast.Call)]
    for last, template in APPROXIMATE.items():
        if last in calls:
            body = [_Replacing(last, template).visit(copy.deepcopy(part)) for part in definition.body]  # type: ignore[attr-defined]
            yield Edit(1, "the tanh approximation of the distribution function", definition, "body", None, body)


class _Replacing(ast.NodeTransformer):
    """Puts an expression in place of every call of a function."""

    def __init__(self, last: str, template: str) -> None:
        self.last, self.template = last, template

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        return put(self.template, X=node.args[0]) if name_of(node.func).split(".")[-1] == self.last else node
