"""What crosses between judge and jail, as bytes: one frame a message, plain data and tensors in it.

A frame is

    magic "UNST" | u32 length of the head | u64 length of the body | head (JSON) | body (tensor bytes)

The head is a JSON object, with spaces after it up to a multiple of 64 bytes: the message, whose tensors are numbered, and
under "tensors" what each is (dtype, shape, layout, offset). How values are written in a message, `grader.rpc.plain` says.
Nothing is pickled, evaluated or imported: what is anything else raises `Violation`. Every size is capped before memory is
spent on it.
"""

import json
import socket
import struct

import numpy as np
from torch import Tensor

from grader.rpc.limits import MAX_BODY, MAX_EXPANDED, MAX_HEAD, MAX_TENSORS, Closed, Unsendable, Violation
from grader.rpc.pauses import pause
from grader.rpc.tensors import ALIGN, bytes_of, kind_of, pack, unpack

PREFIX = struct.Struct("<4sIQ")
MAGIC = b"UNST"
ROOM = 1 << 16
"""Bytes that are read at once. A frame within it takes one read; its tensors get memory of their own all the same."""
_as_json = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


def write_frame(message: dict, tensors: list[Tensor]) -> list[memoryview | bytes]:
    """The pieces of a frame, ready for `socket.sendmsg`; the tensors' own memory is sent, without a copy."""
    metas: list[dict] = []
    pieces: list[memoryview | bytes] = []
    offset = 0
    for tensor in tensors:
        meta, flat = pack(tensor)
        meta["offset"] = offset
        metas.append(meta)
        size = flat.nbytes
        if size:
            pieces.append(bytes_of(flat))
            padding = -size % ALIGN
            if padding:
                pieces.append(bytes(padding))
            offset += size + padding
    head = _as_json({**message, "tensors": metas}).encode()
    head += b" " * (-len(head) % ALIGN)
    if len(head) > MAX_HEAD or offset > MAX_BODY or len(tensors) > MAX_TENSORS:
        raise Unsendable(f"{(len(head) + offset) >> 20} MiB in {len(tensors)} tensors are too much to hand over")
    return [PREFIX.pack(MAGIC, len(head), offset) + head, *pieces]


def read_prefix(prefix: bytes | memoryview) -> tuple[int, int]:
    """The lengths of head and body."""
    magic, head, body = PREFIX.unpack(prefix)
    if magic != MAGIC or head > MAX_HEAD or body > MAX_BODY:
        raise Violation("a frame that does not begin as one, or is too large")
    return head, body


def read_frame(head: bytes | memoryview, body: memoryview) -> tuple[dict, list[Tensor]]:
    """The message and its tensors, built over `body`'s memory."""
    try:
        message = json.loads(str(head, "utf-8"))
    except (ValueError, RecursionError) as error:
        raise Violation("a message that is not JSON") from error
    metas = message.pop("tensors", None) if isinstance(message, dict) else None
    if not isinstance(metas, list) or len(metas) > MAX_TENSORS:
        raise Violation("a message without a list of tensors")
    kinds = [kind_of(meta) for meta in metas]
    if sum(written_out for _, _, written_out in kinds) > MAX_EXPANDED:
        raise Violation(f"tensors that take more than {MAX_EXPANDED} bytes when they are written out")
    tensors, end = [], 0
    for meta, (dtype, shape, _) in zip(metas, kinds, strict=True):
        tensor = unpack(meta, dtype, shape, body)
        if tensor.numel():
            offset = meta["offset"]
            tensors.append(tensor if offset >= end else tensor.clone())  # or who changes one would change another
            end = max(end, offset + tensor.untyped_storage().nbytes())
        else:
            tensors.append(tensor)
    return message, tensors


class Channel:
    """A stream socket that carries frames. `receive` and `send` raise `Closed` when the other side is gone."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.body = memoryview(b"")
        """The memory in which the tensors of the last message that came lie."""
        self._room = np.empty(ROOM, np.uint8).data
        self._filled = 0
        """So much of the room holds what was read and not yet taken."""
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, 1 << 20)

    def send(self, message: dict, tensors: list[Tensor]) -> None:
        pieces = write_frame(message, tensors)
        while pieces:
            try:
                sent = self._send_some(pieces[:512])
            except (BrokenPipeError, ConnectionResetError) as error:
                raise Closed from error
            done = 0
            while done < len(pieces) and sent >= len(pieces[done]):
                sent -= len(pieces[done])
                done += 1
            del pieces[:done]
            if sent:
                pieces[0] = memoryview(pieces[0])[sent:]

    def receive(self) -> tuple[dict, list[Tensor]]:
        self._fill(PREFIX.size)
        head_size, body_size = read_prefix(self._room[: PREFIX.size])
        begin, end = PREFIX.size + head_size, PREFIX.size + head_size + body_size
        if end <= ROOM:
            self._fill(end)
            head = self._room[PREFIX.size : begin]
            self.body = _copy(self._room[begin:end])
            found = read_frame(head, self.body)
            if self._filled > end:  # the beginning of the next
                self._room[: self._filled - end] = _copy(self._room[end : self._filled])
            self._filled -= end
            return found
        frame = np.empty(head_size + body_size, np.uint8).data  # not zeroed, unlike a bytearray
        here, self._filled = self._room[PREFIX.size : self._filled], 0
        frame[: len(here)] = here
        self._read(frame, len(here))
        body = frame[head_size:]
        self.body = body if head_size % ALIGN == 0 else _copy(body)
        return read_frame(frame[:head_size], self.body)

    def close(self) -> None:
        self.sock.close()

    def _fill(self, count: int) -> None:
        """Read until so much is in the room; more than that may come."""
        self._filled = self._read(self._room, self._filled, count)

    def _read(self, view: memoryview, filled: int, count: int | None = None) -> int:
        """Read into the view from there on, until so much of it is filled, or all; returns how much is."""
        count = len(view) if count is None else count
        while filled < count:
            try:
                got = self._receive_some(view[filled:])
            except ConnectionResetError as error:
                raise Closed from error
            if not got:
                raise Closed
            filled += got
        return filled

    def _send_some(self, pieces: list[memoryview | bytes]) -> int:
        pause()
        return self.sock.sendmsg(pieces)

    def _receive_some(self, view: memoryview) -> int:
        pause()
        return self.sock.recv_into(view)


def _copy(view: memoryview) -> memoryview:
    """The same bytes in memory of their own, which torch may write to and where every number is aligned."""
    return np.frombuffer(view, np.uint8).copy().data if len(view) else memoryview(bytearray())
