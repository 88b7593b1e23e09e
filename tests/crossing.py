"""Two ends of the border in two processes, without a sandbox around the second: for the tests of the border."""

import contextlib
import os
import signal
import socket
import warnings
from collections.abc import Iterator
from types import ModuleType

from grader import faults
from grader.border import errors
from grader.border.peer import Peer
from grader.border.standins import RemoteFunction
from grader.border.wire import Channel
from grader.inside.check import serve


class Code:
    """The functions of a module that lives in another process."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    def __getattr__(self, name: str) -> RemoteFunction:
        return RemoteFunction(self.peer, 1, name, name)


@contextlib.contextmanager
def crossing(source: str) -> Iterator[Code]:
    """The module with this source, in a fork of this process, seen through the border."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        warnings.simplefilter("ignore")  # the submission's warnings are not the tests'
        module = ModuleType("submission")
        exec(compile(source, "submission.py", "exec"), module.__dict__)
        serve(theirs, module, "submission.py")
    theirs.close()
    ours.settimeout(30)
    peer = Peer(
        Channel(ours),
        describe_error=errors.describe,
        build_error=faults.raised,
        catches=Exception,
        open_objects=False,
    )
    try:
        yield Code(peer)
    finally:
        ours.close()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
