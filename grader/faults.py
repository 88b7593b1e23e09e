"""What can go wrong around a check, apart from a wrong answer (which is `exercises.checks.expect.Mismatch`).

    CheckFault                a check could not be carried to an answer
    ├── Missing               the submission does not define what was asked for
    ├── Raised                the submission raised an exception; also an instance of that exception's built-in class
    ├── Crashed               its process ended, or it raised what is no Exception (SystemExit, KeyboardInterrupt)
    ├── TimedOut              it used up its time
    ├── OutOfMemory           it met its memory limit
    ├── OutputLimit           it wrote more than may be written
    └── Tampered              it broke the rules of the border
    GraderFault               ours, and never charged to a learner

`verdict_of` maps an exception to the verdict it means.
"""

import builtins

from exercises.checks.expect import Mismatch


class CheckFault(Exception):
    """A check could not be carried to an answer, by the submission's doing."""

    verdict = "fail"


class Missing(CheckFault, AttributeError):
    verdict = "unfinished"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not defined")


class Raised(CheckFault):
    """The submission raised an exception. Build with `raised`, which makes it catchable as what it was.

    Attributes:
        kind: the exception's class name.
        text: its message.
        place: where in the submission it happened, in words; "" if unknown.
        function: the qualified name of the function in which it was raised; "" if unknown.
    """

    kind = "Exception"
    text = ""
    place = ""
    function = ""

    @property
    def verdict(self) -> str:  # type: ignore[override]
        return "unfinished" if isinstance(self, NotImplementedError) else "fail"


def raised(kind: str, bases: list[str], text: str, place: str = "", function: str = "") -> Raised:
    """A `Raised` that is also an instance of the first of `bases` that names a built-in exception class."""
    builtin = next((found for name in bases if (found := _builtin_exception(name)) is not None), None)
    family = (Raised,) if builtin in (None, Exception) else (Raised, builtin)
    error = type("Raised" + (builtin.__name__ if builtin else ""), family, {})(f"{kind}: {text}")
    error.kind, error.text, error.place, error.function = kind, text, place, function
    return error


_PLAIN = {"ArithmeticError", "AssertionError", "AttributeError", "BufferError", "EOFError", "FloatingPointError",
          "ImportError", "IndexError", "KeyError", "LookupError", "MemoryError", "ModuleNotFoundError", "NameError",
          "NotImplementedError", "OverflowError", "RecursionError", "ReferenceError", "RuntimeError", "StopIteration",
          "TypeError", "UnboundLocalError", "ValueError", "ZeroDivisionError"}  # fmt: skip


def _builtin_exception(name: str) -> type[Exception] | None:
    return getattr(builtins, name) if name in _PLAIN else None


class Crashed(CheckFault):
    verdict = "crash"


class TimedOut(CheckFault):
    verdict = "timeout"


class OutOfMemory(CheckFault):
    verdict = "memory"


class OutputLimit(CheckFault):
    verdict = "output-limit"


class Tampered(CheckFault):
    verdict = "tamper"


class GraderFault(Exception):
    """The grader's own fault: never charged to a learner, retried once."""

    verdict = "grader-error"


def verdict_of(error: BaseException) -> str:
    """The verdict that an exception raised by a check means.

    An exception that is none of ours arose in the check while it handled what the submission returned: the checks
    never raise it on correct code, so it is a `fail`.
    """
    if isinstance(error, Mismatch):
        return "fail"
    return getattr(error, "verdict", "fail") if isinstance(error, CheckFault | GraderFault) else "fail"
