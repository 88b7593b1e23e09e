"""One check, run on any implementation: what it gave."""

import linecache
import traceback
from typing import Any, NamedTuple

from torch import Tensor

from exercises.checks.expect import LAST_CALL, Mismatch
from exercises.checks.notes import FORWARDS, NOTES, Note
from grader.checks.collect import Check
from grader.faults import Raised, ended, verdict_of

SAID = 200
"""So much is kept of an exception's message."""


class Evidence(NamedTuple):
    """What an answer left behind in a check that it failed.

    Attributes:
        got: what came back instead of the right answer (`Mismatch.got`), or "raised <class>" (`faults.ended`).
        notes: what each call of the answer returned, and what it asked the models.
        near: the relative and the absolute tolerance with which the check compared, where it did.
        given: the shapes of the tensors that the answer was last called with.
        said: the beginning of the message of the exception that ended it; "" where a check found it wrong.
        forwards: how often the check had called a network of the answer.
    """

    got: Any
    notes: tuple[Note, ...] = ()
    near: tuple[float, float] = (0.0, 0.0)
    given: tuple[tuple[int, ...], ...] = ()
    said: str = ""
    forwards: int = 0


class Outcome(NamedTuple):
    """What a check gave.

    Attributes:
        verdict: "pass", or what `faults.verdict_of` says; "unfinished" too for a stub in this process.
        got: what came back instead of the right answer (`Mismatch.got`), or "raised <class>"; None where it passed.
        error: the exception behind it; None where it passed.
        called: the last call into the code under test, as text; "" where it passed or none was made.
        evidence: what tells one mistake from another; None where it passed.
    """

    verdict: str
    got: Any
    error: BaseException | None
    called: str = ""
    evidence: Evidence | None = None


def outcome(check: Check, code: Any, seed: int) -> Outcome:
    """Run the check on `code` and say what it gave; only KeyboardInterrupt comes through."""
    try:
        check.run(code, seed)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        first = cause(error)
        called = str(LAST_CALL[-1]) if LAST_CALL else ""  # taken at once: the next check begins its own notes
        evidence = evidence_of(first)
        verdict = "unfinished" if from_stub(first) else verdict_of(first)
        return Outcome(verdict, evidence.got, first, called, evidence)
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
    return ended(error)


def evidence_of(error: BaseException) -> Evidence:
    """What the answer left behind in the check that just raised this."""
    near = error.near if isinstance(error, Mismatch) else (0.0, 0.0)
    values = (*LAST_CALL[-1].args, *LAST_CALL[-1].kwargs.values()) if LAST_CALL else ()
    given = tuple(tuple(value.shape) for value in values if isinstance(value, Tensor))
    text = error.text if isinstance(error, Raised) else str(error)
    said = "" if isinstance(error, Mismatch) else text[:SAID]
    return Evidence(got_of(error), tuple(NOTES), near, given, said, len(FORWARDS))


def from_stub(error: BaseException) -> bool:
    """Whether a stub's own line raised it: torch raises NotImplementedError too, for a dtype that it does not support."""
    if not isinstance(error, NotImplementedError) or isinstance(error, Raised):
        return False
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return "NotImplementedError" in linecache.getline(frame.filename, frame.lineno or 0)
