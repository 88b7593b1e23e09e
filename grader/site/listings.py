"""The stubs and the checks as pages."""

import ast

from grader.course import Section
from grader.source import stubs


def stub(of: Section) -> str:
    """The stub as a page, as the course hands it out: whatever has been written into this copy's, no answer is in it."""
    text = stubs.render(of) if of.solution.is_file() else of.stub.read_text(encoding="utf-8")
    lines = text.splitlines()
    starts = {
        min([node.lineno, *(one.lineno for one in node.decorator_list)]) - 1: node.name
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in of.exercises
    }
    parts = [
        _unsearched(f"The stub of {of.title}"),
        f"`exercises/{of.stem}.py` is what you write in. [The lesson](lessons/{of.stem}.md)\n\n",
        _code("\n".join(lines[: min(starts, default=None)])),
    ]
    for start, end in zip(starts, [*list(starts)[1:], None], strict=True):
        parts.append(_heading(starts[start]) + _code("\n".join(lines[start:end])))
    return "".join(parts)


def checks(of: Section) -> str:
    """The checks of a section as a page, a heading an exercise."""
    parts = [
        _unsearched(f"The checks of {of.title}"),
        f"What judges your answers: here, at your desk and in a grading. [The lesson](../lessons/{of.stem}.md)\n",
    ]
    for name in of.exercises:
        path = of.checks / f"test_{name}.py"
        parts.append(_heading(name) + _code(path.read_text(encoding="utf-8")))
    return "".join(parts)


def _heading(name: str) -> str:
    return f"\n## `{name}` {{ #{name} }}\n\n"


def _code(text: str) -> str:
    return f"```python\n{text.strip()}\n```\n"


def _unsearched(title: str) -> str:
    return f"---\nsearch:\n  exclude: true\n---\n\n# {title}\n\n"
