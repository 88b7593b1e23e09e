"""What crosses in a grading, counted: `python -m tests.bench.messages [section ...]` prints tables for the docs.

A call there and its answer are two messages. By kind: who asks whom for what; by check: which checks ask most.
"""

import contextlib
import sys
from collections import Counter

from grader.course import ROOT, section, sections
from grader.judging import sitting
from grader.judging.judge import Judge, Request, settle
from grader.rpc.connection import Connection
from grader.sandbox.host import isolation

SEED = 1
SHOWN = 12
"""So many kinds and checks are shown of a section; the rest is summed up."""


class Counting:
    """Counts the messages of this process's ends of connections while it is entered.

    Attributes:
        kinds: requests by who asks whom for what.
        checks: messages, there and back, by check.
    """

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.checks: Counter[str] = Counter()
        self._check = "?"

    @contextlib.contextmanager
    def on(self):
        exchange, serve, outcome = Connection.exchange, Connection._serve, sitting.outcome

        def counted_exchange(connection, request, tensors):
            self._count(f"the check asks the answer: {request['op']}")
            return exchange(connection, request, tensors)

        def counted_serve(connection, message, arrived):
            self._count(f"the answer asks the check: {self._asked(connection, message)}")
            return serve(connection, message, arrived)

        def counted_outcome(check, *rest):
            self._check = check.name
            return outcome(check, *rest)

        Connection.exchange, Connection._serve, sitting.outcome = counted_exchange, counted_serve, counted_outcome
        try:
            yield self
        finally:
            Connection.exchange, Connection._serve, sitting.outcome = exchange, serve, outcome

    def _count(self, kind: str) -> None:
        self.kinds[kind] += 1
        self.checks[self._check] += 2

    @staticmethod
    def _asked(connection: Connection, message: dict) -> str:
        """What is asked for: a call with the name of what is called, or another operation."""
        if message.get("op") != "call":
            return str(message.get("op"))
        target = connection.handles.exported(message.get("target"))
        name = (
            getattr(target, "__qualname__", type(target).__qualname__)
            .replace("<locals>.", "")
            .replace("<lambda>", "lambda")
        )
        return f"call {name}" + (f".{method}" if (method := message.get("method")) else "")


def tables(stems: list[str]) -> str:
    settle()
    lines: list[str] = []
    with contextlib.closing(Judge(isolation.choose())) as judge:
        for stem in stems:
            text = (ROOT / "solutions" / f"{stem}.py").read_text(encoding="utf-8")
            with Counting().on() as counted:
                judge.grade(Request(stem, f"{stem}.py", text, SEED, tuple(section(stem).exercises)))
            lines += [f"## {stem}: {counted.checks.total()} messages", ""]
            lines += _table("request", "times", counted.kinds) + _table("check", "messages", counted.checks)
    return "\n".join(lines)


def _table(what: str, count: str, counted: Counter[str]) -> list[str]:
    shown = counted.most_common(SHOWN)
    rest = counted.total() - sum(number for _, number in shown)
    rows = [*shown, *([("all others", rest)] if rest else [])]
    return [f"| {what} | {count} |", "| --- | --- |", *(f"| {name} | {number} |" for name, number in rows), ""]


if __name__ == "__main__":
    print(tables(sys.argv[1:] or list(sections())))
