"""Orders between judge and jail, apart from the checks' own traffic: small JSON messages that may carry descriptors."""

import json
import os
import socket
import struct
import time

from grader.rpc.pauses import pause

LENGTH = struct.Struct("<I")
MAX_ORDER = 1 << 20
"""Bytes of an order."""
MAX_DESCRIPTORS = 8
"""With an order; the most that one has are two."""


class OrderError(Exception):
    """The other side is gone, or sent what is no order."""


def send_order(sock: socket.socket, order: dict, descriptors: list[int] | None = None) -> None:
    data = json.dumps(order).encode()
    pause()
    try:
        socket.send_fds(sock, [LENGTH.pack(len(data))], descriptors or [])
        sock.sendall(data)
    except OSError as error:
        raise OrderError("the other side is gone") from error


def receive_order(sock: socket.socket, seconds: float | None = None) -> tuple[dict, list[int]]:
    """The next order and the descriptors that came with it.

    Args:
        sock: where it comes from.
        seconds: how long all of it may take; else only the socket's own timeout holds, for each piece anew.

    Raises:
        OrderError: the other side closed, sent what is no order, or took too long.
    """
    descriptors: list[int] = []
    timeout = sock.gettimeout()
    until = None if seconds is None else time.monotonic() + seconds
    try:
        pause()
        _hurry(sock, until)
        prefix, descriptors, _, _ = socket.recv_fds(sock, LENGTH.size, MAX_DESCRIPTORS)
        return _order(sock, prefix, until), list(descriptors)
    except BaseException as error:
        for fd in descriptors:  # or whoever sends no orders would fill our table of them
            os.close(fd)
        if isinstance(error, OSError | ValueError | RecursionError):
            raise OrderError("not an order") from error
        raise
    finally:
        if until is not None:
            sock.settimeout(timeout)


def _order(sock: socket.socket, prefix: bytes, until: float | None) -> dict:
    """The order that begins with these bytes."""
    prefix += _rest(sock, LENGTH.size - len(prefix), until) if prefix else b""
    if not prefix:
        raise OrderError("the other side is gone")
    (length,) = LENGTH.unpack(prefix)
    if length > MAX_ORDER:
        raise OrderError("an order that is too long")
    order = json.loads(_rest(sock, length, until))
    if not isinstance(order, dict):
        raise OrderError("not an order")
    return order


def _rest(sock: socket.socket, count: int, until: float | None) -> bytes:
    data = b""
    while len(data) < count:
        _hurry(sock, until)
        piece = sock.recv(count - len(data))
        if not piece:
            raise OrderError("the other side is gone")
        data += piece
    return data


def _hurry(sock: socket.socket, until: float | None) -> None:
    """Have the socket wait no longer than until then; who sends a byte now and then would else be waited for without end.

    Raises:
        TimeoutError: it is past.
    """
    if until is None:
        return
    if (left := until - time.monotonic()) <= 0:
        raise TimeoutError("it took too long")
    sock.settimeout(left)
