"""The supervisor: first process of a submission's namespaces. Forks the zygote, and clears up after each check.

Process 1 of namespaces of its own where they can be had. When the judge closes the supervisor's socket, the supervisor ends, and
the kernel ends everything in its process namespace; the forkserver ends a supervisor that is kept from noticing.
"""

import contextlib
import os
import resource
import select
import signal
import socket
import stat
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

from grader.sandbox.guest.cleanup import descendants, empty, kill
from grader.sandbox.guest.confine import libc
from grader.sandbox.guest.orders import OrderError, receive_order, send_order
from grader.sandbox.guest.walls import PROCESSES, Walls
from grader.sandbox.guest.zygote import Zygote

PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 4, 36
PATIENCE_SECONDS = 5
"""How long the zygote may take to tell us what we ask, its import apart."""
TRACE_SECONDS = 0.2
"""How long those who took too long have to print where they are."""
GLANCE_SECONDS = 0.01
"""How long a process that was killed may take to go before we look again."""
MOST_ROUNDS = 20
"""How often new processes may appear while we clear up, before all are killed, the zygote included."""


class OursError(Exception):
    """Something of ours does not work while nothing of the submission runs here."""


def begin(control: socket.socket, walls: Walls, times: float) -> NoReturn:
    """Be the supervisor of a submission that has so many times the usual time."""
    supervisor = None
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # process 1 is safe from signals, but for those it handles
        _go_first()
        if "bwrap" not in walls.layers and sys.platform == "linux":
            libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        walls.raise_all(times)
        os.setsid()  # kill(0) reaches a whole group: only what is the submission's may be in it
        supervisor = Supervisor(control, walls)
        supervisor.run()
    except OrderError:
        pass
    except BaseException as error:
        with contextlib.suppress(OrderError):
            ours = supervisor is None or isinstance(error, OursError)
            why = str(error) if isinstance(error, OursError) else f"{type(error).__name__}: {error}"
            send_order(control, {"op": "broken", "why": why[:500], "ours": ours})
    if supervisor is not None:
        supervisor.kill_all()
    os._exit(0)


def _go_first() -> None:
    """Where memory runs out, have the kernel end this submission, whoever holds the memory, and not the forkserver or the grader.

    What is not dumpable, as the forkserver and its forks are, has root's files in /proc. Nothing of the submission runs here yet.
    """
    if sys.platform != "linux":
        return
    libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


class Supervisor:
    """Forks the zygote, passes the judge's orders on to it, and clears up after each check.

    The zygote and all below it are the submission's: what they say is believed of themselves only, and never waited
    for without a limit.
    """

    def __init__(self, control: socket.socket, walls: Walls) -> None:
        self.control, self.walls = control, walls
        self.scratch = {Path(folder): stat.S_IMODE(os.stat(folder).st_mode) for folder in walls.scratch}
        self.zygote: socket.socket | None = None
        self.zygote_pid = 0
        self.zygote_status: int | None = None
        self.loading: dict = {}
        self.source_fd = -1
        self.expected = ""
        """What the zygote is to say next: "begun" before its import, "loaded" when that ends, "exited" when a check does; else nothing."""
        self.waiting: tuple[dict, list[int]] | None = None
        """A check that begins when the import has ended."""
        self.threaded = False
        """The import left threads running: a fork has none of them, and may find a lock of theirs held for ever."""
        self.limit = resource.getrlimit(resource.RLIMIT_NPROC)

    def run(self) -> NoReturn:
        while True:
            watched = [self.control] + ([self.zygote] if self.zygote else [])
            readable, _, _ = select.select(watched, [], [])
            if self.control in readable:
                self._obey(*receive_order(self.control))
            elif self.zygote in readable:
                self._report(self._hear())

    def _obey(self, order: dict, descriptors: list[int]) -> None:
        if order["op"] == "load":
            self._empty()  # without namespaces of its own a submission has the folders of the one before
            self.loading, self.source_fd = order, os.dup(descriptors[0])
            self._start_zygote(descriptors[1])
        elif order["op"] == "check":
            self._prepare_check(order, descriptors)
        elif order["op"] == "trace":
            kill(self.zygote_pid, signal.SIGUSR1)
        elif order["op"] == "end":
            if order.get("trace"):
                self._ask_where()
            self._clear()
            send_order(self.control, {"op": "ended"})
        for fd in descriptors:
            os.close(fd)

    def _report(self, message: dict) -> None:
        """Tell the judge what the zygote said, unless it is what a check waits for."""
        if message["op"] == "begun":
            return
        if self.waiting is None:
            send_order(self.control, message)
            return
        (order, descriptors), self.waiting = self.waiting, None
        if message["op"] == "loaded":
            self._start_check(order, descriptors)
        else:
            send_order(self.control, {**message, "op": "exited"})
        for fd in descriptors:
            os.close(fd)

    def _start_zygote(self, output_fd: int) -> None:
        ours, theirs = socket.socketpair()
        ours.settimeout(PATIENCE_SECONDS)
        pid = self._fork()
        if pid == 0:
            self.control.detach()
            ours.detach()
            _close_all_but(theirs.fileno(), self.source_fd, output_fd)
            self._be_the_zygote(theirs, output_fd)
        theirs.close()
        self.zygote_pid, self.zygote_status = pid, None
        self.zygote, self.expected = ours, "begun"

    def _be_the_zygote(self, orders: socket.socket, output_fd: int) -> NoReturn:
        try:
            self.walls.raise_last()
            zygote = Zygote(orders, self.loading, self.source_fd, output_fd)
            zygote.get_ready()
        except BaseException as error:
            with contextlib.suppress(OrderError):
                send_order(orders, {"op": "broken", "why": f"{type(error).__name__}: {error}"[:500]})
            os._exit(1)
        zygote.run()

    def _fork(self) -> int:
        """Fork; where there is no room for that, it may be what the submission left running that has it, and goes first.

        Raises:
            OursError: there is none even so.
        """
        try:
            return os.fork()
        except OSError:
            self.kill_all()
        try:
            return os.fork()
        except OSError as error:
            raise self._without_room(error) from error

    def _without_room(self, error: OSError) -> Exception:
        """What it means that no process can be made though nothing of the submission runs any more."""
        if resource.getrlimit(resource.RLIMIT_NPROC) != self.limit:
            return error  # the submission has set us another limit
        return OursError(no_process(error))

    def _whose_fault(self, message: dict) -> dict:
        """What to tell of a zygote that says there is no room for a check: the submission's doing, if there is once it is gone.

        Raises:
            OursError: there is none: as many processes as a zygote and a check are cannot be made.
        """
        self._end_zygote()
        self.kill_all()
        try:
            if (pid := os.fork()) == 0:
                os._exit(_can_fork())
            failed = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        except OSError as error:
            raise self._without_room(error) from error
        if failed:
            raise self._without_room(OSError(failed, os.strerror(failed)))
        return {"op": "unforked", "why": str(message.get("why"))[:200]}

    def _prepare_check(self, order: dict, descriptors: list[int]) -> None:
        if self.zygote is not None and self.threaded:
            self._end_zygote()
        if self.zygote is not None:
            self._start_check(order, descriptors)
        else:  # import again: an earlier check took it down, or each check needs its own
            self.kill_all()  # what an import leaves running is not to meet the next one
            self._start_zygote(descriptors[1])
            self.waiting = order, [os.dup(fd) for fd in descriptors]

    def _start_check(self, order: dict, descriptors: list[int]) -> None:
        assert self.zygote is not None
        self.expected = "exited"
        with contextlib.suppress(OrderError):
            send_order(self.zygote, {**order, "here": self.threaded}, descriptors)

    def _hear(self) -> dict:
        """What the zygote says; of a zygote that is gone or says what it should not, how it ended.

        Raises:
            OursError: it is gone before anything of the submission ran, or no check can be forked from it through no fault of that.
        """
        assert self.zygote is not None
        message: dict = {}
        try:
            message, descriptors = receive_order(self.zygote, PATIENCE_SECONDS)
            for fd in descriptors:
                os.close(fd)
            if message.get("op") == "unforked" and self.expected == "exited":
                return self._whose_fault(message)
            if message.get("op") != self.expected:
                raise OrderError("not what it was asked")
        except OrderError:
            early = self.expected == "begun"
            gone = "exited" if self.expected == "exited" and self.threaded else "zygote-ended"
            self.zygote.close()
            self.zygote = None
            kill(self.zygote_pid)
            if self.zygote_status is None:
                _, self.zygote_status = os.waitpid(self.zygote_pid, 0)
            self.expected = ""
            status = os.waitstatus_to_exitcode(self.zygote_status)
            if early:
                why = message.get("why") or f"it ended, with exit status {status}"
                raise OursError(f"the process that is to import the submission does not come to it: {why}") from None
            message = {"op": gone, "status": status}
        if message["op"] == "loaded":
            self.threaded = message.get("threads") != 1
            self._remember_cut(message.get("cut"))
        self.expected = "loaded" if message["op"] == "begun" else ""
        return message

    def _end_zygote(self) -> None:
        kill(self.zygote_pid)
        self.expected = ""  # nothing that it said yet counts
        self._hear()

    def _remember_cut(self, cut: object) -> None:
        """What took too long once is not waited for again, should the module be imported again."""
        if "seconds" in self.loading:
            del self.loading["seconds"]
            self.loading["cut"] = {**self.loading["cut"], **(cut if isinstance(cut, dict) else {})}

    def _ask_where(self) -> None:
        """Have what a check left running print where it is."""
        for pid in {pid for pid in descendants() if self.threaded or pid != self.zygote_pid}:
            kill(pid, signal.SIGUSR1)
        time.sleep(TRACE_SECONDS)

    def _clear(self) -> None:
        """Kill everything but the zygote, and empty the temporary folders."""
        if self.waiting is not None:  # its time ended before the import did
            for fd in self.waiting[1]:
                os.close(fd)
            self.waiting = None
            self._end_zygote()
        self._kill_others()
        if self.expected and self.zygote is not None:
            if not select.select([self.zygote], [], [], PATIENCE_SECONDS)[0]:
                kill(self.zygote_pid)  # it should have told us; it is not ours any more
            self._tell_end(self._hear())
        self._empty()

    def _empty(self) -> None:
        for folder, mode in self.scratch.items():
            empty(folder, mode)

    def _tell_end(self, message: dict) -> None:
        if message["op"] == "zygote-ended":
            send_order(self.control, message)

    def _kill_others(self) -> None:
        killed: set[int] = set()
        rounds = 0
        while others := {pid for pid in descendants() if self.threaded or pid != self.zygote_pid}:
            rounds += not others <= killed
            if rounds > MOST_ROUNDS and os.getpid() == 1:
                os.kill(-1, signal.SIGKILL)  # they fork faster than we look; this reaches all at once
                if self.zygote is not None:
                    self._tell_end(self._hear())
            for pid in others:
                kill(pid)
            killed |= others
            if (
                self.expected and self.zygote is not None
            ):  # it tells when the check is gone: no need to look all the time
                select.select([self.zygote], [], [], GLANCE_SECONDS)
            self._reap()

    def kill_all(self) -> None:
        """Leave no process; where we are process 1 the kernel would see to that, elsewhere it would not."""
        while others := descendants():
            for pid in others:
                kill(pid)
            self._reap()

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self.zygote_pid:
                    self.zygote_status = ended[1]


def _can_fork() -> int:
    """The error number of a fork; 0 if it goes."""
    try:
        if (pid := os.fork()) == 0:
            os._exit(0)
    except OSError as error:
        return error.errno or 1
    os.waitpid(pid, 0)
    return 0


def no_process(error: OSError) -> str:
    """That no process can be made, and where to look for the reason."""
    return (
        f"no process can be made ({error.strerror}). The user whom submissions run as may have {PROCESSES} processes and threads at a time "
        "(RLIMIT_NPROC), and the machine or its container has limits of its own (`ulimit -u`, pids.max). Without bubblewrap that user is the one who "
        "grades, and all that runs in that name counts: end what need not run, or grade as a user of its own."
    )


def _close_all_but(*kept: int) -> None:
    """Close every other descriptor, but for the standard streams: what a submission inherits, it can use."""
    bounds = [2, *sorted(kept), 1 << 20]
    for low, high in pairwise(bounds):
        os.closerange(low + 1, min(high, resource.getrlimit(resource.RLIMIT_NOFILE)[0]))
