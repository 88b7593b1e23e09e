"""The learner's file of a section as text, read as the grader reads it, and what stands there of each exercise.

Nothing is run here and torch is not imported: what can be said of a file without that is said at once.
"""

import ast
import difflib
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

from grader.course import ROOT, Exercise, Section
from grader.intake.visible import one_line
from grader.source.stubs import NOT_PYTHON

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
LONG = 300
"""Characters of a message or a line that are shown."""
NEAR = 0.7
"""How much of a name must agree for a guess that it is meant, as difflib counts."""


class Unreadable(Exception):
    """The file is no text that the grader would read; the message says what to do.

    Attributes:
        line: the line at fault.
    """

    def __init__(self, sentence: str, line: int) -> None:
        super().__init__(sentence)
        self.line = line


@dataclass(frozen=True)
class Problem:
    """Why none of a section's checks can run.

    Attributes:
        label: of the first fact: "missing", "unread" or "raised".
        text: the reason, and what to do about it.
        line: where, if that is known.
        source: what stands in this line.
    """

    label: str
    text: str
    line: int | None = None
    source: str = ""


def where(of: Section) -> str:
    """The learner's file, from the course's folder."""
    return of.stub.relative_to(ROOT).as_posix() if of.stub.is_relative_to(ROOT) else of.stub.name


def saved(path: Path) -> int:
    """When a file of the learner's was saved, in nanoseconds; 0 if it is not there, as while an editor replaces it."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def text_of(of: Section) -> str:
    """The learner's file as text.

    Raises:
        OSError: it is not there, or cannot be opened.
        Unreadable: it is no text.
    """
    return decoded(of.stub.read_bytes(), where(of))


def decoded(data: bytes, shown: str) -> str:
    """The text of a file as it is read where it is graded; lines end with LF.

    Raises:
        Unreadable: it is no text.
    """
    # Not where nothing has to be read: this brings the readers of notebooks along
    from grader.intake.sources import decode, first_undecodable
    from grader.intake.trees import Refused

    try:
        return decode(data, shown)
    except Refused as refusal:
        raise Unreadable(str(refusal), first_undecodable(data)) from None


def compiled(of: Section) -> CodeType:
    """The learner's file, compiled.

    Raises:
        OSError, Unreadable: as `text_of`.
        SyntaxError, ValueError, RecursionError, MemoryError: it is not Python.
    """
    return compile(text_of(of), str(of.stub), "exec", dont_inherit=True)


def explained(of: Section, error: BaseException) -> Problem:
    """The problem behind what the reading or the import of a section's file raised."""
    if isinstance(error, FileNotFoundError) and error.filename == str(of.stub):
        return Problem("missing", f"there is no such file: `unstatic reset {of.stem}` puts the stub there")
    if isinstance(error, Unreadable):
        return Problem("unread", str(error), error.line, _line(of, error.line))
    if isinstance(error, OSError) and error.filename == str(of.stub):
        return Problem("unread", f"{where(of)} cannot be opened: {error.strerror}")
    message = one_line("".join(traceback.format_exception_only(error)[-1:]).strip(), LONG)
    line = _line_at_fault(of, error)
    return Problem("raised", message, line, _line(of, line) if line else "")


def _line_at_fault(of: Section, error: BaseException) -> int | None:
    own = [entry.lineno for entry in traceback.extract_tb(error.__traceback__) if entry.filename == str(of.stub)]
    if own:
        return own[-1]
    return error.lineno if isinstance(error, SyntaxError) and error.filename == str(of.stub) else None


def _line(of: Section, number: int) -> str:
    data = of.stub.read_bytes()
    try:
        text = decoded(data, where(of))
    except Unreadable:
        text = _by_lines(data)
    lines = text.split("\n")
    return lines[number - 1].strip()[:LONG] if number <= len(lines) else ""


def _by_lines(data: bytes) -> str:
    """A file of whatever encoding, with the lines that Python counts."""
    return data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")


# ------------------------------------------------------------------------------------- what stands there of an exercise


def remark(exercise: Exercise, of: Section, unfinished: bool) -> str:
    """What is odd about how an exercise is written down, with its line and what to do; "" if nothing is.

    It is there twice; or, if it was found `unfinished`, it is not there, or under another name, or within something else, or
    its stub's line is still there below what was written.
    """
    try:
        body = ast.parse(text_of(of)).body
    except (OSError, Unreadable, *NOT_PYTHON):
        return ""
    name = exercise.name
    found = [node for node in _open(body) if isinstance(node, Definition) and node.name == name]
    if len(found) > 1 and not _alternatives(body, name):
        lines = " and ".join(str(node.lineno) for node in found)
        return f"{name} is defined {len(found)} times, in lines {lines}: the last one counts, take the others out"
    if not unfinished:
        return ""
    if found:
        return _left_below(found[-1])
    if name in _bound(body):
        return ""
    return _lost(name, of, body)


def is_stub(exercise: Exercise, of: Section) -> bool:
    """Whether the exercise is plainly a stub still: what raises NotImplementedError at once, and nothing beside it."""
    try:
        body = ast.parse(text_of(of)).body
    except (OSError, Unreadable, *NOT_PYTHON):
        return False
    found = [node for node in _open(body) if isinstance(node, Definition) and node.name == exercise.name]
    if len(found) != 1 or found[0] not in body or found[0].decorator_list or exercise.name in _bound(body):
        return False
    function: ast.stmt | None = found[0]
    if isinstance(function, ast.ClassDef):  # that cannot be made, whatever its methods
        function = next((node for node in function.body if getattr(node, "name", "") == "__init__"), None)
    if not isinstance(function, ast.FunctionDef):
        return False
    *above, last = function.body
    return _is_stub_line(last) and not any(map(_is_written, above))


def _open(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module that run when it is imported: within `if` and `try` too, not within definitions."""
    for node in body:
        yield node
        if not isinstance(node, Definition):
            for inner in ("body", "orelse", "finalbody"):
                yield from _open(getattr(node, inner, []))
            for handler in getattr(node, "handlers", []):
                yield from _open(handler.body)


def _alternatives(body: list[ast.stmt], name: str) -> bool:
    """Whether a name is defined within an `if` or `try`: then it may well be there more than once."""
    at_margin = sum(isinstance(node, Definition) and node.name == name for node in body)
    return at_margin < 2


def _bound(body: list[ast.stmt]) -> set[str]:
    """The names that a module binds without defining them: by assignment or import."""
    names: set[str] = set()
    for node in _open(body):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        elif not isinstance(node, Definition):
            names |= {
                part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
            }
    return names


def _left_below(node: Definition) -> str:
    """That a stub's line stands below what was written, in a function or a method."""
    for function in ast.walk(node):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        *above, last = function.body
        if above and _is_stub_line(last) and any(_is_written(statement) for statement in above):
            return f"`raise NotImplementedError` still stands in line {last.lineno}, below what is written: take it out"
    return ""


def _is_stub_line(node: ast.stmt) -> bool:
    return isinstance(node, ast.Raise) and node.exc is not None and "NotImplementedError" in ast.dump(node.exc)


def _is_written(node: ast.stmt) -> bool:
    """Whether a statement is more than a docstring or a call of `super().__init__()`, which stubs have too."""
    return not (isinstance(node, ast.Expr) and (isinstance(node.value, ast.Constant) or "'super'" in ast.dump(node)))


def _lost(name: str, of: Section, body: list[ast.stmt]) -> str:
    for owner in body:
        if isinstance(owner, Definition):
            for node in ast.walk(owner):
                if node is not owner and isinstance(node, Definition) and node.name == name:
                    return f"{name} (line {node.lineno}) is indented into {owner.name}: move it to the left margin"
    others = {
        node.name: node.lineno for node in _open(body) if isinstance(node, Definition) and node.name not in of.exercises
    }
    if near := difflib.get_close_matches(name, others, n=1, cutoff=NEAR):
        return f"there is no {name}; is {near[0]} (line {others[near[0]]}) meant?"
    return f"there is no {name} in {where(of)}: `unstatic reset {name}` puts its stub there"


def line_of(exercise: Exercise, of: Section) -> int | None:
    """The line where the exercise begins in the learner's file; None if it is not found."""
    try:
        lines = _by_lines(of.stub.read_bytes()).split("\n")
    except OSError:
        return None
    starts = (
        f"def {exercise.name}(",
        f"class {exercise.name}(",
        f"class {exercise.name}:",
        f"async def {exercise.name}(",
    )
    return next((number for number, line in enumerate(lines, start=1) if line.startswith(starts)), None)
