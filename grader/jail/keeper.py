"""The judge's side of the jail: start it, put a submission in, open a check, and tell how it ended.

Jail    a sandbox with a warm nursery in it; serves one submission after the other
Cell    one section of one submission: its module is imported once
Visit   one check: a fresh fork of the cell, and a `Peer` to call it through
"""

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from grader import faults
from grader.border import errors
from grader.border.peer import Peer
from grader.border.standins import RemoteFunction
from grader.border.wire import Channel, Closed, Violation
from grader.course import ROOT
from grader.inside.control import OrderError, receive_order, send_order
from grader.jail.cgroup import Cgroup

INSIDE = ("__init__.py", "border", "inside")
"""What of the grader the jail holds; no more of it is there."""
PRIVATE = ("data", "exercises", "grader", "solutions", "tests")
"""The course's folders; what the jail holds of them, it holds elsewhere."""
FIRST_OBJECT = 1
"""The number under which a check's process knows the submission's module."""
START_SECONDS = 120
"""How long a jail may take to start; torch's import on a loaded machine is most of it."""
MAX_OUTPUT = 32 << 20
"""Bytes that a check, or an import, may print."""
KEPT_OUTPUT = 4000
"""Bytes of it that are kept for the report."""
KILLED_OURS = "it ended a process of the grader's in the jail"
SETTLE_SECONDS = 20
"""How long we wait to be told that a process ended, and that all it left is gone."""


class Clock:
    """Time that a submission may still use. Only waiting for it counts, not the judge's own work."""

    def __init__(self, seconds: float, within: "Clock | None" = None) -> None:
        """Start a clock; one `within` another also uses up the other's time."""
        self._left, self._within = seconds, within

    @property
    def left(self) -> float:
        return self._left if self._within is None else min(self._left, self._within.left)

    def spend(self, seconds: float) -> None:
        self._left -= seconds
        if self._within is not None:
            self._within.spend(seconds)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        start = time.monotonic()
        try:
            yield
        finally:
            self.spend(time.monotonic() - start)


class Output:
    """What a process prints: counted, and its end kept."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.count = 0
        self.tail = b""

    def drain(self) -> bool:
        """Read what there is; False at the end of the stream.

        Raises:
            faults.OutputLimit: it is more than may be printed.
        """
        try:
            data = os.read(self.reader, 1 << 20)
        except BlockingIOError:
            return True
        self.count += len(data)
        self.tail = (self.tail + data)[-KEPT_OUTPUT:]
        if self.count > MAX_OUTPUT:
            raise faults.OutputLimit(f"it printed more than {MAX_OUTPUT >> 20} MiB")
        return bool(data)

    def close_writer(self) -> None:
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def close(self) -> None:
        self.close_writer()
        os.close(self.reader)


def layers_of(level: str) -> list[str]:
    """The layers of a level such as "bwrap+landlock+seccomp"; "none" has none."""
    return [] if level == "none" else level.split("+")


def command(level: str, action: str, scratch: str, **order: object) -> list[str]:
    """The command line that runs a function of `grader.inside.cell`, at this level of isolation.

    Args:
        level: layers, joined by "+"; with "bwrap" it runs inside bubblewrap.
        action: "main" for a nursery, or "probe".
        scratch: a folder of the host's that a submission may write to where it has no namespace of its own.
        order: further arguments of the function.
    """
    layers = layers_of(level)
    boxed = "bwrap" in layers
    course = "/course" if boxed else str(ROOT)
    walls = {
        "layers": [layer for layer in layers if layer != "cgroup"],
        "readable": [
            *map(str, _host_folders()),
            "/proc",
            "/sys/devices/system",
            *(["/course"] if boxed else _course_files()),
        ],
        "listable": [course],
        "scratch": [_inner_scratch(), "/dev/shm"] if boxed else [scratch],
    }
    program = (
        f"import json, sys; sys.path[:0] = [{course!r}]; sys.path.append({course + '/exercises'!r}); "
        f"from grader.inside import cell; cell.{action}(**json.loads(sys.argv[1]))"
    )
    python = [sys.executable, "-I", "-B", "-c", program, json.dumps({**order, **walls})]
    return [*_bwrap(), *python] if boxed else python


def _course_files() -> list[str]:
    """What the jail holds of the course: the border and the toolkit; no check, no solution."""
    files = [ROOT / "grader" / name for name in INSIDE]
    return [str(path) for path in (*files, ROOT / "exercises" / "__init__.py", ROOT / "exercises" / "toolkit")]


def _bwrap() -> list[str]:
    binds: list[str] = []
    for folder in _host_folders():
        binds += ["--ro-bind", str(folder), str(folder)]
    for folder in _covered():
        binds += ["--tmpfs", str(folder), "--remount-ro", str(folder)]
    for path in _course_files():
        binds += ["--ro-bind", path, f"/course/{Path(path).relative_to(ROOT)}"]
    scratch = _inner_scratch()
    settings = [word for key, value in environment(scratch).items() for word in ("--setenv", key, value)]
    return [
        shutil.which("bwrap") or "bwrap",
        "--unshare-all",
        "--unshare-user",
        "--disable-userns",
        "--uid",
        "65534",
        "--gid",
        "65534",
        "--cap-drop",
        "ALL",
        "--cap-add",
        "CAP_SYS_ADMIN",  # for the wardens' mounts; each gives it up at once
        "--new-session",
        "--die-with-parent",
        "--clearenv",
        *settings,
        "--dev",
        "/dev",
        "--bind",
        "/proc",
        "/proc",
        "--tmpfs",
        "/tmp",
        *binds,
        *(["--tmpfs", scratch, "--remount-ro", "/tmp"] if scratch != "/tmp" else []),
        "--remount-ro",  # what is not scratch keeps nothing from one check to the next
        "/",
        "--remount-ro",
        "/dev",
        "--chdir",
        scratch,
        "--",
    ]


def _inner_scratch() -> str:
    """Where a submission may write in the sandbox: /tmp, unless that would hide the interpreter or its packages."""
    hides = any(folder.is_relative_to("/tmp") for folder in _host_folders())
    return "/scratch" if hides else "/tmp"


def environment(scratch: str) -> dict[str, str]:
    """All that the jail knows of the world outside."""
    known = {
        "PATH": "/usr/bin:/bin",
        "HOME": scratch,
        "TMPDIR": scratch,
        "USER": "learner",
        "LOGNAME": "learner",
        "LANG": "C.UTF-8",
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):  # some processors need them to compute correctly
        if variable in os.environ:
            known[variable] = os.environ[variable]
    return known


def _host_folders() -> list[Path]:
    """What of the host's files the jail sees, read-only: the interpreter, its packages, the system's libraries."""
    folders = [Path(path) for path in ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin", "/etc/ld.so.cache")]
    folders += [Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent]
    found: list[Path] = []
    for folder in folders:
        if folder.exists() and not any(folder.is_relative_to(known) for known in found):
            found.append(folder)
    return found


def _covered() -> list[Path]:
    """Folders of the course that lie in what the jail sees: where it is installed as a package, or cloned below /usr."""
    roots = {ROOT, Path(sysconfig.get_paths()["purelib"])}
    found = [root / name for root in roots for name in PRIVATE if (root / "grader" / "inside" / "cell.py").exists()]
    return [path for path in found if path.is_dir() and any(path.is_relative_to(seen) for seen in _host_folders())]


class Jail:
    """A sandbox that is warm: torch is imported, nothing of a submission is."""

    def __init__(self, level: str) -> None:
        """Start a jail.

        Raises:
            faults.GraderFault: it does not start; the message says what the sandbox said.
        """
        self.level = level
        self._control, theirs = socket.socketpair()
        self._scratch = tempfile.TemporaryDirectory(prefix="unstatic-")
        self._group = Cgroup() if "cgroup" in layers_of(level) else None
        with tempfile.TemporaryFile() as said:
            self._process = subprocess.Popen(
                command(level, "main", self._scratch.name, control_fd=theirs.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                cwd=self._scratch.name,
                pass_fds=[theirs.fileno()],
                close_fds=True,
                env=environment(self._scratch.name),
            )
            theirs.close()
            try:
                if self._group is not None:
                    self._group.add(self._process.pid)
                self._control.settimeout(START_SECONDS)
                receive_order(self._control)
                self._control.settimeout(None)
            except (OrderError, OSError) as error:
                self.close()
                said.seek(0)
                reason = said.read(2000).decode(errors="replace").strip()
                raise faults.GraderFault(f"the jail ({level}) does not start: {reason or error}") from error

    def admit(self, stem: str, filename: str, text: str, seed: int, clock: Clock) -> "Cell":
        """Put a section of a submission into a cell of its own and import it.

        Raises:
            faults.CheckFault: the import hangs, crashes, raises, prints too much.
            faults.GraderFault: the jail does not work.
        """
        ours, theirs = socket.socketpair()
        try:
            send_order(self._control, {"op": "warden"}, [theirs.fileno()])
        except OrderError as error:
            raise faults.GraderFault("the jail is gone") from error
        theirs.close()
        cell = Cell(ours, filename, guarded="bwrap" in layers_of(self.level))
        try:
            cell.load(stem, text, seed, clock)
        except BaseException:
            cell.close()
            raise
        return cell

    def close(self) -> None:
        """End the jail and everything in it."""
        self._control.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._group is not None:
            self._group.close()
        self._scratch.cleanup()


class Cell:
    """A section of a submission in the jail."""

    def __init__(self, control: socket.socket, filename: str, guarded: bool) -> None:
        """Hold a cell.

        Args:
            control: the warden's socket.
            filename: what tracebacks call the submission.
            guarded: whether the warden is out of the submission's reach; if not, its end is the submission's doing.
        """
        self.filename, self._guarded = filename, guarded
        self.uses: dict[str, frozenset[str]] = {}
        self.stopped: faults.CheckFault | None = None
        """What ended the module's import before its end, if anything did; what it defined until then can be called."""
        self._control = control

    def load(self, stem: str, text: str, seed: int, clock: Clock) -> None:
        with tempfile.TemporaryFile() as source, contextlib.closing(Output()) as output:
            source.write(text.encode())
            source.flush()
            order = {"op": "load", "stem": stem, "filename": self.filename, "seed": seed}
            self._order(order, [source.fileno(), output.writer])
            output.close_writer()
            answer = self._answer(output, clock)
        if answer.get("op") != "loaded":
            raise ended(answer.get("status"), "while it was imported")
        self.uses = _names(answer.get("uses"))
        if answer.get("stopped") is not None:
            self.stopped = submission_error(answer["stopped"], "importing it ")

    def reaches(self, name: str, other: str) -> bool:
        """Whether the code of one function or class of the module uses another, be it by way of a third."""
        seen: set[str] = set()
        ahead = [name]
        while ahead:
            here = ahead.pop()
            if here not in seen:
                seen.add(here)
                ahead += self.uses.get(here, frozenset())
        return other in seen

    @contextlib.contextmanager
    def visit(self, seed: int, clock: Clock) -> Iterator["Visit"]:
        """A fresh process for one check."""
        ours, theirs = socket.socketpair()
        output = Output()
        try:
            self._order({"op": "check", "seed": seed}, [theirs.fileno(), output.writer])
            theirs.close()
            output.close_writer()
            yield Visit(ours, output, self._control, frozenset(self.uses), clock, self._lost)
        finally:
            theirs.close()
            ours.close()
            output.close()
            self._clear()

    def _clear(self) -> None:
        """Have the warden kill what the check left; until it says so, nothing else runs in the cell.

        Raises:
            faults.Tampered: the check took down the process that it was forked from.
        """
        self._order({"op": "end"}, [])
        deadline = time.monotonic() + SETTLE_SECONDS
        tampered = False
        while time.monotonic() < deadline:
            if select.select([self._control], [], [], SETTLE_SECONDS)[0]:
                told = self._receive().get("op")
                tampered = tampered or told == "template-ended"
                if told == "ended":
                    if tampered:
                        raise faults.Tampered(KILLED_OURS)
                    return
        raise faults.GraderFault("the jail did not clear up after a check")

    def _order(self, order: dict, descriptors: list[int]) -> None:
        try:
            send_order(self._control, order, descriptors)
        except OrderError as error:
            raise self._lost() from error

    def _lost(self) -> BaseException:
        return faults.LostCell("the jail is gone") if self._guarded else faults.Tampered(KILLED_OURS)

    def _receive(self) -> dict:
        try:
            answer, descriptors = receive_order(self._control)
        except OrderError as error:
            raise self._lost() from error
        for fd in descriptors:
            os.close(fd)
        if answer.get("op") == "broken":
            raise faults.LostCell(f"the jail does not work: {str(answer.get('why'))[:500]}")
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
                raise faults.TimedOut("its time is over")

    def close(self) -> None:
        self._control.close()


class Visit:
    """One check's process: the submission's module as `grader.desk.desk.Desk` takes it, its functions called in the jail."""

    def __init__(
        self,
        sock: socket.socket,
        output: Output,
        control: socket.socket,
        names: frozenset[str],
        clock: Clock,
        lost: Callable[[], BaseException],
    ) -> None:
        self._names = names
        self._peer = WatchedPeer(
            WatchedChannel(sock, output, control, clock, lost),
            describe_error=errors.describe,
            build_error=lambda data: submission_error(data, ""),
            catches=Exception,
            open_objects=False,
        )

    def __getattr__(self, name: str) -> RemoteFunction:
        if name not in self._names:
            raise AttributeError(name)
        return RemoteFunction(self._peer, FIRST_OBJECT, name, name)


class WatchedPeer(Peer):
    """The judge's end of the border: what is wrong with an answer is tampering, as what is wrong with its framing is."""

    channel: "WatchedChannel"

    def call(self, target: int, method: str | None, args: tuple, kwargs: dict[str, Any]) -> Any:
        with self.channel.honest():
            return super().call(target, method, args, kwargs)

    def get(self, target: int, name: str) -> Any:
        with self.channel.honest():
            return super().get(target, name)

    def clone(self, target: int) -> Any:
        with self.channel.honest():
            return super().clone(target)

    def gradient(self, *args: Any) -> list[Tensor | None]:
        with self.channel.honest():
            return super().gradient(*args)


class WatchedChannel(Channel):
    """A channel to a check's process that keeps the time, counts the output, and notices the end of the process."""

    def __init__(
        self,
        sock: socket.socket,
        output: Output,
        control: socket.socket,
        clock: Clock,
        lost: Callable[[], BaseException],
    ) -> None:
        super().__init__(sock)
        sock.setblocking(False)
        self._output, self._control, self._clock, self._lost = output, control, clock, lost
        self._watched_output = True
        self._dead: BaseException | None = None
        self._since: float | None = None
        """Since when the clock runs: from when we wait for an answer until it is here, whatever we serve meanwhile."""

    def send(self, message: dict, tensors: list) -> None:
        with self._faults():
            self._charge()
            super().send(message, tensors)

    def receive(self) -> tuple[dict, list]:
        with self._faults():
            if self._since is None:
                self._since = time.monotonic()
            message, tensors = super().receive()
            self._charge()
        if message.get("op") in ("return", "raise"):
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
                raise faults.TimedOut("its time is over")

    @contextlib.contextmanager
    def honest(self) -> Iterator[None]:
        """What no honest peer sends is tampering, now and for the rest of the check."""
        try:
            yield
        except Violation as error:
            self._dead = faults.Tampered(f"it sent {error}")
            raise self._dead from error

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        """What goes wrong on the wire, as the fault that it is; the first one stays."""
        if self._dead is not None:
            raise self._dead
        try:
            with self.honest():
                yield
        except Closed:
            self._dead = self._how_it_ended()
            raise self._dead from None
        except faults.CheckFault as error:
            self._dead = error
            raise

    def _receive_some(self, view: memoryview) -> int:
        while True:
            with contextlib.suppress(BlockingIOError):
                return super()._receive_some(view)
            self._wait(writing=False)

    def _send_some(self, pieces: list[memoryview]) -> int:
        while True:
            with contextlib.suppress(BlockingIOError):
                return super()._send_some(pieces)
            self._wait(writing=True)

    def _wait(self, *, writing: bool) -> None:
        """Wait until the process can be read from, or written to."""
        sock, control, printed = self.sock.fileno(), self._control.fileno(), self._output.reader
        reading = [control] + ([] if writing else [sock]) + ([printed] if self._watched_output else [])
        asking = self._since is None  # the request itself does not go through
        self._since = self._since or time.monotonic()
        self._charge()
        readable, writable, _ = select.select(reading, [sock] if writing else [], [], max(self._clock.left, 0))
        if printed in readable:
            self._watched_output = self._output.drain()
        if control in readable and sock not in readable and not writable:
            raise Closed
        self._charge()
        if asking:
            self._since = None

    def _how_it_ended(self) -> BaseException:
        if select.select([self._control], [], [], SETTLE_SECONDS)[0]:
            try:
                answer, _ = receive_order(self._control)
            except OrderError:
                return self._lost()
            if answer.get("op") == "template-ended":
                return faults.Tampered(KILLED_OURS)
            return ended(answer.get("status"), "")
        return faults.Crashed("its process closed the connection to the grader")


def _names(uses: object) -> dict[str, frozenset[str]]:
    """The module's names and what each uses, as its process tells it."""
    if not isinstance(uses, dict):
        return {}
    return {
        name: frozenset(word for word in words if isinstance(word, str))
        for name, words in uses.items()
        if isinstance(words, list)
    }


def submission_error(data: object, doing: str) -> faults.CheckFault:
    """What an exception means that the submission's process tells of."""
    if not isinstance(data, dict):
        return faults.Tampered("it sent an error that is none")
    error = faults.raised(data)
    where = f" (line {error.line})" if error.line else ""
    if data.get("ordinary") is not True:
        return faults.Crashed(f"{doing}raised {error.kind}{where}, which ends a program")
    if error.kind == "MemoryError" or "can't allocate memory" in error.text or "not enough memory" in error.text:
        return faults.OutOfMemory(f"{doing}met the memory limit{where}")
    return error


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
