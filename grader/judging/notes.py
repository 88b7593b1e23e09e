"""What is noted beside verdicts: which piece of a submission ended early or could not be read, which exercises that concerns; whose others it was judged with."""

import re
from collections.abc import Iterable
from dataclasses import replace

from grader import faults
from grader.checks.run import Outcome
from grader.findings import modules_told
from grader.intake.sources import Places
from grader.intake.visible import one_line
from grader.sandbox.host.imported import Imported, Trouble

LABEL = "note"
OTHERS = "the other cells were run"
ABOVE = "what stands above it was graded"


class Notes:
    """What is to be said of the import of one section, exercise by exercise."""

    def __init__(self, text: str, places: Places, unread: dict[str, str]) -> None:
        """Prepare them.

        Args:
            text: the submission's source.
            places: where its cells are, if it is a notebook.
            unread: why the cell that would have defined an exercise could not be read, and what to do.
        """
        self.places, self._unread = places, unread
        self._lines = text.split("\n")

    def cut(self, stuck: faults.TimedOut | None) -> dict[str, int]:
        """For the jail: up to which line the piece is to be run in which an import was stuck, by the piece's first line."""
        return {str(self._piece(stuck.line)[1]): stuck.line} if stuck is not None and stuck.line else {}

    def with_stuck(self, imported: Imported, stuck: faults.TimedOut) -> Imported:
        """What an import left, with what was left out of it because an earlier one was stuck there."""
        at = stuck.line or 1
        return replace(imported, trouble=(*imported.trouble, Trouble(self._piece(at)[0], at, stuck)))

    def _piece(self, line: int) -> tuple[int, int]:
        """The number and the first line of the cell that holds a line; those of a module are 0 and 1."""
        return next(((cell[0], cell[1]) for cell in self.places.cells if cell[1] <= line <= cell[2]), (0, 1))

    def instead(self, name: str, imported: Imported) -> Outcome | None:
        """What an exercise's checks would have given, where there is nothing to run them on; None where there is."""
        if name in imported.uses:
            return self._other_value(name, imported)
        if trouble := next((one for one in imported.trouble if self.concerns(one, name, imported)), None):
            verdict = trouble.fault.verdict
            return Outcome("crash" if verdict in ("fail", "unfinished") else verdict, None, trouble.fault)
        if name in self._unread:
            fault = faults.Unread(self._unread[name])
            return Outcome(fault.verdict, None, fault)
        return None

    def _other_value(self, name: str, imported: Imported) -> Outcome | None:
        found = imported.rebound.get(name)
        if found is None or found.callable:
            return None
        was = "the name was given another value after it was defined" if found.before else "the name was given a value"
        kind = one_line(found.kind)
        fault = faults.Rebound(
            f"{was}, of type {kind}: nothing of the name {name} can be called; call this value something else"
        )
        fault.line = found.line
        return Outcome(fault.verdict, str(fault), fault)

    def concerns(self, trouble: Trouble, name: str, imported: Imported) -> bool:
        """Whether what ended early is the reason that an exercise is missing or incomplete.

        A cell is if it would have given the name a value, a module if the name is not there.
        """
        if not trouble.cell:
            return name not in imported.uses and not trouble.left_out
        cell = next((cell for cell in self.places.cells if cell[0] == trouble.cell), None)
        return cell is not None and _binds("\n".join(self._lines[cell[1] - 1 : cell[2]]), name)

    def of(self, name: str, verdict: str, imported: Imported) -> list[str]:
        """The notes on an exercise that got this verdict."""
        found = [
            self.sentence(one)
            for one in imported.trouble
            if self.concerns(one, name, imported) or (one.left_out and verdict not in ("pass", "unfinished"))
        ]
        if name in self._unread and verdict != faults.Unread.verdict:
            found.append(self._unread[name])
        again = imported.rebound.get(name)
        if again is not None and again.callable and again.before and verdict != "pass":
            found.append(f"{self.places.told(again.line)} gave {name} another value after it was defined")
        return found

    def general(self, names: Iterable[str], imported: Imported) -> list[str]:
        """The notes that concern none of these exercises."""
        names = list(names)
        return [
            self.sentence(one)
            for one in imported.trouble
            if not any(self.concerns(one, name, imported) for name in names)
        ]

    def sentence(self, trouble: Trouble) -> str:
        """Where something ended early, why, and what became of the rest."""
        where, fault = self.places.told(trouble.at), trouble.fault
        why = str(fault) if trouble.late else f"it {fault}"
        if isinstance(fault, faults.Raised):
            why = f"{fault.kind}: {fault.text}".rstrip(": ")
        if fault.line is not None and fault.line != trouble.at:
            why += f", in {self.places.told(fault.line)}"
        why = one_line(why, 300)
        if trouble.cell:
            return f"{where}: the cell ended there ({why}); {OTHERS}"
        if trouble.left_out:
            missing = isinstance(fault, faults.Raised) and isinstance(fault, ImportError)
            there = f". There are {modules_told()}" if missing else ""
            return f"{where}: this {'import' if missing else 'statement'} was left out ({why}), and the rest was run{there}"
        return f"importing stopped at {where} ({why}); {ABOVE}"


def told(notes: Iterable[str]) -> str:
    """Notes as lines of a message."""
    return "\n".join(f"{LABEL:<10} {note}" for note in notes)


def _binds(text: str, name: str) -> bool:
    """Whether a cell would have given the name a value, going by its look."""
    word = re.escape(name)
    defined = rf"^[ \t]*(?:async +)?(?:def|class) +{word}\b|^[ \t]*{word} *[:=](?!=)"
    imported = rf"^[ \t]*(?:from +\S+ +)?import [^\n]*(?:\b{word}\b|\*)"
    return re.search(f"{defined}|{imported}", text, re.MULTILINE) is not None


def blocked(names: list[str]) -> str:
    """What is said of an exercise that uses these, where ours cannot stand in for them."""
    return f"It uses {_and(names)}, which {'is' if len(names) == 1 else 'are'} not right yet: begin there."


def by_itself(verdict: str, names: list[str]) -> str:
    """What is said of an exercise that was judged with the course's functions in the place of those it uses."""
    theirs, yours = f"the course's {_and(names)}", "yours, which is" if len(names) == 1 else "yours, which are"
    if verdict == "pass":
        return f"Right by itself, with {theirs}; in your file it still meets {yours} not right yet."
    return f"judged     with {theirs} in place of {yours} not right yet"


def _and(names: list[str]) -> str:
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)
