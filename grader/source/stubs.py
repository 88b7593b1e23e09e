"""Write the learner's stubs from the solutions: `python -m grader.source.stubs`, or `--check` that they are fresh."""

import argparse
import ast
import sys

from grader.course import ROOT, Section, sections
from grader.source.markers import MarkerError, stub_of

NOT_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError)
"""What is raised of a text that Python does not read; the last two where something is nested too deep for it."""
DEFINED = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def render(section: Section) -> str:
    """The text of the section's stub; in a learner's repository, which has no solutions, as it was handed out.

    Raises:
        MarkerError: the solution's markers cannot be trusted, or it lacks an exercise of the course file.
    """
    if not section.solution.is_file() and section.pristine.is_file():
        return section.pristine.read_bytes().decode("utf-8")
    origin = section.solution.relative_to(ROOT).as_posix()
    stub = stub_of(section.solution.read_bytes().decode("utf-8"), origin)
    defined = {node.name for node in ast.parse(stub).body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    if lacking := [name for name in section.exercises if name not in defined]:
        raise MarkerError(
            f"{origin} does not define {', '.join(lacking)}, which course.toml names; write it or take it out"
        )
    return stub


def is_fresh(section: Section) -> bool:
    """Whether the committed stub is what the solution gives, to the byte."""
    return section.stub.is_file() and section.stub.read_bytes() == render(section).encode()


def holds_answers(section: Section) -> bool:
    """Whether somebody has worked in the stub: there is more in an exercise than a raise, or a function or a class that is not ours."""
    try:
        body = ast.parse(section.stub.read_bytes()).body
    except (OSError, *NOT_PYTHON):
        return section.stub.exists()
    given = {ast.dump(node) for node in ast.walk(ast.parse(render(section))) if isinstance(node, DEFINED)}
    names = {node.name for node in ast.parse(render(section)).body if isinstance(node, DEFINED)}
    defined = [node for node in body if isinstance(node, DEFINED)]
    worked = (_is_worked_in(node, given) for node in defined if node.name in section.exercises)
    return any(worked) or any(node.name not in names for node in defined)


def _is_worked_in(node: ast.stmt, given: set[str]) -> bool:
    """Whether there is more in a function, or in a method of a class, than its docstring and the raise of a stub."""
    if isinstance(node, ast.ClassDef):
        return any(_is_worked_in(part, given) for part in node.body)
    if not isinstance(node, DEFINED) or ast.dump(node) in given:
        return False
    own = [part for part in node.body if not isinstance(part, ast.Expr)]  # a docstring, or super().__init__()
    return [type(part) for part in own] != [ast.Raise] or "NotImplementedError" not in ast.dump(own[0])


def main(arguments: list[str] | None = None) -> int:
    """The command; 1 if a stub is stale, or was kept because it holds answers."""
    parser = argparse.ArgumentParser(prog="python -m grader.source.stubs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; say which stubs are stale")
    parser.add_argument("--force", action="store_true", help="overwrite a stub even if somebody has worked in it")
    options = parser.parse_args(arguments)
    status = 0
    for section in sections().values():
        name = section.stub.relative_to(ROOT).as_posix()
        if is_fresh(section):
            print(f"{name} is fresh")
        elif options.check:
            print(f"{name} is stale: run `python -m grader.source.stubs` and commit it")
            status = 1
        elif holds_answers(section) and not options.force:
            print(f"{name} holds answers and was kept: save them elsewhere and run again with --force")
            status = 1
        else:
            section.stub.write_bytes(render(section).encode())
            print(f"{name} is written")
    return status


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MarkerError as error:
        sys.exit(str(error))
