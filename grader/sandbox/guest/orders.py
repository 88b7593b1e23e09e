"""Orders between judge and jail, apart from the checks' own traffic: small JSON messages that may carry descriptors."""

import json
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
    try:
        pause()
        prefix, descriptors, _, _ = socket.recv_fds(sock, LENGTH.size, MAX_DESCRIPTORS)
        prefix += _rest(sock, LENGTH.size - len(prefix)) if prefix else b""
        if not prefix:
            raise OrderError("the other side is gone")
        (length,) = LENGTH.unpack(prefix)
        if length > MAX_ORDER:
            raise OrderError("an order that is too long")
        order = json.loads(_rest(sock, length))
    except (OSError, ValueError, RecursionError) as error:
        raise OrderError("not an order") from error
    if not isinstance(order, dict):
        raise OrderError("not an order")
    return order, list(descriptors)


def _rest(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            raise OrderError("the other side is gone")
        data += piece
    return data
