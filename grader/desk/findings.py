"""What a check found at the desk, told in the few lines that a learner reads.

A finding is made of facts, (label, text): what was called, what came back, what was expected and why, and where in the
learner's file to look. Frames of the checks, of Hypothesis and of torch are left out.
"""

import linecache
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from exercises.checks.expect import LAST_CALL, Mismatch
from grader.checks import from_stub
from grader.course import ROOT, Section
from grader.faults import CheckFault, Missing

LINES_PRINTED = 8
"""So many of the last lines that the learner's code printed are shown."""


@dataclass
class Finding:
    """One check that did not pass.

    Attributes:
        check: its name.
        verdict: "fail" or "unfinished".
        facts: (label, text), in the order in which they are told.
        error: the exception behind it.
        stub: the exercise whose `raise NotImplementedError` was reached, or which is not defined; "" if none.
        printed: what the learner's code wrote during the check.
    """

    check: str
    verdict: str
    facts: list[tuple[str, str]]
    error: BaseException
    stub: str = ""
    printed: str = ""

    @property
    def lines(self) -> list[tuple[str, str]]:
        """The facts, and the last lines that were printed."""
        printed = self.printed.rstrip().splitlines()[-LINES_PRINTED:]
        return [*self.facts, *([("printed", "\n".join(printed))] if printed else [])]

    def __str__(self) -> str:
        return "\n".join(f"{label:<10} {text}" for label, text in self.lines)


def examine(error: BaseException, check: str, section: Section) -> Finding:
    """The finding behind an exception that a check of this section raised."""
    error = cause(error)
    own = [entry for entry in _entries(error) if Path(entry.tb_frame.f_code.co_filename) == section.stub]
    if isinstance(error, Missing):
        return Finding(check, "unfinished", [("missing", str(error))], error, stub=str(error).split()[0])
    if from_stub(error) and own:
        return Finding(check, "unfinished", [("unfinished", _place(own[-1]))], error, stub=_owner(own[-1], section))
    at = [("at", _place(own[-1]))] if own else []
    if isinstance(error, Mismatch):
        return Finding(check, "fail", [*error.facts, *at], error)
    if type(error) is AssertionError and not own:  # a test of the end says in its own words what it found
        return Finding(check, "fail", [("found", str(error).split("\nassert ")[0])], error)
    return Finding(check, "fail", [*_called(), *_raised(error, at)], error)


def cause(error: BaseException) -> BaseException:
    """The first exception in a group: Hypothesis wraps an answer that changes from call to call."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _called() -> list[tuple[str, str]]:
    return [("called", str(LAST_CALL[-1]))] if LAST_CALL else []


def _raised(error: BaseException, at: list[tuple[str, str]]) -> list[tuple[str, str]]:
    message = "".join(traceback.format_exception_only(_without_notes(error))).strip()
    if at or isinstance(error, CheckFault):
        return [("raised", message), *at]
    return [("raised", message), ("at", "the call itself, or the use that the check made of what came back")]


def _without_notes(error: BaseException) -> BaseException:
    """Hypothesis notes the falsifying example on the exception; what was called says it shorter."""
    if hasattr(error, "__notes__"):
        del error.__notes__
    return error


def trim(error: BaseException, section: Section, check_file: Path) -> BaseException:
    """Let the traceback end in the learner's code, or else in the check: there a post-mortem debugger opens."""
    entries = _entries(error)
    own = [entry for entry in entries if Path(entry.tb_frame.f_code.co_filename) == section.stub]
    ours = [entry for entry in entries if Path(entry.tb_frame.f_code.co_filename) == check_file]
    for last in (own or ours)[-1:]:
        last.tb_next = None
    return error


def _entries(error: BaseException) -> list[TracebackType]:
    def walk(entry: TracebackType | None) -> Iterator[TracebackType]:
        while entry is not None:
            yield entry
            entry = entry.tb_next

    return list(walk(error.__traceback__))


def _source(entry: TracebackType) -> str:
    return linecache.getline(entry.tb_frame.f_code.co_filename, entry.tb_lineno).strip()


def _place(entry: TracebackType) -> str:
    path = Path(entry.tb_frame.f_code.co_filename).relative_to(ROOT)
    return f"{path}:{entry.tb_lineno}, in {entry.tb_frame.f_code.co_qualname}:  {_source(entry)}"


def _owner(entry: TracebackType, section: Section) -> str:
    """The exercise in whose code the entry is; a method belongs to its class."""
    name = entry.tb_frame.f_code.co_qualname.split(".")[0]
    return name if name in section.exercises else ""
