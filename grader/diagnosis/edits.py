"""Edits of a syntax tree, each of which is a mistake that somebody makes, with a phrase that names it.

`edits_of` walks over a function or class of the reference and says what can go wrong at each place: a root left out, two
terms exchanged, the level before. An edit puts one node in the place of another; it can be done and undone.
"""

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from grader.diagnosis.words import name_of, words

Said = tuple[int, str, Any]
"""Rank (what is simple comes first), phrase, and what stands there instead: a node, a list of statements, or what makes it."""


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


def _put(template: str, **nodes: ast.AST) -> ast.expr:
    """The expression in `template`, with trees in place of the names; the trees are shared, not copied."""

    class Put(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.AST:
            return nodes.get(node.id, node)

    tree = ast.parse(template, mode="eval").body
    return Put().visit(tree)


def _later(template: str, **nodes: ast.AST) -> Callable[[], ast.expr]:
    """The same, made when it is tried: most never are."""
    return lambda: _put(template, **nodes)


def _load(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


UNDER = {"no_grad": "gradients recorded", "enable_grad": "no gradient where recording is off"}
"""What it is called if a block is not under the one or the other."""
LEVELS = ("t", "t_prev", "t_next", "t_mid", "level", "following", "time", "to", "step", "start", "end")
"""Names of levels, of which -1 stands for clean data."""
METHODS = {
    "cos": ("sin",), "sin": ("cos",), "exp": ("expm1", "sigmoid"), "expm1": ("exp",), "log": ("log2", "log10", "log1p"), "log1p": ("log",),
    "sum": ("mean",), "mean": ("sum",), "std": ("var",), "sqrt": ("square", "reciprocal"), "square": ("abs", "sqrt"), "rsqrt": ("sqrt",),
    "sigmoid": ("tanh", "exp"), "norm": ("sum",), "log_softmax": ("softmax",), "flip": (), "abs": ("square",),
    "log_ndtr": ("ndtr",),
}  # fmt: skip
"""Methods and functions that are taken for each other."""
FUNCTIONS = {
    "randn": ("rand",), "rand": ("randn",), "cumprod": ("cumsum",), "cumsum": ("cumprod",), "zeros_like": ("ones_like",),
    "ones_like": ("zeros_like",), "round": ("int", "math.ceil"), "floor": ("ceil",), "max": ("min",), "min": ("max",),
    "minimum": ("maximum",), "maximum": ("minimum",), "new_zeros": ("new_ones",), "new_ones": ("new_zeros",), "zeros": ("ones",),
    "repeat": ("repeat_interleave",), "repeat_interleave": ("repeat",), "Adam": ("SGD", "AdamW"),
}  # fmt: skip
REDUCING = {
    "square": "the square",
    "sqrt": "the root",
    "rsqrt": "the reciprocal root",
    "log": "the logarithm",
    "exp": "exp",
}
RENAMED = {
    "mean": "a mean in place of a sum", "sum": "a sum in place of a mean", "sin": "a sine in place of a cosine",
    "cos": "a cosine in place of a sine", "rand": "uniform numbers in place of normal ones",
    "randn": "normal numbers in place of uniform ones", "cumsum": "a sum in place of a product", "cumprod": "a product in place of a sum",
    "log2": "a logarithm to base 2", "log10": "a logarithm to base 10", "SGD": "plain gradient descent in place of Adam",
    "var": "a variance in place of a standard deviation",
}  # fmt: skip
GUARDS = ("1e-12", "1e-10", "1e-8", "1e-7", "1e-6", "1e-5", "1e-4", "1e-3", "1e-20")
SHAPELESS = {"len", "range", "torch", "math", "F", "nn", "self", "x.shape", "device", "dtype"}


class _Walk:
    """Goes over a tree once; what the node means depends on where it stands."""

    def __init__(self, others: tuple[str, ...]) -> None:
        self.others = others
        self.names: list[str] = []
        self.guarded: set[int] = set()

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
            for rank, _, new in self._constant(default):
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
                yield 2, "another exception than ValueError", _raising(node, "RuntimeError")
                yield 2, "an assertion in place of ValueError", _raising(node, "AssertionError")
                yield 2, "another exception than ValueError", _raising(node, "TypeError")
                yield 2, "another exception than ValueError", _raising(node, "KeyError")
                yield 3, "a ValueError that does not name the argument", _raising(node, "ValueError")
            case ast.If():
                yield 2, f"no difference made where {_condition(node.test)}", node.body
                yield 2, f"the case where {_condition(node.test)} left out", node.orelse
            case ast.With(items=[ast.withitem(context_expr=ast.Call(func=func))]):
                what = name_of(func).split(".")[-1]
                yield 0, UNDER.get(what, f"no {what}"), node.body
            case ast.For():
                each = "step"
                for rank, says, template in (
                    (2, f"the first {each} left out", "list(X)[1:]"),
                    (2, f"the last {each} left out", "list(X)[:-1]"),
                    (2, "the steps in the reverse order", "list(X)[::-1]"),
                    (4, "one step only", "list(X)[:1]"),
                    (4, "one step too many at the end", "[*list(X), list(X)[-1]]"),
                ):
                    new = copy.copy(node)
                    new.iter = _put(template, X=node.iter)
                    yield rank, says, new
            case ast.Assign(targets=[target], value=value):
                if _names(target) & set(_read(value)):
                    yield 3, f"{_targets(target)} left as before: {words(value)} not taken", []
            case ast.Expr(value=ast.Call(func=func)):
                yield 2, f"{name_of(func).split('.')[-1].strip('_').replace('_', ' ')} left out", []
            case ast.Return(value=value) if value is not None:
                yield from self._returned(value)

    def _returned(self, value: ast.expr) -> Iterator[Said]:
        def back(template: str) -> Callable[[], ast.Return]:
            return lambda: ast.Return(_put(template, X=value))

        if isinstance(value, ast.Tuple):
            yield 2, "the results in the reverse order", ast.Return(ast.Tuple(value.elts[::-1], ast.Load()))
            yield 3, "the first result alone", ast.Return(value.elts[0])
            for index, part in enumerate(value.elts):
                for rank, says, template in _RESULTS:
                    yield rank + 1, f"{says} ({_th(index)} result)", _one_of(value, index, part, template)
            return
        for rank, says, template in _RESULTS:
            yield rank, says, back(template)

    # --------------------------------------------------------------------------------------------------- expressions

    def _expression(self, node: ast.expr, parent: ast.AST, field: str) -> Iterator[Said]:
        match node:
            case ast.Constant():
                for rank, says, new in self._constant(node):
                    yield rank, _in_context(parent, field, new) or says, new
                return
            case ast.BinOp():
                yield from self._operation(node)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                yield 1, f"the sign of {words(operand)} lost", operand
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yield 2, "a condition turned round", operand
                return
            case ast.Compare(ops=[op]):
                for sign in COMPARED.get(type(op), ()):
                    yield 2, f"{SIGNS[sign]} in place of {SIGNS[type(op)]}", _compare(node, sign)
                return
            case ast.Compare():
                return
            case ast.BoolOp(values=values):
                yield from (
                    (2, f"one of the conditions left out: {_condition(v)}", values[1 - i])
                    for i, v in enumerate(values[:2])
                )
                return
            case ast.IfExp(test=test, body=body, orelse=orelse):
                yield 2, f"{words(body)} always, not only where {_condition(test)}", body
                yield 2, f"{words(orelse)} also where {_condition(test)}", orelse
                yield 2, "the two cases exchanged", ast.IfExp(test, orelse, body)
            case ast.Call():
                yield from self._call(node)
            case ast.Subscript():
                yield from self._subscript(node)
            case ast.Name():
                if node.id not in self.names or field == "slice":
                    if field == "slice":
                        yield from _shifted(node)
                    return
                for other in self.names:
                    if other != node.id:
                        yield 4, f"{words(_load(other))} where {words(node)} belongs", _load(other)
                        if node.id in LEVELS and other in LEVELS:
                            yield (
                                5,
                                f"{words(_load(other))} where {words(node)} belongs",
                                _later("max(X, 0)", X=_load(other)),
                            )
            case ast.Attribute(value=ast.Name(id="self")):
                pass
            case ast.Dict():
                return
            case ast.ListComp() | ast.GeneratorExp() | ast.Tuple() | ast.List() | ast.Starred():
                if (
                    isinstance(node, ast.List | ast.Tuple)
                    and len(node.elts) in (2, 3, 4)
                    and isinstance(parent, ast.Call)
                ):
                    yield (
                        2,
                        f"{words(node.elts[0])} and {words(node.elts[-1])} in the other order",
                        type(node)(node.elts[::-1], ast.Load()),
                    )
                return
            case _:
                return
        if not _numeric(node):
            return
        yield from self._altered(node, parent, field)

    def _altered(self, node: ast.expr, parent: ast.AST, field: str) -> Iterator[Said]:
        """What may be done to any number or tensor that is not meant to be."""
        what = words(node)
        for rank, says, template in _ALTERED:
            yield rank, says.format(what), _later(template, X=node)
        under = isinstance(parent, ast.Attribute) and parent.attr in ("sqrt", "rsqrt", "log")
        below = isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Div) and field == "right"
        inside = isinstance(parent, ast.Call) and name_of(parent.func).split(".")[-1] in ("sqrt", "log", "rsqrt")
        if under or below or inside:
            where = {True: "under the root" if "sqrt" in ast.dump(parent)[:400] else "in the logarithm"}.get(
                under or inside, "in the quotient"
            )
            for guard in GUARDS:
                yield 5, f"a guard of {guard} added {where}, to {what}", _later(f"X + {guard}", X=node)
                yield 6, f"{what} held above {guard}", _later(f"X.clamp(min={guard})", X=node)
        if isinstance(node, ast.Name) and node.id == "t":
            yield from _shifted(node)

    def _operation(self, node: ast.BinOp) -> Iterator[Said]:
        left, right, op = node.left, node.right, type(node.op)
        one, other = words(left), words(right)

        def with_(operator: ast.operator, a: ast.expr = left, b: ast.expr = right) -> ast.BinOp:
            return ast.BinOp(a, operator, b)

        if op is ast.Add:
            yield 1, f"{other} subtracted, not added", with_(ast.Sub())
            yield 2, f"{one} subtracted, not added", with_(ast.Sub(), right, left)
            yield 2, f"the term {other} left out", left
            yield 2, f"the term {one} left out", right
            yield 4, f"{one} and {other} multiplied, not added", with_(ast.Mult())
        elif op is ast.Sub:
            yield 1, f"{other} added, not subtracted", with_(ast.Add())
            yield 1, f"the sign of {words(node)} turned", with_(ast.Sub(), right, left)
            yield 2, f"{other} not subtracted", left
            yield 2, f"the term {one} left out", ast.UnaryOp(ast.USub(), right)
            yield 3, f"{other} in place of {words(node)}", right
            if isinstance(left, ast.Constant):
                for name in self.names:
                    if name not in _names(node):
                        yield 4, f"{words(_load(name))} in place of {words(node)}", _load(name)
                        yield (
                            5,
                            f"1 - {words(_load(name))} in place of {words(node)}",
                            with_(ast.Sub(), left, _load(name)),
                        )
        elif op in (ast.Mult, ast.MatMult):
            yield 2, f"the factor {one} left out", right
            yield 2, f"the factor {other} left out", left
            yield 3, f"divided by {other}, not multiplied", with_(ast.Div())
            yield 3, f"divided by {one}, not multiplied", with_(ast.Div(), right, left)
            yield 5, f"{one} and {other} added, not multiplied", with_(ast.Add())
            for inner, factor in ((left, right), (right, left)):
                if isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Add | ast.Sub):
                    a, b = inner.left, inner.right
                    yield (
                        3,
                        f"only {words(b)} multiplied by {words(factor)}",
                        ast.BinOp(a, inner.op, ast.BinOp(factor, ast.Mult(), b)),
                    )
                    yield (
                        3,
                        f"only {words(a)} multiplied by {words(factor)}",
                        ast.BinOp(ast.BinOp(factor, ast.Mult(), a), inner.op, b),
                    )
        elif op in (ast.Div, ast.FloorDiv):
            yield 1, f"{words(node)} turned upside down", with_(ast.Div(), right, left)
            yield 2, f"not divided by {other}", left
            yield 2, f"multiplied by {other}, not divided", with_(ast.Mult())
            yield 3, f"1 in place of {one}, divided by {other}", with_(ast.Div(), ast.Constant(1))
            yield 4, f"{other} subtracted, not divided by", with_(ast.Sub())
            if isinstance(left, ast.BinOp) and isinstance(left.op, ast.Add | ast.Sub):
                a, b = left.left, left.right
                yield 2, f"only {words(b)} divided by {other}", ast.BinOp(a, left.op, ast.BinOp(b, ast.Div(), right))
                yield 2, f"only {words(a)} divided by {other}", ast.BinOp(ast.BinOp(a, ast.Div(), right), left.op, b)
            yield 4, "whole numbers in a quotient", with_(ast.FloorDiv())
        elif op is ast.Pow:
            yield 1, f"the power of {one} left out", left
            yield 2, f"the power of {one} turned round", with_(ast.Pow(), left, ast.UnaryOp(ast.USub(), right))
            yield 3, f"1/({other}) as the power of {one}", with_(ast.Pow(), left, _put("1 / X", X=right))
            yield 4, f"{one} times {other}, not to its power", with_(ast.Mult())
        # a sum or difference of two products: the coefficients exchanged, the factors exchanged
        if op in (ast.Add, ast.Sub) and isinstance(left, ast.BinOp) and isinstance(right, ast.BinOp):
            if isinstance(left.op, ast.Mult) and isinstance(right.op, ast.Mult):
                new = ast.BinOp(
                    ast.BinOp(right.left, ast.Mult(), left.right),
                    node.op,
                    ast.BinOp(left.left, ast.Mult(), right.right),
                )
                yield 1, f"{words(left.left)} and {words(right.left)} exchanged", new
            bare = [_bare(side) for side in (left, right)]
            if any(new is not None for new in bare):
                yield 2, "both roots left out", ast.BinOp(bare[0] or left, node.op, bare[1] or right)
            if isinstance(left.op, ast.Mult) and isinstance(right.op, ast.Mult):
                sides = [ast.BinOp(_put("(X) ** 2", X=side.left), ast.Mult(), side.right) for side in (left, right)]
                yield 3, "both coefficients squared", ast.BinOp(sides[0], node.op, sides[1])
        if isinstance(left, ast.Name) and isinstance(right, ast.Name):
            yield 3, f"{one} and {other} exchanged", with_(node.op, right, left)

    def _call(self, node: ast.Call) -> Iterator[Said]:
        name = name_of(node.func)
        last = name.split(".")[-1]
        function = isinstance(node.func, ast.Attribute) and name.startswith(
            ("torch.", "F.", "math.", "nn.", "special.")
        )
        if isinstance(node.func, ast.Attribute) and not function and last not in ("randn",):
            value = node.func.value
            if last not in ("shape", "append", "marginal", "coefficients", "parameters", "backward", "step", "buffers"):
                yield (1 if last in REDUCING else 3), _left_out(last, value), value
        elif node.args and last not in (
            "range",
            "full",
            "cat",
            "stack",
            "where",
            "len",
            "linspace",
            "arange",
            "zip",
            "tensor",
        ):
            yield (1 if last in (*REDUCING, "reversed") else 4), _left_out(last, node.args[0]), node.args[0]
        for other in (*METHODS.get(last, ()), *FUNCTIONS.get(last, ())):
            new = copy.copy(node)
            if isinstance(node.func, ast.Attribute) and "." not in other:
                new.func = ast.Attribute(node.func.value, other, ast.Load())
            else:
                new.func = ast.parse(other, mode="eval").body
            yield 2, RENAMED.get(other, f"{other} in place of {last}"), new
        if last == "mean" and not node.args and not node.keywords and isinstance(node.func, ast.Attribute):
            for rank, says, template in _MEANS:
                yield rank, says, _later(template, X=node.func.value)
        for index in range(len(node.args) - 1):
            new = copy.copy(node)
            new.args = [*node.args]
            new.args[index], new.args[index + 1] = node.args[index + 1], node.args[index]
            yield 3, f"{words(node.args[index])} and {words(node.args[index + 1])} exchanged", new
        for keyword in node.keywords:
            new = copy.copy(node)
            new.keywords = [other for other in node.keywords if other is not keyword]
            yield 3, KEYWORDS.get(keyword.arg or "", f"{keyword.arg} left out"), new
        if last == "where" and len(node.args) == 3:
            condition, then, otherwise = node.args
            yield 2, f"{words(otherwise)} everywhere: the other case left out", otherwise
            yield 2, f"{words(then)} everywhere: the other case left out", then
            new = copy.copy(node)
            new.args = [condition, otherwise, then]
            yield 1, "the two cases exchanged", new
        if last == "range" and len(node.args) == 1:
            for rank, says, template in (
                (2, "the first left out", "range(1, X)"),
                (2, "the last left out", "range(X - 1)"),
                (3, "one too many", "range(X + 1)"),
                (3, "counted from one", "range(1, X + 1)"),
            ):
                yield rank, says, _put(template, X=node.args[0])
        if last == "clamp":
            for bounds in ("-1, 1", "0, 1", "min=0"):
                yield 4, "other bounds for what is clamped", _put(f"X.clamp({bounds})", X=node.func.value)  # type: ignore[attr-defined]
        if last in ("extract", "_shaped"):
            for rank, says, template in _SHAPED[last]:
                yield rank, says, _later(template, **{f"A{i}": arg for i, arg in enumerate(node.args)})

    def _subscript(self, node: ast.Subscript) -> Iterator[Said]:
        index, value = node.slice, node.value
        if isinstance(index, ast.Slice):
            what = words(value)
            for part, says in (
                ("1:", f"the first of {what} left out"),
                (":-1", f"the last of {what} left out"),
                (":1", f"the first of {what} alone"),
                ("-1:", f"the last of {what} alone"),
                (":", f"all of {what}, none left out"),
            ):
                new = ast.parse(f"X[{part}]", mode="eval").body
                yield 3, says, ast.Subscript(value, new.slice, ast.Load())  # type: ignore[attr-defined]
        elif isinstance(index, ast.Constant | ast.UnaryOp | ast.Name):
            for other in ("0", "-1", "1", "-2"):
                says = {"0": "the first", "-1": "the last", "1": "the second", "-2": "the last but one"}[other]
                yield (
                    3,
                    f"{says} of {words(value)} in place of another",
                    ast.Subscript(value, ast.parse(other, mode="eval").body, ast.Load()),
                )

    def _constant(self, node: ast.AST) -> Iterator[Said]:
        value = getattr(node, "value", None)
        if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant):
            value = -node.operand.value  # type: ignore[operator]
        if isinstance(value, bool):
            yield 2, f"{not value} in place of {value}", ast.Constant(not value)
        elif isinstance(value, int):
            for rank, other in (
                (2, value + 1),
                (2, value - 1),
                (3, 0),
                (3, 1),
                (3, -1),
                (3, 2),
                (4, 2 * value),
                (4, value / 2),
                (4, value * 4),
                (4, value / 4),
                (4, -value),
                (5, math_pi),
            ):
                if other != value or isinstance(other, float):
                    yield rank, f"{_number(other)} in place of {value}", ast.Constant(other)
        elif isinstance(value, float):
            for rank, other in (
                (3, 2 * value),
                (3, value / 2),
                (3, 0.0),
                (3, 1.0),
                (4, 10 * value),
                (4, value / 10),
                (4, -value),
                (4, 100 * value),
                (4, value / 100),
                (4, value + 1),
                (4, 4 * value),
                (4, value / 4),
                (4, 1000 * value),
                (4, value / 1000),
            ):
                if other != value:
                    yield rank, f"{_number(other)} in place of {value:g}", ast.Constant(other)


math_pi = 3.141592653589793

_RESULTS = [
    (3, "a mean over all of the result", "X.mean()"),
    (3, "a sum over all of the result", "X.sum()"),
    (4, "a mean over the batch", "X.mean(0)"),
    (4, "a sum over the batch", "X.sum(0)"),
    (4, "a mean over each sample", "X.flatten(1).mean(1)"),
    (4, "a sum over each sample", "X.flatten(1).sum(1)"),
    (4, "the result clamped to [-1, 1]", "X.clamp(-1, 1)"),
    (4, "the result clamped to [0, 1]", "X.clamp(0, 1)"),
    (4, "the result clamped at 0", "X.clamp(min=0)"),
    (4, "the result held above 1e-12", "X.clamp(min=1e-12)"),
    (4, "the result held above 1e-8", "X.clamp(min=1e-8)"),
    (4, "the result held below 0.999", "X.clamp(max=0.999)"),
    (4, "the logarithm of the result", "X.log()"),
    (4, "the logarithm of the result, held above 1e-20", "X.clamp(min=1e-20).log()"),
    (4, "exp of the result", "X.exp()"),
    (3, "the root of the result", "X ** 0.5"),
    (3, "the result squared", "X ** 2"),
    (4, "the result upside down", "1 / X"),
    (5, "the result rounded", "X.round()"),
    (5, "the absolute value of the result", "X.abs()"),
    (5, "the result flattened", "X.flatten(1)"),
    (5, "an axis too many", "X[None]"),
    (5, "an axis too many", "X[..., None]"),
    (5, "axes of one taken away", "X.squeeze()"),
    (5, "the batch in the reverse order", "X.flip(0)"),
    (5, "the last axis in the reverse order", "X.flip(-1)"),
    (5, "bits in place of nats, or the reverse", "X / 0.6931471805599453"),
    (5, "bits in place of nats, or the reverse", "X * 0.6931471805599453"),
    (5, "the result transposed", "X.mT"),
]  # fmt: skip
"""What may be done to a result that is not meant to be."""

_MEANS = [
    (2, "a sum over each sample, and a mean over the batch", "X.flatten(1).sum(1).mean()"),
    (2, "a mean over the batch, and a sum over each sample", "X.mean(0).sum()"),
    (2, "a mean for each sample", "X.flatten(1).mean(1)"),
    (2, "a mean over the batch alone", "X.mean(0)"),
    (2, "a mean over the last axis alone", "X.mean(-1)"),
    (2, "a sum divided by the batch", "X.sum() / len(X)"),
    (2, "a mean over each sample, and a sum over the batch", "X.flatten(1).mean(1).sum()"),
    (3, "a root of the mean", "X.mean().sqrt()"),
    (3, "the median in place of the mean", "X.median()"),
    (3, "the norm in place of the mean", "X.norm()"),
]  # fmt: skip
"""What is taken for a mean over all elements."""

_ALTERED = [
    (2, "the sign of {} turned", "-X"),
    (3, "a root of {} too many", "(X) ** 0.5"),
    (3, "{} squared", "(X) ** 2"),
    (3, "{} doubled", "2 * X"),
    (3, "{} halved", "X / 2"),
    (4, "1/({}) in its place", "1 / (X)"),
    (4, "1 - {} in its place", "1 - (X)"),
    (4, "1 + {} in its place", "1 + (X)"),
    (5, "{} - 1 in its place", "(X) - 1"),
    (4, "0 in place of {}", "0 * (X)"),
    (4, "1 in place of {}", "0 * (X) + 1"),
    (5, "the logarithm of {} in its place", "(X).log()"),
    (5, "exp of {} in its place", "(X).exp()"),
    (5, "{} cut off from its gradient", "(X).detach()"),
    (5, "{} of the first sample for the whole batch", "(X)[:1]"),
    (6, "{} of the last sample for the whole batch", "(X)[-1:]"),
    (6, "the mean of {} in its place", "(X).mean()"),
    (6, "the sum of {} in its place", "(X).sum()"),
    (6, "the mean of {} over the batch in its place", "(X).mean(0)"),
    (6, "{} in float32", "(X).float()"),
    (7, "{} in float64", "(X).double()"),
    (5, "{} clamped to [-1, 1]", "(X).clamp(-1, 1)"),
    (5, "{} clamped to [0, 1]", "(X).clamp(0, 1)"),
    (5, "{} held above 0", "(X).clamp(min=0)"),
    (6, "the absolute value of {}", "(X).abs()"),
    (7, "{} in the reverse order", "(X).flip(0)"),
    (7, "4 times {}", "4 * X"),
    (6, "{} times 2π", "6.283185307179586 * X"),
    (6, "{} times π", "3.141592653589793 * X"),
    (7, "{} divided by 2π", "X / 6.283185307179586"),
    (7, "10 times {}", "10 * X"),
    (7, "a tenth of {}", "X / 10"),
    (7, "a quarter of {}", "X / 4"),
    (7, "fresh normal numbers in place of {}", "torch.randn_like(X)"),
]  # fmt: skip
_SHAPED = {
    "extract": [
        (2, "one value a sample, without axes for the sample's shape", "A0.to(A2)[A1]"),
        (2, "one value a sample, shaped for vectors only", "A0.to(A2)[A1][:, None]"),
        (2, "one value a sample, shaped for pictures only", "A0.to(A2)[A1].view(-1, 1, 1, 1)"),
        (2, "one value a sample, shaped for pictures without channels", "A0.to(A2)[A1].view(-1, 1, 1)"),
        (2, "the first sample's level for the whole batch", "A0.to(A2)[A1[0]]"),
        (3, "the last sample's level for the whole batch", "A0.to(A2)[A1[-1]]"),
        (2, "the level before is looked up, with 1 before the first", "torch.cat([torch.ones_like(A0[:1]), A0]).to(A2)[A1].reshape(-1, *[1] * (A2.ndim - 1))"),
        (3, "the level before is looked up, with 0 before the first", "torch.cat([torch.zeros_like(A0[:1]), A0]).to(A2)[A1].reshape(-1, *[1] * (A2.ndim - 1))"),
        (2, "the level before is looked up", "A0.to(A2)[A1 - 1].reshape(-1, *[1] * (A2.ndim - 1))"),
        (3, "the level before is looked up, at the first the first", "A0.to(A2)[(A1 - 1).clamp(min=0)].reshape(-1, *[1] * (A2.ndim - 1))"),
        (3, "the level after is looked up, at the last the last", "A0.to(A2)[(A1 + 1).clamp(max=len(A0) - 1)].reshape(-1, *[1] * (A2.ndim - 1))"),
        (3, "the level after is looked up", "A0.to(A2)[A1 + 1].reshape(-1, *[1] * (A2.ndim - 1))"),
        (4, "the last level's value at every level", "A0.to(A2)[A1 * 0 - 1].reshape(-1, *[1] * (A2.ndim - 1))"),
        (4, "the table backwards", "A0.flip(0).to(A2)[A1].reshape(-1, *[1] * (A2.ndim - 1))"),
        (4, "the table's dtype kept", "A0[A1].reshape(-1, *[1] * (A2.ndim - 1))"),
    ],
    "_shaped": [
        (2, "one value a sample, without axes for the sample's shape", "torch.as_tensor(A0).to(A1)"),
        (2, "one value a sample, shaped for vectors only", "torch.as_tensor(A0).to(A1).reshape(-1, 1)"),
        (2, "one value a sample, shaped for pictures only", "torch.as_tensor(A0).to(A1).reshape(-1, 1, 1, 1)"),
        (2, "one value a sample, shaped for pictures without channels", "torch.as_tensor(A0).to(A1).reshape(-1, 1, 1)"),
        (2, "the first sample's value for the whole batch", "torch.as_tensor(A0).to(A1).reshape(-1)[0]"),
        (3, "the last sample's value for the whole batch", "torch.as_tensor(A0).to(A1).reshape(-1)[-1]"),
        (3, "the mean over the batch of what each sample has", "torch.as_tensor(A0).to(A1).mean()"),
        (4, "the value's own dtype kept", "torch.as_tensor(A0).reshape(-1, *[1] * (A1.ndim - 1))"),
    ],
}  # fmt: skip
"""A value for each sample, as people shape it."""
SHAPES = {says for kinds in _SHAPED.values() for _, says, _ in kinds}
"""What is said of them."""
KEYWORDS = {
    "generator": "the generator not used",
    "dtype": "the dtype left to the default",
    "dim": "no axis given, all are meant",
}
COMPARED = {
    ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.GtE), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.LtE), ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
}  # fmt: skip
SIGNS = {
    ast.Lt: "<", ast.LtE: "≤", ast.Gt: ">", ast.GtE: "≥", ast.Eq: "=", ast.NotEq: "≠", ast.Is: "is", ast.IsNot: "is not", ast.In: "in",
    ast.NotIn: "not in",
}  # fmt: skip


APPROXIMATE = {
    "ndtr": "0.5 * (1 + torch.tanh(0.7978845608028654 * (X + 0.044715 * X**3)))",
    "log_ndtr": "torch.log(0.5 * (1 + torch.tanh(0.7978845608028654 * (X + 0.044715 * X**3))))",
}
"""Functions with an approximation that is widely copied."""


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
        return _put(self.template, X=node.args[0]) if name_of(node.func).split(".")[-1] == self.last else node


def _left_out(last: str, value: ast.expr) -> str:
    what = words(value)
    match last:
        case "sqrt" | "square" | "log" | "exp" | "rsqrt":
            return f"{REDUCING[last]} of {what} left out"
        case "clamp":
            return f"{what} not clamped"
        case "detach" | "requires_grad_":
            return f"{what} not cut off from what it came from"
        case "reversed" | "flip":
            return "the steps in the reverse order"
        case "mean" | "sum":
            return f"no {last} of {what}"
        case "double" | "to":
            return f"{what} in the precision that it comes in"
        case "float":
            return f"{what} not cast"
        case "extract":
            return f"{what} not looked up at each sample's level"
        case "_shaped":
            return f"{what} without axes for the sample's shape"
    return f"{last.strip('_').replace('_', ' ')} of {what} left out"


def _bare(side: ast.BinOp) -> ast.BinOp | None:
    """The product or quotient without the root over its first factor."""
    if isinstance(side.op, ast.Mult) and isinstance(side.left, ast.Call) and name_of(side.left.func).endswith("sqrt"):
        func = side.left.func
        value = func.value if isinstance(func, ast.Attribute) and not side.left.args else side.left.args[0]
        return ast.BinOp(value, ast.Mult(), side.right)
    return None


def _in_context(parent: ast.AST, field: str, new: ast.expr) -> str:
    """What a changed number makes of the sum or product that it stands in."""
    if not isinstance(parent, ast.BinOp | ast.UnaryOp):
        return ""
    changed = copy.copy(parent)
    setattr(changed, field, new)
    before, after = words(parent), words(changed)
    return "" if "the " in before[:4] else f"{after} in place of {before}"


def _one_of(results: ast.Tuple, index: int, part: ast.expr, template: str) -> Callable[[], ast.Return]:
    """One of several results changed."""

    def make() -> ast.Return:
        changed = [_put(template, X=part) if at == index else other for at, other in enumerate(results.elts)]
        return ast.Return(ast.Tuple(changed, ast.Load()))

    return make


def _shifted(node: ast.expr) -> Iterator[Said]:
    what = words(node)
    yield 2, f"{what} - 1 where {what} belongs", _put("X - 1", X=node)
    yield 2, f"{what} + 1 where {what} belongs", _put("X + 1", X=node)


def _numeric(node: ast.expr) -> bool:
    """Whether it may be a number or a tensor of numbers."""
    if isinstance(node, ast.Name | ast.BinOp | ast.Subscript):
        return True
    if isinstance(node, ast.UnaryOp):
        return not isinstance(node.operand, ast.Constant)
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and node.value.id == "self"
    return isinstance(node, ast.Call) and name_of(node.func).split(".")[-1] not in (
        "range", "len", "zip", "enumerate", "reversed", "list", "Adam", "parameters", "buffers", "Linear", "Conv2d", "Sequential",
        "no_grad", "enable_grad", "is_floating_point", "ModuleList", "SiLU", "GroupNorm", "LayerNorm", "Embedding", "tolist", "append", "ValueError", "pairwise", "timesteps",
    )  # fmt: skip


def _raising(node: ast.If, kind: str) -> ast.If:
    new = copy.copy(node)
    new.body = [ast.Raise(ast.Call(_load(kind), [ast.Constant("no")], []), None)]
    return new


def _compare(node: ast.Compare, op: type) -> ast.Compare:
    return ast.Compare(node.left, [op()], node.comparators)


def _condition(test: ast.expr) -> str:
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        return f"{words(test.left)} {SIGNS[type(test.ops[0])]} {words(test.comparators[0])}"
    if isinstance(test, ast.Name):
        return f"{words(test)} is given"
    return "the condition holds"


def _targets(target: ast.expr) -> str:
    return words(target) if isinstance(target, ast.Name) else "what is computed there"


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _read(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)}


def _th(index: int) -> str:
    return ("first", "second", "third", "fourth")[index] if index < 4 else "last"


def _number(value: float) -> str:
    return "π" if value == math_pi else f"{value:g}"
