"""Exceptions as plain data: what one side of the connection says of an error, and what the other makes of it."""

import builtins
import traceback
from types import TracebackType

MAX_TEXT = 2000
"""Characters of an exception's message that cross."""

CROSSING = frozenset(
    {
        "ArithmeticError",
        "AssertionError",
        "AttributeError",
        "BufferError",
        "EOFError",
        "Exception",
        "FloatingPointError",
        "ImportError",
        "IndexError",
        "KeyError",
        "LookupError",
        "MemoryError",
        "ModuleNotFoundError",
        "NameError",
        "NotImplementedError",
        "OSError",
        "OverflowError",
        "RecursionError",
        "ReferenceError",
        "RuntimeError",
        "TypeError",
        "UnboundLocalError",
        "ValueError",
        "ZeroDivisionError",
    }
)
"""The built-in classes that an exception may be on the other side. Not StopIteration: it would end a loop of a check's."""


def describe(error: BaseException, filename: str = "") -> dict:
    """An exception as plain data.

    Args:
        error: the exception.
        filename: where the code under test is; the innermost line in it is told.
    """
    data = {
        "kind": _clean(type(error).__name__),
        "bases": [kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins"],
        "text": _clean(_text(error)),
        "ordinary": isinstance(error, Exception),
    }
    return data | (_place(error.__traceback__, filename) if filename else {})


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # an exception whose own __str__ raises
        return f"<its message cannot be shown: {type(broken).__name__}>"


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()[:MAX_TEXT]


def _place(trace: TracebackType | None, filename: str) -> dict:
    """The innermost frame in the file, and whether it is where the exception arose."""
    frames = [(frame, line) for frame, line in traceback.walk_tb(trace) if frame.f_code.co_filename == filename]
    if not frames:
        return {}
    frame, line = frames[-1]
    *_, (last, _) = traceback.walk_tb(trace)
    return {
        "line": line,
        "function": _clean(frame.f_code.co_qualname),
        "innermost": last is frame,
    }


def builtin_class(bases: list) -> type[Exception]:
    """The most special class of `bases` that may cross; `Exception` if none may."""
    for name in bases:
        if isinstance(name, str) and name in CROSSING:
            return getattr(builtins, name)
    return Exception
