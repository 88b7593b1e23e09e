"""What a check found, told in a few lines: what was called, what came back, what was expected and why, and where to look.

A finding is made of facts, (label, text). At the desk `examine` takes them from the exception as it is here, with its
frames; in the judge `explain` takes them from what crossed, of which nothing is trusted: it is cut, and no line of it
begins where a label does. Frames of the checks, of Hypothesis and of torch are left out.
"""

import difflib
import importlib.util
import linecache
import re
import traceback
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

from torch import nn

from exercises.checks.expect import LAST_CALL, PLAIN, Mismatch
from grader.checks.collect import Check
from grader.checks.run import Evidence, Outcome, cause, evidence_of, from_stub
from grader.course import ROOT, Exercise, Section, sections
from grader.faults import CheckFault, GraderFault, Missing, Raised, RanOn, Unread
from grader.intake.sources import Places
from grader.intake.visible import one_line

Fact = tuple[str, str]
"""A label and what it says."""

LINES_PRINTED = 8
"""So many of the last lines that the learner's code printed are shown."""
KNOWN_MODULES = ("torch", "numpy", "scipy", "einops", "matplotlib", "pandas", "sklearn", "tqdm", "torchvision", "diffusers",
                 "torchdiffeq", "jaxtyping", "exercises.toolkit")  # fmt: skip
"""What people import, and may find where they are graded."""
LONGEST = 4000
"""Characters of a message."""
LONG = 500
"""Characters of what an exception says, and of a line: text of the learner's own making is cut there."""
FRAMES = 6
"""So many lines of the learner's own file are shown of the way to where something was raised; of a recursion both ends."""

MEANT = {
    "index out of range in self": "an nn.Embedding of n rows has the rows 0 to n - 1, and was asked for another",
    "the same dtype": "two dtypes meet in this line: a check's numbers may be float64, and what your code makes beside them has to be of their dtype",
}
"""What torch says, and what it means by it."""
ELSEWHERE = ("the same dtype", "the same device", "Expected all tensors to be on")
"""What torch says where a layer was not moved with its network."""
INNER = frozenset(vars(nn.Module()))


def told(facts: list[Fact]) -> str:
    """The facts as text, a line each."""
    return "\n".join(f"{label:<10} {text}" for label, text in facts)


# ----------------------------------------------------------------------------------------------------- at the desk


@dataclass
class Finding:
    """One check that did not pass.

    Attributes:
        check: its name.
        verdict: "fail" or "unfinished".
        facts: in the order in which they are told.
        error: the exception behind it.
        stub: the exercise whose `raise NotImplementedError` was reached, or which is not defined; "" if none.
        printed: what the learner's code wrote during the check.
        evidence: what tells one mistake from another.
        opened: whether the reason is told whole, and not without what would give the answer away.
    """

    check: str
    verdict: str
    facts: list[Fact]
    error: BaseException
    stub: str = ""
    printed: str = ""
    evidence: Evidence | None = None
    opened: bool = False

    @property
    def withheld(self) -> bool:
        """Whether a part of the reason is not told."""
        return not self.opened and isinstance(self.error, Mismatch) and self.error.hinted != self.error.why

    @property
    def lines(self) -> list[Fact]:
        """The facts, and the last lines that were printed."""
        printed = [_cut(line) for line in self.printed.rstrip().splitlines()[-LINES_PRINTED:]]
        facts = list(self.facts)
        if self.withheld and isinstance(self.error, Mismatch):
            hinted = [("because", self.error.hinted)] if self.error.hinted else []
            place = facts.index(("because", self.error.why))
            facts[place : place + 1] = hinted
        return [*facts, *([("printed", "\n".join(printed))] if printed else [])]

    def __str__(self) -> str:
        return told(self.lines)


def examine(error: BaseException, check: str, section: Section, files: Collection[str] = ()) -> Finding:
    """The finding behind an exception that a check of this section raised, before anything else is checked.

    Args:
        error: what it raised.
        check: its name.
        section: its section.
        files: what the learner's code is called in tracebacks, where it is not in the section's file.
    """
    error = cause(error)
    finding = _examined(error, check, section, {str(section.stub), *files})
    finding.evidence = evidence_of(error)
    return finding


def _examined(error: BaseException, check: str, section: Section, files: Collection[str]) -> Finding:
    own = [entry for entry in _entries(error) if entry.tb_frame.f_code.co_filename in files]
    if isinstance(error, Missing):
        return Finding(check, "unfinished", [("missing", str(error))], error, stub=str(error).split()[0])
    if from_stub(error) and own:
        return Finding(check, "unfinished", [("unfinished", _place(own[-1]))], error, stub=_owner(own[-1], section))
    at = _way(own)
    if isinstance(error, RanOn):
        called = [("called", str(LAST_CALL[-1]))] if LAST_CALL else []
        return Finding(check, "fail", [*called, ("ran on", str(error)), *_running(own)], error)
    if isinstance(error, Mismatch):
        return Finding(check, "fail", [*error.facts, *at], error)
    if type(error) is AssertionError and not own:  # a test of the end says in its own words what it found
        return Finding(check, "fail", [("found", str(error).split("\nassert ")[0])], error)
    called = [("called", str(LAST_CALL[-1]))] if LAST_CALL else []
    return Finding(check, "fail", [*called, *_raised(error, at), *_meant(error, own)], error)


def _way(own: list[TracebackType]) -> list[Fact]:
    """Where it happened, and each line of the learner's own file from which that was called, the innermost first."""
    inner = list(reversed(own))
    if len(inner) > FRAMES:
        half = FRAMES // 2
        left_out = ("from", f"... {len(inner) - FRAMES} lines more of the way")
        shown = [("from", _place(entry)) for entry in inner]
        way = [*shown[:half], left_out, *shown[-half:]]
    else:
        way = [("from", _place(entry)) for entry in inner]
    return [("at", way[0][1]), *way[1:]] if way else []


def _running(own: list[TracebackType]) -> list[Fact]:
    if not own:
        return [("at", "no line of your own: what it returned, or what it called, runs on")]
    return [("running", _place(own[-1])), *_way(own)[1:]]


def _raised(error: BaseException, at: list[Fact]) -> list[Fact]:
    message = _cut("".join(traceback.format_exception_only(_without_notes(error))).strip())
    if at or isinstance(error, CheckFault):
        return [("raised", message), *at]
    return [("raised", message), ("at", "the call itself, or the use that the check made of what came back")]


def _meant(error: BaseException, own: list[TracebackType]) -> list[Fact]:
    """What torch's words mean, where they do not say where to look."""
    said = str(error)
    meant = [meaning for words, meaning in MEANT.items() if words in said]
    if any(words in said for words in ELSEWHERE):
        meant = [hidden for entry in own if (hidden := _unseen(entry.tb_frame.f_locals.get("self")))][:1] or meant
    return [("note", "; ".join(meant))] if meant else []


def _unseen(network: Any) -> str:
    """Layers of a network that torch does not see, for where they lie; "" if there are none."""
    if not isinstance(network, nn.Module):
        return ""
    for name, value in vars(network).items():
        inside = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
        if name not in INNER and any(isinstance(one, nn.Module | nn.Parameter) for one in inside):
            return f"self.{name} is a plain {type(value).__name__} of layers, which stay in their dtype and on their device; {PLAIN}"
    return ""


def _cut(text: str) -> str:
    return text if len(text) <= LONG else f"{text[:LONG]}... ({len(text)} characters)"


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


def _place(entry: TracebackType) -> str:
    path, line = Path(entry.tb_frame.f_code.co_filename), entry.tb_lineno
    source = _cut(linecache.getline(str(path), line).strip())
    where = f"{path.relative_to(ROOT)}:{line}" if path.is_relative_to(ROOT) else f"line {line} of your cell"
    return f"{where}, in {entry.tb_frame.f_code.co_qualname}:  {source}"


def _owner(entry: TracebackType, section: Section) -> str:
    """The exercise in whose code the entry is; a method belongs to its class."""
    name = entry.tb_frame.f_code.co_qualname.split(".")[0]
    return name if name in section.exercises else ""


# ----------------------------------------------------------------------------------------------------- in the judge


def explain(found: Outcome, check: Check, exercise: Exercise, text: str, places: Places | None = None) -> str:
    """A few lines about the first check that did not pass.

    Args:
        found: what it gave.
        check: the check.
        exercise: its exercise.
        text: the submission's source, of which the line at fault is quoted.
        places: where a notebook's cells are in it.
    """
    if found.verdict == "unfinished":
        said = f"{exercise.name} is still to be written."
        return said + (_elsewhere(exercise.name, text, places or Places()) if isinstance(found.error, Missing) else "")
    if isinstance(found.error, Unread):
        return str(found.error)
    facts = [("check", check.sentence)]
    if isinstance(found.error, Mismatch):
        facts += found.error.facts
    else:
        facts += [("called", found.called)] if found.called else []
        facts += _what_happened(found, text, places or Places())
    return told([(label, _indented(words)) for label, words in facts])[:LONGEST]


_DEFINED = re.compile(r"^([ \t]*)(?:async +)?(?:def|class) +(\w+)", re.MULTILINE)
MOST_DEFINED = 1000
"""So many definitions are looked at where one is missing; an honest text has some tens."""


def _elsewhere(name: str, text: str, places: Places) -> str:
    """Where a text that does not define a name at its top level has it within something, or one that is nearly the same; else ""."""
    ours = {known for section in sections().values() for known in section.exercises}
    defined = list(islice(_definitions(text), MOST_DEFINED))
    for indent, other, line in defined:
        if other == name and indent:
            return f" The one in {places.told(line)} is indented into something else: move it to the left margin."
    others = {other: line for indent, other, line in defined if not indent and other not in ours}
    folded = {other.casefold().replace("_", ""): other for other in others}
    near = difflib.get_close_matches(name.casefold().replace("_", ""), folded, 1, cutoff=0.9)
    if not near:
        return ""
    return f" Is {one_line(folded[near[0]])} ({places.told(others[folded[near[0]]])}) meant?"


def _definitions(text: str) -> Iterator[tuple[str, str, int]]:
    """What a text defines, going by its look: the indentation, the name and the line of each."""
    line, counted = 1, 0
    for found in _DEFINED.finditer(text):
        line += text.count("\n", counted, found.start(2))
        counted = found.start(2)
        yield found[1], found[2], line


def _indented(words: str) -> str:
    """Submitted text may have lines of its own: none of them begins where a label does."""
    return words.replace("\r", "\n").replace("\n", "\n" + " " * 11)


def _what_happened(found: Outcome, text: str, places: Places) -> list[Fact]:
    error = found.error
    if isinstance(error, Raised):
        return [("raised", f"{error.kind}: {error.text}"), *_quoted(error, text, places), *_modules(error)]
    if isinstance(error, CheckFault):
        return [(found.verdict, str(error)), *_quoted(error, text, places), *_printed(error)]
    if isinstance(error, GraderFault):
        return [("grader", f"This is the grader's fault, not the submission's: {error}")]
    if isinstance(error, AssertionError):  # a plain one, of the instructor's own
        return [("because", str(error) or "what the check asserts does not hold")]
    return [("raised", f"the check could not use what came back ({type(error).__name__}: {error})")]


def _printed(error: CheckFault) -> list[Fact]:
    """The last lines that the submission printed before it was stopped."""
    lines = error.printed.rstrip().splitlines()[-LINES_PRINTED:]
    return [("printed", "\n".join(line[:200] for line in lines))] if lines else []


def _modules(error: Raised) -> list[Fact]:
    """Of a module that is not there: which are."""
    return [("there are", modules_told())] if error.kind == "ModuleNotFoundError" else []


def modules_told() -> str:
    """What a submission can import."""
    there = ", ".join(name for name in KNOWN_MODULES if importlib.util.find_spec(name))
    return f"Python's own modules, and {there}; files beside the section's are not read"


def _quoted(error: CheckFault, text: str, places: Places) -> list[Fact]:
    lines = text.split("\n")  # as the compiler counts
    if error.line is None or error.line > len(lines):
        return []
    return [("at", f"{places.told(error.line)}: {lines[error.line - 1].strip()[:200]}")]
