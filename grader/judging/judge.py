"""The judge: runs the checks of a section against a submission in the jail, and alone says what the verdicts are.

It is a process of its own, kept warm for one submission after the other. Over a socket of its own come requests, one JSON
object a line, and go answers: {"exercise": ...} as each exercise is done, then {"rows": [...]}.
"""

import contextlib
import fcntl
import gc
import json
import os
import queue
import resource
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable
from functools import cache

import torch

from grader import faults
from grader.checks.collect import collect
from grader.judging.results import Row
from grader.judging.sitting import Request, Sitting
from grader.rpc.pauses import pause
from grader.sandbox.guest import compiler
from grader.sandbox.guest.confine import keep_freed_memory
from grader.sandbox.host.memory import give_back, resident
from grader.sandbox.host.sandbox import Sandbox
from grader.sandbox.host.selftest import proven_sandbox

MEMORY = 4 << 30
"""Bytes that the judge may take: a submission can ask it for answers that are large, and for many."""
CLOSE_SECONDS = 2
"""When nobody is left who could send a request, an idle judge closes its jail and ends; after so many seconds it ends anyhow."""
HIGH = 200
"""The socket gets a descriptor from this number on: lower ones are what pytest and libraries open, duplicate, or close in a row."""


class Judge:
    """Grades one section after the other at a level of isolation; keeps one warm jail."""

    def __init__(self, level: str) -> None:
        """Start a jail and see that honest code runs in it.

        Raises:
            faults.GraderFault: it does not start, or code does not run in it as it does here.
        """
        self.level = level
        self._sandbox = proven_sandbox(level)
        self._held = resident()

    def grade(self, request: Request, done: Callable[[str], None] = lambda name: None) -> list[Row]:
        """The rows of the exercises asked for; `done` is told each exercise's name."""
        return Sitting(self, request).rows(done)

    def fresh_sandbox(self) -> Sandbox:
        self._sandbox.close()
        self._sandbox = Sandbox(self.level)
        return self._sandbox

    @property
    def sandbox(self) -> Sandbox:
        return self._sandbox

    def give_back(self) -> None:
        """Let go of what the last check had this process compute, if that is much."""
        self._held = give_back(self._held)

    def close(self) -> None:
        self._sandbox.close()


def main() -> None:
    """Serve requests until whoever sends them is gone. Arguments: the level of isolation, a socket, a temporary folder."""
    level, descriptor, scratch = sys.argv[1:]
    settle()
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard), hard))
    as_by_default()
    sock = _out_of_reach(int(descriptor))
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    closed = threading.Event()
    listener = threading.Thread(target=_listen, args=(sock, requests, closed, scratch), daemon=True)
    listener.start()
    judge: Judge | None = None

    def say(data: dict) -> None:
        pause()
        sock.sendall(json.dumps(data).encode() + b"\n")

    try:
        judge = Judge(level)
        say({"ready": True})
        while line := requests.get():
            data = json.loads(line)
            data |= {name: tuple(value) for name, value in data.items() if isinstance(value, list)}
            request = Request(**data)
            prepare(request.stem)
            say({"rows": judge.grade(request, lambda name: say({"exercise": name}))})
    except faults.GraderFault as fault:
        say({"fault": str(fault)})
    finally:
        if judge is not None:
            judge.close()
        closed.set()
    listener.join()


def settle() -> None:
    """Have this process compute as a judge does: in one thread, without a compiler, and with the memory of freed tensors used again."""
    torch.set_num_threads(1)
    compiler.go_without()
    keep_freed_memory()


@cache
def prepare(stem: str) -> None:
    """Collect the checks of a section, once; the garbage collector looks at what is there by then, torch above all, no more."""
    collect(stem)
    gc.collect()
    gc.freeze()


def as_by_default() -> None:
    """Undo what a caller hands on to its children: signals that it ignores or blocks, and its mask for new files."""
    for number in (signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.umask(0o077)


def _out_of_reach(descriptor: int) -> socket.socket:
    """The socket under a number that nobody meets by accident, handed on to no child."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, HIGH)
    os.close(descriptor)
    return socket.socket(fileno=moved)


def _listen(sock: socket.socket, requests: "queue.SimpleQueue[bytes]", closed: threading.Event, scratch: str) -> None:
    """Hand on requests; when whoever sends them is gone, so are we, the jail with us, and nothing stays behind.

    Who waits for a request hears of it and closes its jail; who is in the middle of one has no time to.
    """
    with contextlib.suppress(OSError), sock.makefile("rb") as lines:
        for line in lines:
            pause()
            requests.put(line)
    requests.put(b"")
    closed.wait(CLOSE_SECONDS)
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(1)


if __name__ == "__main__":
    main()
