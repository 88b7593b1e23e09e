"""What can go wrong at an operation, a call, a subscript or a constant."""

import ast
import copy
from collections.abc import Iterator

from grader.diagnosis.mistaken import FUNCTIONS, KEYWORDS, MEANS, METHODS, REDUCING, RENAMED, SHAPED
from grader.diagnosis.trees import PI, Said, bare_of, later, left_out, load, names_in, number, put
from grader.diagnosis.words import name_of, words


def operation(node: ast.BinOp, names: list[str]) -> Iterator[Said]:
    """What can go wrong at a sum, a product, a quotient or a power; `names` are those that may be confused with the ones in it."""
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
            for name in names:
                if name not in names_in(node):
                    yield 4, f"{words(load(name))} in place of {words(node)}", load(name)
                    yield (
                        5,
                        f"1 - {words(load(name))} in place of {words(node)}",
                        with_(ast.Sub(), left, load(name)),
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
        yield 3, f"1/({other}) as the power of {one}", with_(ast.Pow(), left, put("1 / X", X=right))
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
        bare = [bare_of(side) for side in (left, right)]
        if any(new is not None for new in bare):
            yield 2, "both roots left out", ast.BinOp(bare[0] or left, node.op, bare[1] or right)
        if isinstance(left.op, ast.Mult) and isinstance(right.op, ast.Mult):
            sides = [ast.BinOp(put("(X) ** 2", X=side.left), ast.Mult(), side.right) for side in (left, right)]
            yield 3, "both coefficients squared", ast.BinOp(sides[0], node.op, sides[1])
    if isinstance(left, ast.Name) and isinstance(right, ast.Name):
        yield 3, f"{one} and {other} exchanged", with_(node.op, right, left)


def call(node: ast.Call) -> Iterator[Said]:
    """What can go wrong at a call: left out, another function, arguments exchanged or missing."""
    name = name_of(node.func)
    last = name.split(".")[-1]
    function = isinstance(node.func, ast.Attribute) and name.startswith(("torch.", "F.", "math.", "nn.", "special."))
    if isinstance(node.func, ast.Attribute) and not function and last not in ("randn",):
        value = node.func.value
        if last not in ("shape", "append", "marginal", "coefficients", "parameters", "backward", "step", "buffers"):
            yield (1 if last in REDUCING else 3), left_out(last, value), value
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
        yield (1 if last in (*REDUCING, "reversed") else 4), left_out(last, node.args[0]), node.args[0]
    for other in (*METHODS.get(last, ()), *FUNCTIONS.get(last, ())):
        new = copy.copy(node)
        if isinstance(node.func, ast.Attribute) and "." not in other:
            new.func = ast.Attribute(node.func.value, other, ast.Load())
        else:
            new.func = ast.parse(other, mode="eval").body
        yield 2, RENAMED.get(other, f"{other} in place of {last}"), new
    if last == "mean" and not node.args and not node.keywords and isinstance(node.func, ast.Attribute):
        for rank, says, template in MEANS:
            yield rank, says, later(template, X=node.func.value)
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
            yield rank, says, put(template, X=node.args[0])
    if last == "clamp":
        for bounds in ("-1, 1", "0, 1", "min=0"):
            yield 4, "other bounds for what is clamped", put(f"X.clamp({bounds})", X=node.func.value)  # type: ignore[attr-defined]
    if last in ("extract", "_shaped"):
        for rank, says, template in SHAPED[last]:
            yield rank, says, later(template, **{f"A{i}": arg for i, arg in enumerate(node.args)})


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
