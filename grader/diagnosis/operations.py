"""What can go wrong at an operation, a call, a subscript or a constant."""

import ast
import copy
from collections.abc import Iterator
from itertools import pairwise

from grader.diagnosis.mistaken import FUNCTIONS, KEYWORDS, MEANS, METHODS, REDUCING, RENAMED, SHAPED
from grader.diagnosis.trees import PI, Said, bare_of, later, left_out, load, names_in, number, put
from grader.diagnosis.words import name_of, words


def operation(node: ast.BinOp, names: list[str]) -> Iterator[Said]:
    """What can go wrong at a sum, a product, a quotient or a power; `names` are those that may be confused with the ones in it."""
    match node.op:
        case ast.Add():
            yield from _sum(node)
        case ast.Sub():
            yield from _difference(node, names)
        case ast.Mult() | ast.MatMult():
            yield from _product(node)
        case ast.Div() | ast.FloorDiv():
            yield from _quotient(node)
        case ast.Pow():
            yield from _power(node)
    if (
        isinstance(node.op, ast.Add | ast.Sub)
        and isinstance(node.left, ast.BinOp)
        and isinstance(node.right, ast.BinOp)
    ):
        yield from _of_two(node, node.left, node.right)
    if isinstance(node.left, ast.Name) and isinstance(node.right, ast.Name):
        yield 3, f"{words(node.left)} and {words(node.right)} exchanged", ast.BinOp(node.right, node.op, node.left)


def _sum(node: ast.BinOp) -> Iterator[Said]:
    left, right = node.left, node.right
    one, other = words(left), words(right)
    yield 1, f"{other} subtracted, not added", ast.BinOp(left, ast.Sub(), right)
    yield 2, f"{one} subtracted, not added", ast.BinOp(right, ast.Sub(), left)
    yield 2, f"the term {other} left out", left
    yield 2, f"the term {one} left out", right
    yield 4, f"{one} and {other} multiplied, not added", ast.BinOp(left, ast.Mult(), right)


def _difference(node: ast.BinOp, names: list[str]) -> Iterator[Said]:
    left, right = node.left, node.right
    one, other, whole = words(left), words(right), words(node)
    yield 1, f"{other} added, not subtracted", ast.BinOp(left, ast.Add(), right)
    yield 1, f"the sign of {whole} turned", ast.BinOp(right, ast.Sub(), left)
    yield 2, f"{other} not subtracted", left
    yield 2, f"the term {one} left out", ast.UnaryOp(ast.USub(), right)
    yield 3, f"{other} in place of {whole}", right
    if isinstance(left, ast.Constant):
        for name in names:
            if name not in names_in(node):
                said = words(load(name))
                yield 4, f"{said} in place of {whole}", load(name)
                yield 5, f"1 - {said} in place of {whole}", ast.BinOp(left, ast.Sub(), load(name))


def _product(node: ast.BinOp) -> Iterator[Said]:
    left, right = node.left, node.right
    one, other = words(left), words(right)
    yield 2, f"the factor {one} left out", right
    yield 2, f"the factor {other} left out", left
    yield 3, f"divided by {other}, not multiplied", ast.BinOp(left, ast.Div(), right)
    yield 3, f"divided by {one}, not multiplied", ast.BinOp(right, ast.Div(), left)
    yield 5, f"{one} and {other} added, not multiplied", ast.BinOp(left, ast.Add(), right)
    for inner, factor in ((left, right), (right, left)):
        if isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Add | ast.Sub):
            a, b, by = inner.left, inner.right, words(factor)
            first, second = ast.BinOp(factor, ast.Mult(), a), ast.BinOp(factor, ast.Mult(), b)
            yield 3, f"only {words(b)} multiplied by {by}", ast.BinOp(a, inner.op, second)
            yield 3, f"only {words(a)} multiplied by {by}", ast.BinOp(first, inner.op, b)


def _quotient(node: ast.BinOp) -> Iterator[Said]:
    left, right = node.left, node.right
    one, other = words(left), words(right)
    yield 1, f"{words(node)} turned upside down", ast.BinOp(right, ast.Div(), left)
    yield 2, f"not divided by {other}", left
    yield 2, f"multiplied by {other}, not divided", ast.BinOp(left, ast.Mult(), right)
    yield 3, f"1 in place of {one}, divided by {other}", ast.BinOp(ast.Constant(1), ast.Div(), right)
    yield 4, f"{other} subtracted, not divided by", ast.BinOp(left, ast.Sub(), right)
    if isinstance(left, ast.BinOp) and isinstance(left.op, ast.Add | ast.Sub):
        a, b = left.left, left.right
        yield 2, f"only {words(b)} divided by {other}", ast.BinOp(a, left.op, ast.BinOp(b, ast.Div(), right))
        yield 2, f"only {words(a)} divided by {other}", ast.BinOp(ast.BinOp(a, ast.Div(), right), left.op, b)
    yield 4, "whole numbers in a quotient", ast.BinOp(left, ast.FloorDiv(), right)


def _power(node: ast.BinOp) -> Iterator[Said]:
    left, right = node.left, node.right
    one, other = words(left), words(right)
    yield 1, f"the power of {one} left out", left
    yield 2, f"the power of {one} turned round", ast.BinOp(left, ast.Pow(), ast.UnaryOp(ast.USub(), right))
    yield 3, f"1/({other}) as the power of {one}", ast.BinOp(left, ast.Pow(), put("1 / X", X=right))
    yield 4, f"{one} times {other}, not to its power", ast.BinOp(left, ast.Mult(), right)


def _of_two(node: ast.BinOp, left: ast.BinOp, right: ast.BinOp) -> Iterator[Said]:
    """In a sum or difference of two operations: their coefficients exchanged, bare of roots, squared."""
    products = isinstance(left.op, ast.Mult) and isinstance(right.op, ast.Mult)
    if products:
        one, other = ast.BinOp(right.left, ast.Mult(), left.right), ast.BinOp(left.left, ast.Mult(), right.right)
        yield 1, f"{words(left.left)} and {words(right.left)} exchanged", ast.BinOp(one, node.op, other)
    bare = [bare_of(side) for side in (left, right)]
    if any(new is not None for new in bare):
        yield 2, "both roots left out", ast.BinOp(bare[0] or left, node.op, bare[1] or right)
    if products:
        sides = [ast.BinOp(put("(X) ** 2", X=side.left), ast.Mult(), side.right) for side in (left, right)]
        yield 3, "both coefficients squared", ast.BinOp(sides[0], node.op, sides[1])


MADE_OF_SEVERAL = ("range", "full", "cat", "stack", "where", "len", "linspace", "arange", "zip", "tensor")
"""Functions that are not left out: what they are given is something else than what they give."""
NOT_COMPUTED = ("shape", "append", "marginal", "coefficients", "parameters", "backward", "step", "buffers")
"""Methods that are not left out, for the same reason."""
COUNTED = (
    (2, "the first left out", "range(1, X)"),
    (2, "the last left out", "range(X - 1)"),
    (3, "one too many", "range(X + 1)"),
    (3, "counted from one", "range(1, X + 1)"),
)
"""What is taken for a `range` of so many."""


def call(node: ast.Call) -> Iterator[Said]:
    """What can go wrong at a call: left out, another function, arguments exchanged or missing."""
    last = name_of(node.func).split(".")[-1]
    yield from _omitted(node, last)
    yield from _renamed(node, last)
    if last == "mean" and not node.args and not node.keywords and isinstance(node.func, ast.Attribute):
        for rank, says, template in MEANS:
            yield rank, says, later(template, X=node.func.value)
    yield from _rearranged(node)
    if last == "where" and len(node.args) == 3:
        condition, then, otherwise = node.args
        yield 2, f"{words(otherwise)} everywhere: the other case left out", otherwise
        yield 2, f"{words(then)} everywhere: the other case left out", then
        yield 1, "the two cases exchanged", _with_arguments(node, [condition, otherwise, then])
    if last == "range" and len(node.args) == 1:
        for rank, says, template in COUNTED:
            yield rank, says, put(template, X=node.args[0])
    if last == "clamp":
        for bounds in ("-1, 1", "0, 1", "min=0"):
            yield 4, "other bounds for what is clamped", put(f"X.clamp({bounds})", X=node.func.value)  # type: ignore[attr-defined]
    if last in ("extract", "_shaped"):
        for rank, says, template in SHAPED[last]:
            yield rank, says, later(template, **{f"A{i}": arg for i, arg in enumerate(node.args)})


def _omitted(node: ast.Call, last: str) -> Iterator[Said]:
    """What it is called on, or with, in place of what comes of it."""
    of_torch = name_of(node.func).startswith(("torch.", "F.", "math.", "nn.", "special."))
    if isinstance(node.func, ast.Attribute) and not of_torch and last != "randn":
        if last not in NOT_COMPUTED:
            yield (1 if last in REDUCING else 3), left_out(last, node.func.value), node.func.value
    elif node.args and last not in MADE_OF_SEVERAL:
        yield (1 if last in (*REDUCING, "reversed") else 4), left_out(last, node.args[0]), node.args[0]


def _renamed(node: ast.Call, last: str) -> Iterator[Said]:
    """Another function or method."""
    for other in (*METHODS.get(last, ()), *FUNCTIONS.get(last, ())):
        new = copy.copy(node)
        if isinstance(node.func, ast.Attribute) and "." not in other:
            new.func = ast.Attribute(node.func.value, other, ast.Load())
        else:
            new.func = ast.parse(other, mode="eval").body
        yield 2, RENAMED.get(other, f"{other} in place of {last}"), new


def _rearranged(node: ast.Call) -> Iterator[Said]:
    """Neighbouring arguments exchanged, and one by name left out."""
    for index, (one, other) in enumerate(pairwise(node.args)):
        arguments = [*node.args[:index], other, one, *node.args[index + 2 :]]
        yield 3, f"{words(one)} and {words(other)} exchanged", _with_arguments(node, arguments)
    for keyword in node.keywords:
        new = copy.copy(node)
        new.keywords = [other for other in node.keywords if other is not keyword]
        yield 3, KEYWORDS.get(keyword.arg or "", f"{keyword.arg} left out"), new


def _with_arguments(node: ast.Call, arguments: list[ast.expr]) -> ast.Call:
    new = copy.copy(node)
    new.args = arguments
    return new


def subscript(node: ast.Subscript) -> Iterator[Said]:
    """Another element, or other elements, than are meant."""
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


def constant(node: ast.AST) -> Iterator[Said]:
    """Another number than is meant."""
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
            (5, PI),
        ):
            if other != value or isinstance(other, float):
                yield rank, f"{number(other)} in place of {value}", ast.Constant(other)
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
                yield rank, f"{number(other)} in place of {value:g}", ast.Constant(other)
