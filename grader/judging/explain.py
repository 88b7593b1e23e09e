"""The message of a verdict: what was called, what came back, what was expected and why, or what went wrong instead."""

from exercises.checks.expect import LAST_CALL, Mismatch
from grader import faults
from grader.checks import Check, Outcome
from grader.course import Exercise

LONGEST = 4000
"""Characters of a message."""


class Called:
    """What had been called when a check ended; the note is overwritten by the next check, so it is taken at once."""

    def __init__(self) -> None:
        self.text = str(LAST_CALL[-1]) if LAST_CALL else ""


def after(found: Outcome) -> Outcome:
    """The outcome, with what was called last attached to its error."""
    if found.error is not None and not isinstance(found.error, Mismatch):
        found.error.__dict__["called"] = Called().text
    return found


def explain(found: Outcome, check: Check, exercise: Exercise, text: str) -> str:
    """A few lines about the first check that did not pass.

    Args:
        found: what it gave.
        check: the check.
        exercise: its exercise.
        text: the submission's source, of which the line at fault is quoted.
    """
    error = found.error
    if found.verdict == "unfinished":
        return f"{exercise.name} is still to be written."
    sentence = check.name.removeprefix(f"test_{exercise.name}_").replace("_", " ")
    facts = [("check", sentence)]
    if isinstance(error, Mismatch):
        facts += error.facts
    else:
        called = getattr(error, "called", "")
        facts += [("called", called)] if called else []
        facts += _what_happened(found, text)
    return "\n".join(f"{label:<10} {_indented(words)}" for label, words in facts)[:LONGEST]


def _indented(words: str) -> str:
    """Submitted text may have lines of its own: none of them begins where a label does."""
    return words.replace("\r", "\n").replace("\n", "\n" + " " * 11)


def _what_happened(found: Outcome, text: str) -> list[tuple[str, str]]:
    error = found.error
    if isinstance(error, faults.Raised):
        return [("raised", f"{error.kind}: {error.text}"), *_place(error, text)]
    if isinstance(error, faults.CheckFault):
        return [(found.verdict, str(error))]
    if isinstance(error, faults.GraderFault):
        return [("grader", f"This is the grader's fault, not the submission's: {error}")]
    return [("raised", f"the check could not use what came back ({type(error).__name__}: {error})")]


def _place(error: faults.Raised, text: str) -> list[tuple[str, str]]:
    lines = text.splitlines()
    if error.line is None or error.line > len(lines):
        return []
    return [("at", f"line {error.line}: {lines[error.line - 1].strip()[:200]}")]
