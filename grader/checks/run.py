"""One check, run on any implementation: what it gave."""

import linecache
import traceback
from typing import Any, NamedTuple

from exercises.checks.expect import LAST_CALL, Mismatch
from grader.checks.collect import Check
from grader.faults import Raised, verdict_of


class Outcome(NamedTuple):
    """What a check gave.

    Attributes:
        verdict: "pass", or what `faults.verdict_of` says; "unfinished" too for a stub in this process.
        got: what came back instead of the right answer (`Mismatch.got`), or "raised <class>"; None where it passed.
        error: the exception behind it; None where it passed.
        called: the last call into the code under test, as text; "" where it passed or none was made.
    """

    verdict: str
    got: Any
    error: BaseException | None
    called: str = ""


def outcome(check: Check, code: Any, seed: int) -> Outcome:
    """Run the check on `code` and say what it gave; only KeyboardInterrupt comes through."""
    try:
        check.run(code, seed)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        first = cause(error)
        called = str(LAST_CALL[-1]) if LAST_CALL else ""  # taken at once: the next check begins its own notes
        return Outcome("unfinished" if from_stub(first) else verdict_of(first), got_of(first), first, called)
    return Outcome("pass", None, None)


def cause(error: BaseException) -> BaseException:
    """The first exception in a group: Hypothesis wraps an answer that changes from call to call."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def got_of(error: BaseException) -> Any:
    """What an exception raised by a check says that the code under test gave."""
    if isinstance(error, Mismatch):
        return error.got
    return f"raised {error.kind if isinstance(error, Raised) else type(error).__name__}"


def from_stub(error: BaseException) -> bool:
    """Whether a stub's own line raised it: torch raises NotImplementedError too, for a dtype that it does not support."""
    if not isinstance(error, NotImplementedError) or isinstance(error, Raised):
        return False
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return "NotImplementedError" in linecache.getline(frame.filename, frame.lineno or 0)
