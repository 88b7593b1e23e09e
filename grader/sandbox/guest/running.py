"""The submission's code, run once: a module from its first line to its last, a notebook cell by cell, as Jupyter runs it.

A statement of a module that ends for want of what is not here is left out: a package, a file, a keyboard, a GPU.

What is defined stays, whatever happened to the rest. What went wrong is told as data: where, and what was raised.
"""

import __future__

import ast
import asyncio
import signal
import time
from collections.abc import Sequence
from types import CodeType, FrameType
from typing import Any

from grader.rpc import errors

FEATURES = [getattr(__future__, name).compiler_flag for name in __future__.all_feature_names]
MOST_TROUBLE = 100
"""So much is told; more than a hundred cells that end early are no honest notebook."""
AGAIN_SECONDS = 0.5
"""Who swallows an interruption is interrupted again."""
SHARE = 0.5
"""Of the time that is left, a cell may take so much: whatever the cells before it took, the next one has its time too."""
LEAST_SECONDS = 0.1
"""A piece has so much all the same where no time is left: an import or a definition takes less."""
LONGEST = 300
"""Characters of an exception's message that are told."""


class OutOfTime(KeyboardInterrupt):
    """The code took too long and was interrupted, as a person would in Jupyter."""


class Run:
    """One run of a submission.

    Attributes:
        trouble: what went wrong, in order, as plain data; `errors.describe` of the exception and more. `at` is the line of the
            module's or the cell's own code at which it ended, `late` says that it was interrupted, `left_out` that the rest was run.
        cut: the line at which each piece that took too long was interrupted, by the piece's first line.
    """

    def __init__(self, text: str, filename: str, namespace: dict[str, Any], order: dict) -> None:
        """Prepare it.

        Args:
            text: the source.
            filename: what tracebacks call it.
            namespace: where it runs.
            order: `cells` of a notebook, each its number, first and last line; `seconds` that all of it may take; `cut`, what an
                earlier run of the same gave, which is not run again beyond that line.
        """
        self.lines, self.filename, self.namespace = text.split("\n"), filename, namespace
        self.cells: Sequence[Sequence[int]] = order.get("cells") or ()
        self.deadline = time.monotonic() + order["seconds"] if "seconds" in order else None
        self.before: dict[str, int] = order.get("cut") or {}
        self.flags = 0
        self.trouble: list[dict] = []
        self.cut: dict[str, int] = {}
        self.bound: dict[str, list] = {}
        """By name, where it was given a value last, and whether a function or class was defined under it before."""

    def all(self) -> None:
        """Run everything; whatever it raises is told."""
        for number, first, last in self.cells or [(0, 1, len(self.lines))]:
            self._piece(number, first, last)

    def _piece(self, number: int, first: int, last: int) -> None:
        text = "\n" * (first - 1) + "\n".join(self.lines[first - 1 : last])
        at, below = 0, None
        source: str | ast.Module = text
        try:
            if (end := self.before.get(str(first))) is not None:
                source = ast.parse(text, self.filename)
                source.body = [part for part in source.body if (part.end_lineno or 0) < end]
            self._within_time(self._compile(source, number))
        except BaseException as error:
            at = _outermost(error, self.filename) or first
            below = _below(_statements(source), at) if not number and _is_for_want(error) else None
            self._tell(error, number, first, at, left_out=below is not None)
        body = _statements(text)
        self._note_names([part for part in body if not at or part.lineno <= at])
        if at and number:
            self._rest_of_imports([part for part in body if part.lineno > at])
        elif below:
            self._without(below)

    def _without(self, rest: list[ast.stmt] | None) -> None:
        """Run what stands below a statement that was left out: what does not need it is not to suffer."""
        while rest:
            at, below = 0, None
            try:
                self._within_time(self._compile(ast.Module(rest, []), 0))
            except BaseException as error:
                at = _outermost(error, self.filename) or rest[0].lineno
                below = _below(rest, at) if _is_for_want(error) else None
                self._tell(error, 0, 1, at, left_out=below is not None)
            self._note_names([part for part in rest if not at or part.lineno <= at])
            rest = below

    def _tell(self, error: BaseException, number: int, first: int, at: int, left_out: bool = False) -> None:
        late = isinstance(error, OutOfTime)
        if late:
            self.cut[str(first)] = at
        if len(self.trouble) < MOST_TROUBLE:
            told = errors.describe(error, self.filename)
            place = {"cell": number, "at": at, "late": late, "left_out": left_out}
            self.trouble.append({**told, "text": told["text"][:LONGEST], **place})

    def _compile(self, source: str | ast.Module, number: int) -> CodeType:
        """The code of a piece; what one cell imports from __future__ holds for those below, as in Jupyter."""
        wait = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if number else 0
        code = compile(source, self.filename, "exec", self.flags | wait, dont_inherit=True)
        self.flags |= sum(feature for feature in FEATURES if code.co_flags & feature)
        return code

    def _within_time(self, code: CodeType) -> None:
        if self.deadline is None:
            self._execute(code)
            return
        left = max(self.deadline - time.monotonic(), LEAST_SECONDS)
        before = signal.signal(signal.SIGALRM, _late)
        signal.setitimer(signal.ITIMER_REAL, left * SHARE if self.cells else left, AGAIN_SECONDS)
        try:
            self._execute(code)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def _execute(self, code: CodeType) -> None:
        result = eval(code, self.namespace)
        if asyncio.iscoroutine(result):  # a cell that awaits
            asyncio.run(result)

    def _rest_of_imports(self, rest: list[ast.stmt]) -> None:
        """Import what a cell that ended early imports further down: other cells need `torch`, whatever became of `seaborn`."""
        for part in rest:
            if isinstance(part, ast.Import | ast.ImportFrom):
                try:
                    self._within_time(compile(ast.Module([part], []), self.filename, "exec", dont_inherit=True))
                except BaseException:
                    continue  # what is missing is told where it is used

    # ---------------------------------------------------------------------------------------------------------- names

    def _note_names(self, body: list[ast.stmt]) -> None:
        for part in body:
            for name, line, defined in _names(part):
                earlier = self.bound.get(name)
                self.bound[name] = [line, defined, bool(earlier and (earlier[1] or earlier[2]))]

    def values(self) -> dict[str, list]:
        """By name, what was defined as a function or class and given another value later: the line, the type, whether it can be called."""
        found: dict[str, list] = {}
        for name, (line, defined, before) in list(self.bound.items())[:2000]:
            if name in self.namespace and not defined:
                value = self.namespace[name]
                if before or not callable(value):
                    found[name] = [line, type(value).__name__, callable(value), before]
        return found


def _statements(text: str | ast.Module) -> list[ast.stmt]:
    """The statements of a piece; none where the compiler takes it and the parser's objects would nest too deeply.

    What stands in an `if True:` is among them, as a marimo notebook's cells do.
    """
    try:
        body = ast.parse(text).body if isinstance(text, str) else text.body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    always = [isinstance(part, ast.If) and _is_true(part.test) and not part.orelse for part in body]
    return [inner for part, opened in zip(body, always, strict=True) for inner in (part.body if opened else [part])]  # type: ignore[attr-defined]


def _is_true(test: ast.expr) -> bool:
    return isinstance(test, ast.Constant) and test.value is True


NO_GPU = (
    "Torch not compiled with CUDA enabled",
    "Found no NVIDIA driver",
    "No CUDA GPUs are available",
    "Cannot re-initialize CUDA in forked subprocess",
)
"""How what torch raises begins where there is no GPU, or none that a fork could use, as in the jail."""


def _is_for_want(error: BaseException) -> bool:
    """Whether it was raised because something is not here that its author may have: a package, a file, a keyboard, a GPU."""
    if isinstance(error, ImportError | OSError | EOFError):
        return True
    said = error.args[0] if isinstance(error, AssertionError | RuntimeError) and error.args else ""
    return isinstance(said, str) and said.startswith(NO_GPU)


def _below(body: list[ast.stmt], at: int) -> list[ast.stmt] | None:
    """The statements below the one of the top level that holds a line; None if it defines functions, or none holds it."""
    for index, part in enumerate(body):
        if part.lineno <= at <= (part.end_lineno or at):
            defines = any(
                isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) for inner in ast.walk(part)
            )
            return None if defines else body[index + 1 :]
    return None


def _names(part: ast.stmt) -> list[tuple[str, int, bool]]:
    """The names that a statement of the top level gives a value, with the line, and whether it defines a function or class."""
    if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [(part.name, part.lineno, True)]
    if isinstance(part, ast.Import | ast.ImportFrom):
        return [((one.asname or one.name).split(".")[0], part.lineno, True) for one in part.names]
    found: list[tuple[str, int, bool]] = []
    for inner in ast.iter_child_nodes(part):
        if isinstance(inner, ast.stmt):
            found += _names(inner)
        elif isinstance(inner, ast.ExceptHandler | ast.match_case):
            found += [name for one in inner.body for name in _names(one)]
        else:
            found += [(node.id, node.lineno, False) for node in _stored(inner)]
    return found


def _stored(part: ast.AST) -> list[ast.Name]:
    """The names that an expression or a target gives a value; a comprehension's are its own."""
    found: list[ast.Name] = []
    ahead: list[ast.AST] = [part]
    while ahead:
        node = ahead.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.append(node)
        if not isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp | ast.Lambda):
            ahead += ast.iter_child_nodes(node)
    return found


def _late(number: int, frame: FrameType | None) -> None:
    raise OutOfTime


def _outermost(error: BaseException, filename: str) -> int:
    """The line of the piece's own code at which it ended; 0 if unknown."""
    if isinstance(error, SyntaxError) and error.filename == filename and error.lineno:
        return error.lineno
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == filename:
            return trace.tb_lineno
        trace = trace.tb_next
    return 0
