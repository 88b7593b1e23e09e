"""Two ends of the connection in two processes, without a sandbox around the second: for the tests of the connection."""

import contextlib
import os
import signal
import socket
import warnings
from collections.abc import Iterator
from types import ModuleType

from grader import faults
from grader.rpc import errors
from grader.rpc.connection import Connection
from grader.rpc.frames import Channel
from grader.rpc.proxies import FunctionProxy
from grader.sandbox.guest.worker import serve


class Code:
    """The functions of a module that lives in another process."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def __getattr__(self, name: str) -> FunctionProxy:
        return FunctionProxy(self.connection, 1, name, name)


@contextlib.contextmanager
def crossing(source: str) -> Iterator[Code]:
    """The module with this source, in a fork of this process, seen through the connection."""
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
    connection = Connection(
        Channel(ours),
        describe_error=errors.describe,
        build_error=faults.raised,
        catches=Exception,
        open_objects=False,
    )
    try:
        yield Code(connection)
    finally:
        ours.close()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
