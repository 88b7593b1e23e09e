"""What became of a submission's import, as its own process tells it: parsed as what nobody believes, and of it labels only are made."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from grader import faults
from grader.rpc.messages import a_list, whole
from grader.sandbox.guest.running import MOST_TROUBLE
from grader.sandbox.host.session import submission_error

MOST_LINES = 1_000_000


@dataclass(frozen=True)
class Trouble:
    """A piece of the submission that ended early.

    Attributes:
        cell: the number of a notebook's cell; 0 for a module.
        at: the line of the submission's text at which it ended.
        fault: what was raised there, or that its time was over; its own line is where that arose.
        left_out: whether it was a statement of a module that was left out, and what stands below it was run.
    """

    cell: int
    at: int
    fault: faults.CheckFault
    left_out: bool = False

    @property
    def late(self) -> bool:
        return isinstance(self.fault, faults.TimedOut)


@dataclass(frozen=True)
class Rebound:
    """A name under which something else stands than the function or class that belongs there.

    Attributes:
        line: where it was given this value.
        kind: the value's type.
        callable: whether it can be called all the same.
        before: whether a function or class was defined under it before.
    """

    line: int
    kind: str
    callable: bool
    before: bool


@dataclass(frozen=True)
class Imported:
    """What an import left.

    Attributes:
        uses: the names that the module defines, and for each those that it uses.
        trouble: what ended early.
        rebound: names that were given another value.
        stubs: names of what can only raise NotImplementedError. Whoever lies about it has fewer checks that could pass.
    """

    uses: Mapping[str, frozenset[str]] = field(default_factory=dict)
    trouble: tuple[Trouble, ...] = ()
    rebound: Mapping[str, Rebound] = field(default_factory=dict)
    stubs: frozenset[str] = frozenset()

    @classmethod
    def told(cls, answer: dict, seconds: float) -> "Imported":
        """What an answer to "load" says; `seconds` is how long the import was let run."""
        return cls(
            _names(answer.get("uses")),
            tuple(
                _trouble(one, seconds) for one in a_list(answer.get("trouble"))[:MOST_TROUBLE] if isinstance(one, dict)
            ),
            _rebound(answer.get("values")),
            frozenset(name for name in a_list(answer.get("stubs")) if isinstance(name, str)),
        )

    def reaches(self, name: str, other: str) -> bool:
        """Whether one function or class of the module uses another, be it by way of a third."""
        seen: set[str] = set()
        ahead = [name]
        while ahead:
            here = ahead.pop()
            if here not in seen:
                seen.add(here)
                ahead += self.uses.get(here, frozenset())
        return other in seen


def _trouble(told: dict, seconds: float) -> Trouble:
    fault = submission_error(told, "")
    at = _line(told.get("at")) or 1
    cell = max(whole(told.get("cell")), 0)
    if told.get("late") is True:
        limit = f"the {seconds:g} s that {'a notebook' if cell else 'its import'} may take"
        fault = faults.TimedOut(f"half of what was left of {limit} is used up" if cell else f"{limit} are used up")
    fault.line = _line(told.get("line")) or at
    return Trouble(cell, at, fault, left_out=not cell and told.get("left_out") is True)


def _line(value: object) -> int | None:
    return value if type(value) is int and 0 < value < MOST_LINES else None


def _names(uses: object) -> dict[str, frozenset[str]]:
    """The module's names and what each uses."""
    if not isinstance(uses, dict):
        return {}
    return {
        name: frozenset(word for word in words if isinstance(word, str))
        for name, words in uses.items()
        if isinstance(words, list)
    }


def _rebound(values: object) -> dict[str, Rebound]:
    found = {}
    for name, told in values.items() if isinstance(values, dict) else ():
        if isinstance(told, list) and len(told) == 4 and (line := _line(told[0])):
            found[name] = Rebound(line, str(told[1])[:100], told[2] is True, told[3] is True)
    return found
