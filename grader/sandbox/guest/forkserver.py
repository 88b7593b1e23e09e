"""The forkserver: imports torch once, runs no submission, and forks a supervisor for each section of a submission."""

import gc
import importlib
import os
import signal
import socket
import sys
from typing import Any, NoReturn

from grader.sandbox.guest import confine
from grader.sandbox.guest.confine import libc
from grader.sandbox.guest.orders import OrderError, receive_order, send_order
from grader.sandbox.guest.process_state import seed, switch_back
from grader.sandbox.guest.supervisor import begin
from grader.sandbox.guest.walls import Walls

PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4


def main(control_fd: int, **walls: Any) -> NoReturn:
    """The forkserver: get warm, then fork a supervisor for each order, until the judge closes."""
    control = socket.socket(fileno=control_fd)
    if sys.platform == "linux":
        libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    _warm()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # supervisors are not waited for
    send_order(control, {"op": "ready"})
    while True:
        try:
            _, (fd,) = receive_order(control)
        except OrderError:
            os._exit(0)
        if os.fork() == 0:
            control.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            begin(socket.socket(fileno=fd), Walls(**walls))
        os.close(fd)


def _without_compiler(torch: Any) -> None:
    """Have `torch.compile` give back what it is given, which computes the same: there is no compiler here, and no time for one."""

    def compiled(model: Any = None, **options: Any) -> Any:
        return model if model is not None else lambda function: function

    torch.compile = compiled
    torch.nn.Module.compile = lambda self, *args, **options: None


def _warm() -> None:
    """Import torch and run what it sets up at first use, so that each fork finds it done."""
    import numpy  # noqa: F401
    import torch

    from grader.rpc import connection as warm  # noqa: F401
    from grader.rpc import given
    from grader.sandbox.guest import rehearsal, selftest

    importlib.import_module(given.MODULE)
    confine.keep_freed_memory()
    _without_compiler(torch)
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
