"""A check's own process: serves the judge's calls over a socket which only this check has."""

import contextlib
import os
import socket
import sys
from types import ModuleType
from typing import Any, NoReturn

from grader.rpc import errors


def serve(sock: socket.socket, module: ModuleType, filename: str) -> NoReturn:
    """Serve the judge's calls into `module` until the judge closes."""
    from grader.rpc.connection import Connection
    from grader.rpc.frames import Channel
    from grader.rpc.limits import Closed, Violation

    def build_error(data: dict) -> BaseException:
        return errors.builtin_class(data.get("bases", []))(data.get("text", ""))

    connection = Connection(
        Channel(sock),
        describe_error=lambda error: errors.describe(error, filename),
        build_error=build_error,
        catches=BaseException,
        open_objects=True,
    )
    connection.handles.export(Namespace(module))
    with contextlib.suppress(Closed, Violation, BrokenPipeError):
        connection.serve_forever()
    flush()
    os._exit(0)


class Namespace:
    """The submission's module as the first object that the judge knows."""

    def __init__(self, module: ModuleType) -> None:
        object.__setattr__(self, "_module", module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._module, name, value)


def flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
