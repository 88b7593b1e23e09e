"""The forkserver: imports torch once, runs no submission, and forks a supervisor for each section of a submission.

No submission reaches the forkserver, and so it is the one that ends a guest: a supervisor that its submission keeps busy does not
notice that the judge has closed. Where a supervisor is in no namespace of its own, its submission can stop or kill it, and live on. What
is left without a supervisor then comes to the forkserver: it ends that before anybody else comes in, and when it ends itself.
"""

import contextlib
import gc
import importlib
import os
import signal
import socket
import sys
import time
from typing import Any, NoReturn

from grader.sandbox.guest import compiler, confine
from grader.sandbox.guest.cleanup import descendants, kill
from grader.sandbox.guest.confine import libc
from grader.sandbox.guest.orders import OrderError, receive_order, send_order
from grader.sandbox.guest.process_state import seed, switch_back
from grader.sandbox.guest.supervisor import begin, no_process
from grader.sandbox.guest.walls import Walls

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 1, 4, 36
SWEEP_SECONDS = 5
"""How long we kill what forks as fast as we look, and wait for a namespace to end."""
GLANCE_SECONDS = 0.002
"""How often we look whether a namespace has ended."""


def main(control_fd: int, **walls: Any) -> NoReturn:
    """The forkserver: get warm, then fork a supervisor for each order, until the judge closes."""
    control = socket.socket(fileno=control_fd)
    if sys.platform == "linux":
        libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    guarded = "bwrap" in walls["layers"]
    if not guarded and sys.platform == "linux":
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _warm()
    supervisors: dict[int, int] = {}
    """Each guest's, by the judge's number of the guest."""
    send_order(control, {"op": "ready"})
    while True:
        try:
            order, descriptors = receive_order(control)
        except OrderError:
            if not guarded:
                _end(supervisors, *supervisors)
            os._exit(0)
        if order["op"] == "over":
            (_end_namespace if guarded else _end)(supervisors, order["guest"])
            continue
        try:
            pid = os.fork()
        except OSError as error:
            with socket.socket(fileno=descriptors[0]) as guest, contextlib.suppress(OrderError):
                send_order(guest, {"op": "broken", "why": no_process(error), "ours": True})
            _reap(supervisors)
            continue
        if pid == 0:
            control.close()
            begin(socket.socket(fileno=descriptors[0]), Walls(**walls), order["times"])
        supervisors[order["guest"]] = pid
        os.close(descriptors[0])
        _reap(supervisors)


def _end_namespace(supervisors: dict[int, int], guest: int) -> None:
    """End a guest's supervisor, which is process 1 of a namespace, and with it all that is there.

    What we forked is the process that made the namespace: it waits for the last in there, and ends then.
    """
    _reap(supervisors)
    if (pid := supervisors.get(guest)) is None:
        return
    kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + SWEEP_SECONDS
    while guest in supervisors and time.monotonic() < deadline:
        time.sleep(GLANCE_SECONDS)
        _reap(supervisors)
    if guest in supervisors:
        kill(pid)


def _end(supervisors: dict[int, int], *guests: int) -> None:
    """End guests' supervisors and all that is without one."""
    _reap(supervisors)
    for guest in guests:
        if (pid := supervisors.get(guest)) is not None:
            kill(pid)
    deadline = time.monotonic() + SWEEP_SECONDS
    while time.monotonic() < deadline:
        _reap(supervisors)
        kept = {pid for guest, pid in supervisors.items() if guest not in guests}
        left = descendants(apart_from=kept)
        if not left:
            return
        for pid in left:
            kill(pid)


def _reap(supervisors: dict[int, int]) -> None:
    """Let go of children that have ended: from then on their numbers may be anybody's."""
    with contextlib.suppress(ChildProcessError):
        while ended := os.waitpid(-1, os.WNOHANG)[0]:
            for guest in [guest for guest, pid in supervisors.items() if pid == ended]:
                del supervisors[guest]


def _warm() -> None:
    """Import torch and run what it sets up at first use, so that each fork finds it done."""
    import numpy  # noqa: F401
    import torch

    from grader.rpc import connection as warm  # noqa: F401
    from grader.rpc import given
    from grader.sandbox.guest import rehearsal, selftest

    importlib.import_module(given.MODULE)
    confine.keep_freed_memory()
    compiler.go_without()
    torch.set_num_threads(1)  # a fork of a process with worker threads hangs in its first parallel operation
    torch.set_num_interop_threads(1)
    switch_back()
    seed(0)
    x = torch.linspace(-1, 1, 64).view(1, 4, 4, 4)
    selftest.network(x)
    if torch.accelerator.is_available():  # going backward would start threads, and no fork could do it again
        torch.optim.Adam([x])
    else:
        selftest.train(x, 1)
        rehearsal.rehearse()
    gc.collect()
    gc.freeze()
    if sys.platform == "linux":
        confine.gather_memory()
