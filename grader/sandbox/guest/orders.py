"""Orders between judge and jail, apart from the checks' own traffic: small JSON messages that may carry descriptors."""

import json
import os
import socket
import struct

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


def receive_order(sock: socket.socket) -> tuple[dict, list[int]]:
    """The next order and the descriptors that came with it.

    Raises:
        OrderError: the other side closed, or sent what is no order.
    """
    descriptors: list[int] = []
    try:
        pause()
        prefix, descriptors, _, _ = socket.recv_fds(sock, LENGTH.size, MAX_DESCRIPTORS)
        return _order(sock, prefix), list(descriptors)
    except BaseException as error:
        for fd in descriptors:  # or whoever sends no orders would fill our table of them
            os.close(fd)
        if isinstance(error, OSError | ValueError | RecursionError):
            raise OrderError("not an order") from error
        raise


def _order(sock: socket.socket, prefix: bytes) -> dict:
    """The order that begins with these bytes."""
    prefix += _rest(sock, LENGTH.size - len(prefix)) if prefix else b""
    if not prefix:
        raise OrderError("the other side is gone")
    (length,) = LENGTH.unpack(prefix)
    if length > MAX_ORDER:
        raise OrderError("an order that is too long")
    order = json.loads(_rest(sock, length))
    if not isinstance(order, dict):
        raise OrderError("not an order")
    return order


def _rest(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            raise OrderError("the other side is gone")
        data += piece
    return data
