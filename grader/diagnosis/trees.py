"""Pieces of syntax trees: put together from a template, looked into, told in words."""

import ast
import copy
from collections.abc import Callable, Iterator
from typing import Any

from grader.diagnosis.mistaken import REDUCING, SIGNS
from grader.diagnosis.words import name_of, words

Said = tuple[int, str, Any]
"""Rank (what is simple comes first), phrase, and what stands there instead: a node, a list of statements, or what makes it."""
PI = 3.141592653589793


def put(template: str, **nodes: ast.AST) -> ast.expr:
    """The expression in `template`, with trees in place of the names; the trees are shared, not copied."""

    class Put(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.AST:
            return nodes.get(node.id, node)

    tree = ast.parse(template, mode="eval").body
    return Put().visit(tree)


def later(template: str, **nodes: ast.AST) -> Callable[[], ast.expr]:
    """The same, made when it is tried: most never are."""
    return lambda: put(template, **nodes)


def load(name: str) -> ast.Name:
    """A name that is read."""
    return ast.Name(name, ast.Load())


def left_out(last: str, value: ast.expr) -> str:
    """What it is called if a method or function is not applied to a value."""
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


def bare_of(side: ast.BinOp) -> ast.BinOp | None:
    """The product or quotient without the root over its first factor."""
    if isinstance(side.op, ast.Mult) and isinstance(side.left, ast.Call) and name_of(side.left.func).endswith("sqrt"):
        func = side.left.func
        value = func.value if isinstance(func, ast.Attribute) and not side.left.args else side.left.args[0]
        return ast.BinOp(value, ast.Mult(), side.right)
    return None


def in_context(parent: ast.AST, field: str, new: ast.expr) -> str:
    """What a changed number makes of the sum or product that it stands in."""
    if not isinstance(parent, ast.BinOp | ast.UnaryOp):
        return ""
    changed = copy.copy(parent)
    setattr(changed, field, new)
    before, after = words(parent), words(changed)
    return "" if "the " in before[:4] else f"{after} in place of {before}"


def one_of(results: ast.Tuple, index: int, part: ast.expr, template: str) -> Callable[[], ast.Return]:
    """One of several results changed."""

    def make() -> ast.Return:
        changed = [put(template, X=part) if at == index else other for at, other in enumerate(results.elts)]
        return ast.Return(ast.Tuple(changed, ast.Load()))

    return make


def shifted(node: ast.expr) -> Iterator[Said]:
    """One before and one after an index or level."""
    what = words(node)
    yield 2, f"{what} - 1 where {what} belongs", put("X - 1", X=node)
    yield 2, f"{what} + 1 where {what} belongs", put("X + 1", X=node)


def is_numeric(node: ast.expr) -> bool:
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


def raising(node: ast.If, kind: str) -> ast.If:
    """The same guard with another exception."""
    new = copy.copy(node)
    new.body = [ast.Raise(ast.Call(load(kind), [ast.Constant("no")], []), None)]
    return new


def compare(node: ast.Compare, op: type) -> ast.Compare:
    """The same comparison with another sign."""
    return ast.Compare(node.left, [op()], node.comparators)


def condition(test: ast.expr) -> str:
    """A condition in words."""
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        return f"{words(test.left)} {SIGNS[type(test.ops[0])]} {words(test.comparators[0])}"
    if isinstance(test, ast.Name):
        return f"{words(test)} is given"
    return "the condition holds"


def targets(target: ast.expr) -> str:
    """What is assigned to, in words."""
    return words(target) if isinstance(target, ast.Name) else "what is computed there"


def changed(before: ast.AST, after: ast.AST) -> ast.AST:
    """The smallest part of a tree that has all in it that is another than in the tree before."""
    if type(before) is not type(after):
        return after
    pairs: list[tuple[ast.AST, ast.AST]] = []
    for (_, one), (_, other) in zip(ast.iter_fields(before), ast.iter_fields(after), strict=True):
        ones, others = (part if isinstance(part, list) else [part] for part in (one, other))
        if len(ones) != len(others):
            return after
        for old, new in zip(ones, others, strict=True):
            if not isinstance(old, ast.AST) or not isinstance(new, ast.AST):
                if old != new:
                    return after
            elif ast.dump(old) != ast.dump(new):
                pairs.append((old, new))
    return changed(*pairs[0]) if len(pairs) == 1 else after


def names_in(node: ast.AST) -> set[str]:
    """All names in a tree."""
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def read_in(node: ast.AST) -> set[str]:
    """The names in a tree that are read."""
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)}


def th(index: int) -> str:
    """Which of several."""
    return ("first", "second", "third", "fourth")[index] if index < 4 else "last"


def number(value: float) -> str:
    """A number as it is told."""
    return "π" if value == PI else f"{value:g}"
