"""What can go wrong around a check, apart from a wrong answer (which is `exercises.checks.expect.Mismatch`).

    CheckFault                a check could not be carried to an answer, by the submission's doing
    ├── Missing               it does not define what was asked for
    ├── Raised                it raised an exception; also an instance of that exception's built-in class
    ├── Crashed               its process ended, or it raised what is no Exception (SystemExit, KeyboardInterrupt)
    ├── TimedOut              it used up its time
    ├── OutOfMemory           it met its memory limit
    ├── OutputLimit           it wrote more than may be written
    ├── Rebound               something else stands under the name of what was asked for
    ├── Unread                the cell that would define what was asked for cannot be read
    └── Tampered              it broke the rules of the connection
    GraderFault               ours: never charged to a learner
    └── LostGuest              the process that keeps a submission in is gone, or makes no check; twice is the submission's doing
    RanOn                     at the desk: an answer ran on and was interrupted

`verdict_of` maps an exception to the verdict it means.
"""

import builtins
from functools import cache

from grader.rpc.errors import builtin_class


class CheckFault(Exception):
    """A check could not be carried to an answer, by the submission's doing.

    Attributes:
        line: the line of the submission where it happened, or that was running; None if unknown.
        printed: the end of what the submission printed meanwhile.
    """

    verdict = "fail"
    line: int | None = None
    printed: str = ""


class Missing(CheckFault, AttributeError):
    """The submission does not define what was asked for."""

    verdict = "unfinished"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not defined")


class Raised(CheckFault):
    """The submission raised an exception. `raised` makes one that can be caught as what it was.

    Attributes:
        kind: the exception's class name.
        text: its message.
        function: the function around that line; "" if unknown.
        innermost: whether the exception arose there, and not in a library called from there.
    """

    kind: str
    text: str
    function: str
    innermost: bool


CALLED = "a tensor called as a function"


def ended(error: BaseException) -> str:
    """What is kept of an exception: its class, and of the one that says what is wrong in every case, that too."""
    kind, text = (error.kind, error.text) if isinstance(error, Raised) else (type(error).__name__, str(error))
    return f"raised {kind}" + (f": {CALLED}" if text == "'Tensor' object is not callable" else "")


class Crashed(CheckFault):
    """The submission's process ended, or it raised SystemExit or the like."""

    verdict = "crash"


class TimedOut(CheckFault):
    """The submission used up its time."""

    verdict = "timeout"


class OutOfMemory(CheckFault):
    """The submission met its memory limit."""

    verdict = "memory"


class OutputLimit(CheckFault):
    """The submission wrote more than may be written."""

    verdict = "output-limit"


class Rebound(CheckFault):
    """Under the name of what was asked for stands something that cannot be called."""


class Unread(CheckFault):
    """The notebook's cell that would have defined what was asked for cannot be read."""

    verdict = "not-gradable"


class Tampered(CheckFault):
    """The submission sent what no honest code can send."""

    verdict = "tamper"


class GraderFault(Exception):
    """The grader's own fault: never charged to a learner, retried once."""

    verdict = "grader-error"


class LostGuest(GraderFault):
    """The process that keeps a submission in is gone, or does not work any more. Once it may be our fault."""


class RanOn(BaseException):
    """At the learner's desk: an answer ran on, and was interrupted. No Exception, so that `except Exception` lets it through."""


@cache
def _raised_class(name: str) -> type[Raised]:
    builtin = getattr(builtins, name)
    family = (Raised,) if builtin is Exception else (Raised, builtin)
    verdict = "unfinished" if issubclass(builtin, NotImplementedError) else "fail"
    return type(f"Raised{builtin.__name__}", family, {"verdict": verdict})


def raised(data: dict) -> Raised:
    """A `Raised` from what `errors.describe` said on the other side of the connection, or here; nothing in it is trusted."""
    bases, line = data.get("bases"), data.get("line")
    kind, text, function = (str(data.get(key, ""))[:2000] for key in ("kind", "text", "function"))
    family = _raised_class(builtin_class(bases if isinstance(bases, list) else []).__name__)
    error = family(f"{kind}: {text}")
    error.kind, error.text, error.function = kind, text, function
    error.line = line if type(line) is int and 0 < line < 1_000_000 else None
    error.innermost = data.get("innermost") is True
    return error


def verdict_of(error: BaseException) -> str:
    """The verdict that an exception raised by a check means.

    What is none of ours arose in the check while it handled what the submission returned: the checks raise no such
    thing on correct code, so it is a `fail`.
    """
    return error.verdict if isinstance(error, CheckFault | GraderFault) else "fail"
