"""One check's process as the judge sees it: calls into it, the time they take, and how it ended."""

import contextlib
import math
import re
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor

from grader import faults
from grader.rpc import errors
from grader.rpc.connection import Connection
from grader.rpc.frames import Channel
from grader.rpc.limits import Closed, Violation
from grader.rpc.proxies import FunctionProxy
from grader.sandbox.guest.walls import MEMORY
from grader.sandbox.host.limits import Clock, Output
from grader.sandbox.host.memory import resident

FIRST_OBJECT = 1
"""The number under which a check's process knows the submission's module."""
SETTLE_SECONDS = 20
"""How long we wait to be told that all a process left is gone."""
END_SECONDS = 5
"""How long we wait, at its cost, to be told how a process ended that closed its connection: it may live on."""
MOST_MEMORY = 2 << 30
"""Bytes. While the judge holds more than so much of a check's, it takes no further message: half of the memory that it may use at all."""
TRACE = re.compile(r"^(?:Current thread 0x\w+|Stack) \(most recent call first\):$", re.M)
"""So begins what Python's faulthandler prints."""
KILLED_OURS = "it ended a process of the grader's in the jail"


class Session:
    """One check's process: the submission's module as `grader.checks.under_test.UnderTest` takes it, its functions called in the jail."""

    def __init__(
        self,
        sock: socket.socket,
        output: Output,
        control: socket.socket,
        names: frozenset[str],
        clock: Clock,
        told: Callable[[], dict],
        filename: str,
    ) -> None:
        self._names, self._filename = names, filename
        self.printed = ""
        self.running_line: int | None = None
        self._connection = WatchedConnection(
            WatchedChannel(sock, output, control, clock, told),
            describe_error=errors.describe,
            build_error=lambda data: submission_error(data, ""),
            catches=Exception,
            open_objects=False,
        )

    def replace(self, name: str, function: Callable[..., Any]) -> None:
        """Have the submission call a function of ours wherever it looks this name up in its module."""
        self._connection.set(FIRST_OBJECT, name, function)
        self._names |= {name}

    @property
    def timed_out(self) -> bool:
        return isinstance(self._connection.channel.dead, faults.TimedOut)

    def let_go(self) -> None:
        """Let go of what the check's process had the judge compute: it would stay for as long as the judge lives."""
        self._connection.forget()

    def hear_out(self, output: Output) -> None:
        """Take from what was printed, once the process is gone, its last lines, and the line that was running."""
        self.running_line, self.printed = last_words(output, self._filename)

    def __getattr__(self, name: str) -> FunctionProxy:
        if name not in self._names:
            raise AttributeError(name)
        return FunctionProxy(self._connection, FIRST_OBJECT, name, name)


class WatchedConnection(Connection):
    """The judge's end of the connection: what is wrong with an answer is tampering, as what is wrong with its framing is."""

    channel: "WatchedChannel"

    def call(self, target: int, method: str | None, args: tuple, kwargs: dict[str, Any]) -> Any:
        try:
            return super().call(target, method, args, kwargs)
        except Violation as error:
            raise self.channel.tampered(error) from error

    def get(self, target: int, name: str) -> Any:
        with self.channel.honest():
            return super().get(target, name)

    def set(self, target: int, name: str, value: Any) -> None:
        with self.channel.honest():
            super().set(target, name, value)

    def clone(self, target: int) -> Any:
        with self.channel.honest():
            return super().clone(target)

    def gradient(self, *args: Any) -> list[Tensor | None]:
        try:
            return super().gradient(*args)
        except Violation as error:
            raise self.channel.tampered(error) from error


class WatchedChannel(Channel):
    """A channel to a check's process that keeps the time, counts the output, and notices the end of the process."""

    def __init__(
        self,
        sock: socket.socket,
        output: Output,
        control: socket.socket,
        clock: Clock,
        told: Callable[[], dict],
    ) -> None:
        super().__init__(sock)
        sock.setblocking(False)
        self._output, self._control, self._clock, self._told = output, control, clock, told
        self._polls = {False: self._watching(select.POLLIN), True: self._watching(select.POLLOUT)}
        """What is waited for, to read and to write."""
        self.dead: BaseException | None = None
        self._since: float | None = None
        """Since when the clock runs: from when we wait for an answer until it is here, whatever we serve meanwhile."""
        self._held = resident()
        """What the judge held already when the check began."""
        self._asked = 0
        """How many of our requests wait for their answers: one within another does not stop the other's clock."""

    def _watching(self, event: int) -> select.poll:
        poll = select.poll()
        for fd, events in (
            (self.sock.fileno(), event),
            (self._control.fileno(), select.POLLIN),
            (self._output.reader, select.POLLIN),
        ):
            poll.register(fd, events)
        return poll

    def send(self, message: dict, tensors: list) -> None:
        if self.dead is not None:
            raise self.dead
        try:
            self._charge()
            super().send(message, tensors)
            self._asked += not _is_answer(message)
        except faults.CheckFault as fault:
            self.dead = fault
            raise
        except (Violation, Closed) as error:
            raise self._fault(error) from error

    def receive(self) -> tuple[dict, list]:
        if self.dead is not None:
            raise self.dead
        try:
            if self._since is None:
                self._since = time.monotonic()
            self._see_to_memory()
            message, tensors = super().receive()
            self._charge()
        except faults.CheckFault as fault:
            self.dead = fault
            raise
        except (Violation, Closed) as error:
            raise self._fault(error) from error
        if _is_answer(message):
            self._asked -= 1
            if self._asked <= 0:
                self._since = None
        return message, tensors

    def _charge(self) -> None:
        """Let the clock go on to now, if it runs.

        Raises:
            faults.TimedOut: its time is over.
        """
        if self._since is not None:
            now = time.monotonic()
            self._clock.spend(now - self._since)
            self._since = now
            if self._clock.left <= 0:
                raise self._clock.over()

    def _see_to_memory(self) -> None:
        """Refuse another message from a submission that has filled the judge's memory, with modules and with what gradients may be asked of.

        Raises:
            faults.OutOfMemory: that is so.
        """
        if resident() > self._held + MOST_MEMORY:
            raise faults.OutOfMemory(
                f"what it sent and asked for takes more than {MOST_MEMORY >> 30} GiB at the judge's"
            )

    @contextlib.contextmanager
    def honest(self) -> Iterator[None]:
        """What no honest connection sends is tampering, now and for the rest of the check."""
        try:
            yield
        except Violation as error:
            raise self.tampered(error) from error

    def tampered(self, violation: Violation) -> BaseException:
        """The fault that a violation is, from now on to the end of the check."""
        self.dead = faults.Tampered(f"it sent {violation}")
        return self.dead

    def _fault(self, error: Violation | Closed) -> BaseException:
        """What goes wrong on the wire, as the fault that it is; the first one stays."""
        if isinstance(error, Violation):
            return self.tampered(error)
        self.dead = self._how_it_ended()
        return self.dead

    def _receive_some(self, view: memoryview) -> int:
        while True:
            self._wait(writing=False)
            with contextlib.suppress(BlockingIOError):
                return super()._receive_some(view)

    def _send_some(self, pieces: list[memoryview | bytes]) -> int:
        while True:
            try:
                return super()._send_some(pieces)
            except BlockingIOError:
                self._wait(writing=True)

    def _wait(self, *, writing: bool) -> None:
        """Wait until the process can be read from, or written to."""
        asking = self._since is None  # the request itself does not go through
        self._since = self._since or time.monotonic()
        self._charge()
        poll, sock = self._polls[writing], self.sock.fileno()
        ready = {fd for fd, _ in poll.poll(math.ceil(max(self._clock.left, 0) * 1000))}
        if self._output.reader in ready and not self._output.drain():
            for watching in self._polls.values():
                watching.unregister(self._output.reader)
        if self._control.fileno() in ready and sock not in ready:
            raise Closed
        self._charge()
        if asking:
            self._since = None

    def _how_it_ended(self) -> BaseException:
        with self._clock.running():
            told = select.select([self._control], [], [], END_SECONDS)[0]
        if told:
            try:
                answer = self._told()
            except (faults.GraderFault, faults.Tampered) as fault:
                return fault
            if answer.get("op") == "unforked":
                return faults.LostGuest(f"no process could be made for a check: {str(answer.get('why'))[:200]}")
            if answer.get("op") == "zygote-ended":
                return faults.Tampered(KILLED_OURS)
            return ended(answer.get("status"), "")
        return faults.Crashed("its process closed the connection to the grader")


def _is_answer(message: dict) -> bool:
    return message.get("op") in ("return", "raise")


def last_words(output: Output, filename: str) -> tuple[int | None, str]:
    """The line of the submission that was running when it was asked to print that, and what was printed before."""
    output.rest()
    printed, *trace = TRACE.split(output.tail.decode(errors="replace"), maxsplit=1)
    places = re.findall(r'File "([^"]+)", line (\d{1,9})(?!\d)', "".join(trace))  # a submission may print one as well
    return next((int(line) for file, line in places if file == filename), None), printed


def submission_error(data: object, doing: str) -> faults.CheckFault:
    """What an exception means that the submission's process tells of."""
    if not isinstance(data, dict):
        return faults.Tampered("it sent an error that is none")
    error = faults.raised(data)
    found: faults.CheckFault = error
    if data.get("ordinary") is not True:
        found = faults.Crashed(f"{doing}raised {error.kind}, which ends a program")
    elif error.kind == "MemoryError" or "can't allocate memory" in error.text or "not enough memory" in error.text:
        limit = f"{MEMORY >> 30} GiB beside what torch takes to be imported"
        found = faults.OutOfMemory(f"{doing}met the memory limit of a process: {limit}")
    found.line = error.line
    return found


def ended(status: object, when: str) -> faults.CheckFault:
    """What it means that a process ended with this exit status (negative: by that signal)."""
    if type(status) is not int:
        return faults.Crashed(f"its process ended {when}".strip())
    if status >= 0:
        return faults.Crashed(f"it ended its process with exit status {status} {when}".strip())
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    if name == "SIGXCPU":
        return faults.TimedOut("its processor time is over")
    if name == "SIGXFSZ":
        return faults.OutputLimit("it wrote a file that is too large")
    return faults.Crashed(f"its process was ended by {name} {when}".strip())
