"""What crosses between the processes between judge and jail, as bytes: one frame a message, plain data and tensors in it.

A frame is

    magic "UNST" | u32 length of the head | u64 length of the body | head (JSON) | body (tensor bytes)

The head is a JSON object, with spaces after it up to a multiple of 64 bytes: the message, whose tensors are numbered, and
under "tensors" what each is (dtype, shape, layout, offset). Values in a message are written with tags, so that nothing
is guessed on the way back:

    null, true, 1, 1.5, "text"      themselves          ["d", [[key, value], ...]]   a dict
    ["l", ...] / ["t", ...]         a list / a tuple    ["T", k]                     tensor number k
    ["dtype", "float32"]            a torch.dtype       ["device", "cpu"]            a torch.device
    ["?", "numpy.ndarray"]          something that does not cross, by its type's name (see `Foreign`)

Further tags belong to `grader.rpc.connection` (functions, modules, objects, generators). Nothing is pickled, evaluated or
imported: a decoder that meets anything else raises `Violation`. Every size is capped before memory is spent on it.
"""

import json
import socket
import struct

import numpy as np
from torch import Tensor

from grader.rpc.limits import MAX_BODY, MAX_EXPANDED, MAX_HEAD, MAX_TENSORS, Closed, Unsendable, Violation
from grader.rpc.pauses import pause
from grader.rpc.tensors import ALIGN, _bytes, _kind, _pack, _unpack

PREFIX = struct.Struct("<4sIQ")
MAGIC = b"UNST"


def write_frame(message: dict, tensors: list[Tensor]) -> list[memoryview | bytes]:
    """The pieces of a frame, ready for `socket.sendmsg`; the tensors' own memory is sent, without a copy."""
    metas: list[dict] = []
    pieces: list[memoryview | bytes] = []
    offset = 0
    for tensor in tensors:
        meta, flat = _pack(tensor)
        meta["offset"] = offset
        metas.append(meta)
        size = flat.nbytes
        if size:
            pieces.append(_bytes(flat))
            padding = -size % ALIGN
            if padding:
                pieces.append(bytes(padding))
            offset += size + padding
    head = json.dumps({**message, "tensors": metas}, separators=(",", ":")).encode()
    head += b" " * (-len(head) % ALIGN)
    if len(head) > MAX_HEAD or offset > MAX_BODY or len(tensors) > MAX_TENSORS:
        raise Unsendable(f"{(len(head) + offset) >> 20} MiB in {len(tensors)} tensors are too much to hand over")
    return [PREFIX.pack(MAGIC, len(head), offset) + head, *pieces]


def read_prefix(prefix: bytes) -> tuple[int, int]:
    """The lengths of head and body."""
    magic, head, body = PREFIX.unpack(prefix)
    if magic != MAGIC or head > MAX_HEAD or body > MAX_BODY:
        raise Violation("a frame that does not begin as one, or is too large")
    return head, body


def read_frame(head: bytes | memoryview, body: memoryview) -> tuple[dict, list[Tensor]]:
    """The message and its tensors, built over `body`'s memory."""
    try:
        message = json.loads(bytes(head))
    except (ValueError, RecursionError) as error:
        raise Violation("a message that is not JSON") from error
    metas = message.pop("tensors", None) if isinstance(message, dict) else None
    if not isinstance(metas, list) or len(metas) > MAX_TENSORS:
        raise Violation("a message without a list of tensors")
    kinds = [_kind(meta) for meta in metas]
    if sum(written_out for _, _, written_out in kinds) > MAX_EXPANDED:
        raise Violation(f"tensors that take more than {MAX_EXPANDED} bytes when they are written out")
    return message, [_unpack(meta, dtype, shape, body) for meta, (dtype, shape, _) in zip(metas, kinds, strict=True)]


class Channel:
    """A stream socket that carries frames. `receive` and `send` raise `Closed` when the other side is gone."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, 1 << 20)

    def send(self, message: dict, tensors: list[Tensor]) -> None:
        pieces = [memoryview(piece) for piece in write_frame(message, tensors)]
        while pieces:
            try:
                sent = self._send_some(pieces[:512])
            except (BrokenPipeError, ConnectionResetError) as error:
                raise Closed from error
            while sent:
                if sent >= len(pieces[0]):
                    sent -= len(pieces.pop(0))
                else:
                    pieces[0] = pieces[0][sent:]
                    sent = 0

    def receive(self) -> tuple[dict, list[Tensor]]:
        head_size, body_size = read_prefix(bytes(self._read(PREFIX.size)))
        frame = self._read(head_size + body_size)
        body = frame[head_size:]
        return read_frame(frame[:head_size], body if head_size % ALIGN == 0 else memoryview(bytearray(body)))

    def close(self) -> None:
        self.sock.close()

    def _read(self, count: int) -> memoryview:
        view = np.empty(count, np.uint8).data  # not zeroed, unlike a bytearray
        filled = 0
        while filled < count:
            try:
                got = self._receive_some(view[filled:])
            except ConnectionResetError as error:
                raise Closed from error
            if not got:
                raise Closed
            filled += got
        return view

    def _send_some(self, pieces: list[memoryview]) -> int:
        pause()
        return self.sock.sendmsg(pieces)

    def _receive_some(self, view: memoryview) -> int:
        pause()
        return self.sock.recv_into(view)
