"""Is this text Python? Asked of CPython's own compiler, in a process that may die of the answer.

A text of a few kilobytes can exhaust the compiler's memory or, on some builds, its C stack, which would take the grader
with it. So a child does it: it compiles and never runs, has limits on memory and processor time, and when it dies the
text counts as unreadable. It imports almost nothing and starts in about 10 ms.
"""

import ast
import contextlib
import re
import select
import struct
import subprocess
import sys
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

SECONDS = 20.0
"""A compilation takes milliseconds; what takes this long was made to."""
TOTAL_SECONDS = 30.0
"""Of all texts of a submission together."""
MEMORY_BYTES = 2**30
"""A real module of 1 MiB needs a quarter of this."""
TOTAL_CHARACTERS = 2**24
"""Of all texts together; more than every section of the course, each as large as it may be."""
MESSAGE_CHARACTERS = 200

CHILD = f"""
import resource, struct, sys
for limit, most in ("RLIMIT_AS", {MEMORY_BYTES}), ("RLIMIT_CPU", {int(SECONDS)}), ("RLIMIT_CORE", 0):
    hard = resource.getrlimit(getattr(resource, limit))[1]
    cap = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(getattr(resource, limit), (cap, cap))
read, write = sys.stdin.buffer, sys.stdout.buffer
while size := read.read(4):
    text = read.read(struct.unpack(">I", size)[0]).decode("utf-8")
    kind, text = text[0], text[1:]
    line, message = 0, ""
    try:
        flags = {ast.PyCF_ALLOW_TOP_LEVEL_AWAIT} if kind == "c" else 0
        compile(text, "submission", "exec", flags, dont_inherit=True)
    except SyntaxError as error:
        line, message = error.lineno or 1, error.msg
    except RecursionError:
        line, message = 1, "it is nested too deeply"
    except MemoryError:
        line, message = 1, "it takes too much memory to compile"
    except Exception as error:
        line, message = 1, str(error)
    answer = f"{{line}} {{message}}".encode("utf-8", "replace")
    write.write(struct.pack(">I", len(answer)) + answer)
    write.flush()
"""


@dataclass(frozen=True)
class SyntaxProblem:
    """Why a text is not Python.

    Attributes:
        line: the line it was noticed at, from 1.
        message: what the compiler says, in a few words.
    """

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


CONFLICT = "a merge left its conflict there: keep what is right, and delete the lines that begin with <<<<<<<, ======= and >>>>>>>"
_CONFLICT = re.compile(r"^<{7}(?: |$)", re.MULTILINE), re.compile(r"^>{7}(?: |$)", re.MULTILINE)


def conflict(text: str) -> int:
    """The line where a merge that was not ended left its first mark; 0 if there is none."""
    begins, ends = (mark.search(text) for mark in _CONFLICT)
    return text.count("\n", 0, begins.start()) + 1 if begins and ends else 0


_NEWER = (
    ((3, 12), re.compile(r"\s*type +\w+ *(?:\[.*\])? *=|\s*(?:async +)?(?:def|class) +\w+ *\[")),
    ((3, 14), re.compile(r"\s*except +\w+ *,|.*(?<!\w)(?:t|tr|rt)[\"']", re.IGNORECASE)),
)
"""What a line looks like that only a newer Python reads, with the version that began to."""


def written_for(problem: SyntaxProblem, text: str) -> str:
    """What to add where a text looks as if it were for a newer Python than the one that grades; else ""."""
    lines = text.split("\n")
    line = lines[problem.line - 1][:1000] if problem.line <= len(lines) else ""
    nested = problem.message.startswith("f-string")  # since 3.12 an expression in one may have quotes as the string has
    wanted = next((version for version, looks in _NEWER if looks.match(line)), (3, 12) if nested else (0, 0))
    if wanted <= sys.version_info[:2]:
        return ""
    ours = ".".join(map(str, sys.version_info[:2]))
    return f" (this may be Python {'.'.join(map(str, wanted))}'s; what is handed in is graded with Python {ours})"


class CannotCompile(RuntimeError):
    """Python's compiler cannot be started on this machine, which is no fault of any text's."""


class Compiler:
    """Compiles texts one after the other; a context manager that leaves no process behind."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._characters = 0
        self._left = TOTAL_SECONDS

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def problem(self, text: str, *, cell: bool = False) -> SyntaxProblem | None:
        """Why `text` is not a Python module, or a notebook's cell, which may `await`; None if it is one.

        Raises:
            CannotCompile: the child does not start.
        """
        if "\0" in text:
            return SyntaxProblem(text.count("\n", 0, text.index("\0")) + 1, "a NUL byte, which no text has")
        self._characters += len(text)
        if self._characters > TOTAL_CHARACTERS or self._left <= 0:
            return SyntaxProblem(1, "there is too much of it to compile")
        try:
            data = text.encode()
        except UnicodeEncodeError as error:
            line = text.count("\n", 0, error.start) + 1
            return SyntaxProblem(line, "half of a surrogate pair, which is no character")
        self._start()
        began = time.monotonic()
        try:
            line, message = self._ask((b"c" if cell else b"m") + data)
        except OSError:
            self._end()
            return SyntaxProblem(1, "Python's compiler does not survive it")
        finally:
            self._left -= time.monotonic() - began
        return SyntaxProblem(line, message) if line else None

    def _start(self) -> None:
        """Start the child, unless it is there.

        Raises:
            CannotCompile: it does not start.
        """
        if self._child is not None:
            return
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-S", "-W", "ignore", "-c", CHILD],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={}, bufsize=0,
            )  # fmt: skip
            self._ask(b"m")
        except OSError as error:
            self._end()
            raise CannotCompile(f"Python's compiler cannot be started as {sys.executable}: {error}") from error

    def _ask(self, data: bytes) -> tuple[int, str]:
        assert self._child is not None
        assert self._child.stdin is not None
        left = memoryview(struct.pack(">I", len(data)) + data)
        while left:
            left = left[self._child.stdin.write(left) :]
        deadline = time.monotonic() + min(SECONDS, max(self._left, 0.0))
        size = struct.unpack(">I", self._read(4, deadline))[0]
        line, _, message = self._read(size, deadline).decode().partition(" ")
        return int(line), message[:MESSAGE_CHARACTERS]

    def _read(self, size: int, deadline: float) -> bytes:
        assert self._child is not None
        assert self._child.stdout is not None
        poll = select.poll()
        poll.register(self._child.stdout, select.POLLIN)
        data = b""
        while len(data) < size:
            ready = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
            part = self._child.stdout.read(size - len(data)) if ready else b""
            if not part:
                raise ChildProcessError("the compiler ended, or took too long")
            data += part
        return data

    def _end(self) -> None:
        if self._child is None:
            return
        self._child.kill()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was not yet written is of no interest
                    pipe.close()
        self._child.wait()
        self._child = None
