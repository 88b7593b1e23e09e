"""The judge's side of the jail: start it, put a submission in, and open a check.

Sandbox   the jail, with a warm fork server in it; serves one submission after the other
Guest     one section of one submission: its module is imported once
Session   one check: a fresh fork of the guest (`grader.sandbox.host.session`)
"""

import contextlib
import itertools
import os
import select
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO

from grader import faults
from grader.sandbox.guest.orders import OrderError, receive_order, send_order
from grader.sandbox.host.cgroup import Cgroup
from grader.sandbox.host.command import command, environment, layers_of
from grader.sandbox.host.imported import Imported
from grader.sandbox.host.limits import Clock, Output
from grader.sandbox.host.scratch import Scratch
from grader.sandbox.host.session import (
    KILLED_OURS,
    SETTLE_SECONDS,
    Session,
    ended,
    last_words,
)

TRACE_SECONDS = 0.5
"""How long a process that hangs has to print where it is."""
IMPORT_SHARE = 0.9
"""Of the time for an import, after which the jail itself ends it, so that what was defined can be graded."""
CLOSE_SECONDS = {True: 1, False: 10}
"""How long a jail may take to end by itself. Short where it has namespaces (True): there all that is in it ends when we kill it."""
START_SECONDS = 120
"""How long a jail may take to start; torch's import on a loaded machine is most of it."""


class Sandbox:
    """A sandbox that is warm: torch is imported, nothing of a submission is."""

    def __init__(self, level: str) -> None:
        """Start a jail.

        Raises:
            faults.GraderFault: it does not start; the message says what the sandbox said.
        """
        self.level = level
        self._guests = itertools.count(1)
        with contextlib.ExitStack() as ends, tempfile.TemporaryFile() as said:
            try:
                self._start(level, said, ends)
                self._control.settimeout(START_SECONDS)
                receive_order(self._control)
                self._control.settimeout(None)
            except (OrderError, OSError) as error:
                ends.close()  # then it has said all that it says
                said.seek(0)
                reason = said.read(2000).decode(errors="replace").strip()
                raise faults.GraderFault(f"the jail ({level}) does not start: {reason or error}") from error
            self._ends = ends.pop_all()

    def _start(self, level: str, said: IO[bytes], ends: contextlib.ExitStack) -> None:
        """Start its process, which says to a file what goes wrong; `ends` gets what is to be done in the end."""
        scratch = Scratch()
        ends.callback(scratch.close)
        self._group = Cgroup() if "cgroup" in layers_of(level) else None
        if self._group is not None:
            ends.callback(self._group.close)
        self._control, theirs = socket.socketpair()
        ends.enter_context(self._control)
        with theirs:
            words = command(level, "forkserver", "main", str(scratch.path), control_fd=theirs.fileno())
            self._process = subprocess.Popen(
                self._group.around(words) if self._group is not None else words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                cwd=scratch.path,
                pass_fds=[theirs.fileno()],
                close_fds=True,
                env=environment(str(scratch.path)),
            )
        ends.callback(self._end)

    def admit(
        self,
        stem: str,
        filename: str,
        text: str,
        seed: int,
        clock: Clock,
        cells: Sequence[Sequence[int]] = (),
        cut: Mapping[str, int] | None = None,
        times: float = 1.0,
    ) -> "Guest":
        """Put a section of a submission into a guest of its own and import it.

        Args:
            stem: the section.
            filename: what tracebacks call the submission.
            text: its source.
            seed: what its generators start from.
            clock: the time that the import may take.
            cells: of a notebook, each cell's number, first and last line; each is run by itself.
            cut: by the first line of a piece (a cell, or all of a module), the line from which on it is not run.
            times: as much time as usual that the course gives it, for the limit on the processor's.

        Raises:
            faults.CheckFault: the import hangs, crashes, raises, prints too much.
            faults.LostGuest: the jail is gone, or does not work.
            faults.GraderFault: it did not work before anything of the submission ran in this guest.
        """
        ours, theirs = socket.socketpair()
        number = next(self._guests)
        try:
            send_order(self._control, {"op": "supervisor", "guest": number, "times": times}, [theirs.fileno()])
        except OrderError as error:
            ours.close()
            raise faults.LostGuest("the jail is gone") from error
        finally:
            theirs.close()
        guest = Guest(ours, filename, "bwrap" in layers_of(self.level), lambda: self._over(number))
        try:
            guest.load(text, clock, {"stem": stem, "seed": seed, "cells": cells, "cut": cut or {}})
        except BaseException:
            guest.close()
            raise
        return guest

    def _over(self, number: int) -> None:
        """Have the forkserver see to it that nothing of a guest lives on, before it lets another in: it may keep its supervisor busy."""
        with contextlib.suppress(OrderError):  # the jail is closed already, and everything in it gone
            send_order(self._control, {"op": "over", "guest": number})

    def _end(self) -> None:
        self._control.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(CLOSE_SECONDS["bwrap" in layers_of(self.level)])
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """End the jail and everything in it; once is enough."""
        self._ends.close()


class Guest:
    """A section of a submission in the jail."""

    def __init__(self, control: socket.socket, filename: str, guarded: bool, over: Callable[[], None]) -> None:
        """Hold a guest.

        Args:
            control: the supervisor's socket.
            filename: what tracebacks call the submission.
            guarded: whether the supervisor is out of the submission's reach; if not, its end is the submission's doing.
            over: to be called when the guest is closed.
        """
        self.filename, self._guarded, self._over = filename, guarded, over
        self.imported = Imported()
        """What the import left; what was defined can be called, whatever ended early."""
        self._control = control
        self.lost = False
        """Whether its supervisor is gone, or does not work any more: nothing can be asked of it."""
        self._broken: faults.GraderFault | None = None
        """What the supervisor said when it did not work any more."""
        self._loading = False
        """Whether it was told to load the submission: nothing of that runs before."""

    def load(self, text: str, clock: Clock, order: dict) -> None:
        with tempfile.TemporaryFile() as source, contextlib.closing(Output()) as output:
            source.write(text.encode())
            source.flush()
            seconds = round(max(clock.left, 0) * IMPORT_SHARE, 1)
            order = {"op": "load", "filename": self.filename, "seconds": seconds, **order}
            self._order(order, [source.fileno(), output.writer])
            self._loading = True
            output.close_writer()
            answer = self._answer(output, clock)
        if answer.get("op") != "loaded":
            raise ended(answer.get("status"), "while it was imported")
        self.imported = Imported.told(answer, seconds)

    @contextlib.contextmanager
    def session(self, clock: Clock) -> Iterator["Session"]:
        """A fresh process for one check."""
        ours, theirs = socket.socketpair()
        output = Output()
        session: Session | None = None
        try:
            self._order({"op": "check"}, [theirs.fileno(), output.writer])
            theirs.close()
            output.close_writer()
            names = frozenset(self.imported.uses)
            session = Session(ours, output, self._control, names, clock, self._receive, self.filename)
            yield session
        finally:
            theirs.close()
            ours.close()
            if session is not None:
                session.let_go()
            try:
                self._clear(trace=session is not None and session.timed_out)
                if session is not None:
                    session.hear_out(output)
            finally:
                output.close()

    def _clear(self, trace: bool) -> None:
        """Have the supervisor kill what the check left; until it says so, nothing else runs in the guest.

        Args:
            trace: whether it is to print first where it is.

        Raises:
            faults.Tampered: the check took down the process that it was forked from.
        """
        self._order({"op": "end", "trace": trace}, [])
        deadline = time.monotonic() + SETTLE_SECONDS
        tampered = False
        while time.monotonic() < deadline:
            if select.select([self._control], [], [], SETTLE_SECONDS)[0]:
                told = self._receive().get("op")
                tampered = tampered or told == "zygote-ended"
                if told == "ended":
                    if tampered:
                        raise faults.Tampered(KILLED_OURS)
                    return
        self.lost = True
        raise faults.LostGuest("the jail did not clear up after a check")

    def _order(self, order: dict, descriptors: list[int]) -> None:
        try:
            send_order(self._control, order, descriptors)
        except OrderError as error:
            while select.select([self._control], [], [], 0)[0]:  # what it said before it was gone
                self._receive()
            raise self._lost() from error

    def _lost(self) -> BaseException:
        self.lost = True
        if self._broken is not None:
            return self._broken
        if not self._loading:
            return faults.GraderFault("the jail is gone before the submission was in it")
        return faults.LostGuest("the jail is gone") if self._guarded else faults.Tampered(KILLED_OURS)

    def _receive(self) -> dict:
        """What the supervisor says.

        Raises:
            faults.GraderFault: that it does not work; a `LostGuest`, unless nothing of the submission ran when that was so.
        """
        try:
            answer, descriptors = receive_order(self._control)
        except OrderError as error:
            raise self._lost() from error
        for fd in descriptors:
            os.close(fd)
        if answer.get("op") == "broken":
            kind = faults.GraderFault if answer.get("ours") is True else faults.LostGuest
            self._broken = kind(f"the jail does not work: {str(answer.get('why'))[:500]}")
            raise self._lost()
        return answer

    def _answer(self, output: Output, clock: Clock) -> dict:
        """The answer to an order, while counting what is printed and the time that passes."""
        watched = [self._control.fileno(), output.reader]
        while True:
            with clock.running():
                readable, _, _ = select.select(watched, [], [], max(clock.left, 0))
            if self._control.fileno() in readable:
                return self._receive()
            if output.reader in readable and not output.drain():
                watched.remove(output.reader)
            if clock.left <= 0:
                raise self._hanging(output, clock)

    def _hanging(self, output: Output, clock: Clock) -> faults.TimedOut:
        """That the import takes too long, and where it is."""
        fault = clock.over()
        self._order({"op": "trace"}, [])
        time.sleep(TRACE_SECONDS)
        fault.line, fault.printed = last_words(output, self.filename)
        return fault

    def close(self) -> None:
        self._control.close()
        self._over()
