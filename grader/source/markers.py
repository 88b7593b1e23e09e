"""From a solution module to its stub: what stands between nbgrader's markers becomes `raise NotImplementedError`.

A marker is a comment alone on its line, `### BEGIN SOLUTION` or `### END SOLUTION`. nbgrader looks for these words in
any line of a cell, and publishes what it fails to recognise. Here whatever resembles a marker and is none is an error,
and so is a region that is not whole statements of one block: the stub is proved to be the source without them.
"""

import ast
import io
import re
import tokenize
from dataclasses import dataclass
from functools import lru_cache

BEGIN = "### BEGIN SOLUTION"
END = "### END SOLUTION"
STUB = "raise NotImplementedError"
OWN_HELPERS = "# Helpers of your own, if you want any, go here."

_RESERVED = "##"
"""A comment that begins so is a marker, or a mistake."""
_RESEMBLES = re.compile(
    r"#\s*((begin|end|start|stop)[\s_:-]*solutions?|solutions?[\s_:-]*(begin|end|start|stop))\b", re.I
)


class MarkerError(ValueError):
    """The markers of a solution module cannot be trusted; the message says where and what to do."""


@dataclass(frozen=True)
class Region:
    """One answer: the lines of its two markers, counted from 1, and their indentation."""

    begin: int
    end: int
    indent: str


def stub_of(source: str, origin: str = "solutions") -> str:
    """The stub of a solution module: a first line that says what it is, then the source with its regions emptied.

    A region within a function becomes `raise NotImplementedError`. A region at module level holds helpers of the
    answers; a `raise` there would end the stub's import, so it becomes a comment.

    Args:
        source: the text of the solution module.
        origin: its path within the course, for the first line and for errors.

    Raises:
        MarkerError: a marker is unclosed, nested, stray, inline or misspelt; a region is not whole statements of one
            block; a public function or class has no region.
    """
    header = f"# Generated from {origin} by `python -m grader.source.stubs`. Your answers go here."
    return f"{header}\n{emptied(source, origin)}"


@lru_cache(maxsize=256)  # a course has as many cells and sections, and they are read more often than they change
def emptied(source: str, origin: str) -> str:
    """The text of a notebook's cell with its regions emptied; raises as `stub_of` does."""
    tree = _parse(source, origin)
    regions = find_regions(source, origin)
    _require_answers(tree, regions, origin)
    for region in regions:
        _require_whole_statements(source, region, origin)
    return _without(source, regions)


def _without(source: str, regions: list[Region]) -> str:
    lines = source.split("\n")
    for region in reversed(regions):
        line_end = "\r" if lines[region.begin - 1].endswith("\r") else ""
        lines[region.begin - 1 : region.end] = [region.indent + (STUB if region.indent else OWN_HELPERS) + line_end]
    return "\n".join(lines)


def find_regions(source: str, origin: str) -> list[Region]:
    """The regions of a solution module, from top to bottom; raises as `stub_of` does."""
    regions: list[Region] = []
    opened: tuple[int, str] | None = None
    for number, marker, indent in _markers(source, origin):
        where = f"{origin}:{number}"
        if marker == BEGIN:
            if opened:
                raise MarkerError(
                    f"{where}: BEGIN SOLUTION inside the region begun on line {opened[0]}; end that first"
                )
            opened = number, indent
            continue
        if not opened:
            raise MarkerError(f"{where}: END SOLUTION without a BEGIN SOLUTION; add one above it, or remove this line")
        if indent != opened[1]:
            raise MarkerError(f"{where}: END SOLUTION is not indented as its BEGIN on line {opened[0]} is; align them")
        regions.append(Region(opened[0], number, indent))
        opened = None
    if opened:
        raise MarkerError(f"{origin}:{opened[0]}: BEGIN SOLUTION is never closed; add `{END}` after the answer")
    return regions


def _markers(source: str, origin: str) -> list[tuple[int, str, str]]:
    """Line number, marker and indentation of every marker; what only resembles one is an error."""
    lines = source.split("\n")
    found = []
    for token in tokenize.generate_tokens(io.StringIO(source, newline="\n").readline):
        number, column = token.start
        resembling = _RESEMBLES.search(token.string)
        if token.type == tokenize.COMMENT:
            text, before = token.string.rstrip(), lines[number - 1][:column]
            if text in (BEGIN, END) and before.strip():
                raise MarkerError(f"{origin}:{number}: a marker after code; put it alone on its line")
            if text in (BEGIN, END):
                found.append((number, text, before))
            elif resembling or text.startswith(_RESERVED):
                raise MarkerError(f"{origin}:{number}: {text!r} is no marker; write `{BEGIN}` or `{END}`, or reword it")
        elif resembling:
            number += token.string.count("\n", 0, resembling.start())
            raise MarkerError(f"{origin}:{number}: a marker in a string, which nbgrader would obey; reword it")
    return found


def _parse(source: str, origin: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError) as error:
        place = f"{origin}:{getattr(error, 'lineno', None) or 1}"
        raise MarkerError(f"{place}: not Python ({error}); make it run before you make its stub") from error


def _require_answers(tree: ast.Module, regions: list[Region], origin: str) -> None:
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        if not any(_begins_in(node, region) or _holds(node, region) for region in regions):
            where = f"{origin}:{node.lineno}: {node.name}"
            raise MarkerError(f"{where} has no region; mark its answer, or call it _{node.name} if it is given code")


def _holds(node: ast.stmt, region: Region) -> bool:
    return node.lineno < region.begin <= (node.end_lineno or 0)


def _require_whole_statements(source: str, region: Region, origin: str) -> None:
    """Emptying the region as text and emptying it as a syntax tree must give the same program."""
    tree = _parse(source, origin)
    blocks = _empty(tree, region)
    if not blocks:
        raise MarkerError(f"{origin}:{region.begin}: an empty region; put the answer between its markers")
    try:
        same = blocks == 1 and ast.dump(ast.parse(_without(source, [region]))) == ast.dump(tree)
    except SyntaxError:
        same = False
    if not same:
        raise MarkerError(
            f"{origin}:{region.begin}: the region cuts a statement or a block in two; "
            "let it hold whole statements of one block, its markers indented as they are"
        )


def _empty(node: ast.AST, region: Region) -> int:
    """Replace the statements of the region by a `raise`; returns how many blocks they were in."""
    blocks = 0
    for field, value in ast.iter_fields(node):
        children = value if isinstance(value, list) else [value]
        inside = [child for child in children if _begins_in(child, region)]
        outside = [child for child in children if child not in inside]
        blocks += sum(_empty(child, region) for child in outside if isinstance(child, ast.AST))
        if inside:
            blocks += 1
            at = children.index(inside[0])
            setattr(
                node,
                field,
                outside[:at] + ([] if isinstance(node, ast.Module) else ast.parse(STUB).body) + outside[at:],
            )
    return blocks


def _begins_in(node: object, region: Region) -> bool:
    """Whether this is a statement whose first line, decorators included, lies in the region."""
    if not isinstance(node, ast.stmt):
        return False
    lines = [node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))]
    return region.begin < min(lines) < region.end
