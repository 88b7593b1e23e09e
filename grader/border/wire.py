"""What crosses the border between judge and jail, as bytes: one frame a message, plain data and tensors in it.

A frame is

    magic "UNST" | u32 length of the head | u64 length of the body | head (JSON) | body (tensor bytes)

The head is a JSON object, with spaces after it up to a multiple of 64 bytes: the message, whose tensors are numbered, and
under "tensors" what each is (dtype, shape, layout, offset). Values in a message are written with tags, so that nothing
is guessed on the way back:

    null, true, 1, 1.5, "text"      themselves          ["d", [[key, value], ...]]   a dict
    ["l", ...] / ["t", ...]         a list / a tuple    ["T", k]                     tensor number k
    ["dtype", "float32"]            a torch.dtype       ["device", "cpu"]            a torch.device
    ["?", "numpy.ndarray"]          something that does not cross, by its type's name (see `Foreign`)

Further tags belong to `grader.border.peer` (functions, modules, objects, generators). Nothing is pickled, evaluated or
imported: a decoder that meets anything else raises `Violation`. Every size is capped before memory is spent on it.
"""

import json
import math
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

PREFIX = struct.Struct("<4sIQ")
MAGIC = b"UNST"
ALIGN = 64

MAX_HEAD = 8 << 20
"""Bytes of JSON in a frame: a list of 100,000 losses fits."""
MAX_BODY = 1 << 28
"""Bytes of tensors in a frame."""
MAX_ELEMENTS = 1 << 27
"""Elements of a tensor, after expanding."""
MAX_EXPANDED = 1 << 30
"""Bytes of a message's tensors, after expanding."""
MAX_DEPTH = 40
"""Nesting of lists, tuples and dicts."""
MAX_ITEMS = 500_000
"""Values in a message."""
MAX_BITS = 1 << 12
"""Bits of an integer; Python's JSON reads four times as many."""
MAX_TENSORS = 20_000
MAX_DIMS = 32

DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.float64,
        torch.float32,
        torch.float16,
        torch.bfloat16,
        torch.complex64,
        torch.complex128,
        torch.int64,
        torch.int32,
        torch.int16,
        torch.int8,
        torch.uint8,
        torch.bool,
    )
}
PLAIN = (torch.float32, torch.float64, torch.int64)
"""Those of which Python's memoryview knows the bytes."""
DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}


class Violation(Exception):
    """A message that no honest peer sends: broken framing, an unknown tag, a cap exceeded."""


class Unsendable(ValueError):
    """A value of ours that is too large to cross."""


class Closed(Exception):
    """The other side is gone."""


@dataclass(frozen=True)
class Foreign:
    """Stands for a value that does not cross the border; equal to nothing but another of the same type's name."""

    type_name: str

    def __repr__(self) -> str:
        return f"<{self.type_name}>"


# ------------------------------------------------------------------------------------------------------- values


Encoder = Callable[[Any], Any]
"""Turns a value that is not plain data into a tagged list."""
Decoder = Callable[[str, list], Any]
"""Turns the tag and the parts of such a list back into a value, or raises `Violation`."""


def encode(value: Any, other: Encoder, depth: int = 0) -> Any:
    """A value as JSON with tags; `other` is asked for everything that is not plain data, tensors included."""
    if depth > MAX_DEPTH:
        raise Unsendable(f"what is nested deeper than {MAX_DEPTH} levels cannot be handed over")
    if value is None or value is True or value is False:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        if int(value).bit_length() > MAX_BITS:
            raise Unsendable(f"an integer of more than {MAX_BITS} bits cannot be handed over")
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, list | tuple):
        tag = "t" if isinstance(value, tuple) else "l"
        return [tag, *(encode(item, other, depth + 1) for item in value)]
    if isinstance(value, dict):
        return ["d", [[_key(k, other), encode(v, other, depth + 1)] for k, v in value.items()]]
    if isinstance(value, torch.dtype):
        return ["dtype", str(value).removeprefix("torch.")]
    if isinstance(value, torch.device):
        return ["device", str(value)]
    if isinstance(value, Foreign):
        return ["?", value.type_name]
    return other(value)


def _key(key: Any, other: Encoder) -> Any:
    """A dict's key; one that is neither text nor a number is told by its type's name."""
    plain = isinstance(key, str | int | float | bool | None)
    return encode(key if plain else Foreign(type(key).__name__), other)


class Decoding:
    """Turns the tagged JSON of one message back into values, counting what it makes."""

    def __init__(self, other: Decoder) -> None:
        self._other = other
        self._items = 0

    def __call__(self, data: Any, depth: int = 0) -> Any:
        self._items += 1
        if self._items > MAX_ITEMS or depth > MAX_DEPTH:
            raise Violation(f"a message holds more than {MAX_ITEMS} values, or nests deeper than {MAX_DEPTH}")
        if data is None or isinstance(data, bool | int | float | str):
            return data
        if not isinstance(data, list) or not data or not isinstance(data[0], str):
            raise Violation("a value without a tag")
        tag, *parts = data
        if tag == "l":
            return [self(part, depth + 1) for part in parts]
        if tag == "t":
            return tuple(self(part, depth + 1) for part in parts)
        if tag == "d":
            return self._dict(parts, depth)
        if tag == "dtype" and len(parts) == 1 and isinstance(parts[0], str) and parts[0] in DTYPES:
            return DTYPES[parts[0]]
        if tag == "device" and parts == ["cpu"]:
            return torch.device("cpu")
        if tag == "?" and len(parts) == 1 and isinstance(parts[0], str):
            return Foreign(parts[0][:200])
        return self._other(tag, parts)

    def _dict(self, parts: list, depth: int) -> dict:
        if len(parts) != 1 or not isinstance(parts[0], list):
            raise Violation("a dict that is no list of pairs")
        result = {}
        for pair in parts[0]:
            if not isinstance(pair, list) or len(pair) != 2:
                raise Violation("a dict that is no list of pairs")
            key = self(pair[0], depth + 1)
            if not isinstance(key, str | int | float | bool | Foreign | None):
                raise Violation("a dict with a key that is neither text nor a number")
            result[key] = self(pair[1], depth + 1)
        return result


# ------------------------------------------------------------------------------------------------------ tensors


def crosses(tensor: Tensor) -> bool:
    """Whether a tensor is of a kind that crosses: dense, with numbers in it, of a known dtype."""
    return tensor.layout is torch.strided and tensor.dtype in DTYPE_NAMES and not tensor.is_meta


def _pack(tensor: Tensor) -> tuple[dict, Tensor]:
    """What a tensor is, and its numbers as a contiguous tensor. The layout survives as far as code can see it.

    A dimension of stride 0 (from `expand`) is sent once and expanded again; permuted dimensions are sent in memory
    order and permuted back; a tensor with gaps is rebuilt with gaps.
    """
    tensor = tensor.detach()
    if not tensor.is_cpu or tensor.is_conj() or tensor.is_neg():
        tensor = tensor.cpu().resolve_conj().resolve_neg()
    meta: dict[str, Any] = {"dtype": DTYPE_NAMES[tensor.dtype], "shape": list(tensor.shape)}
    if tensor.is_contiguous():
        return meta, tensor
    expanded = [d for d in range(tensor.ndim) if tensor.stride(d) == 0 and tensor.size(d) > 1]
    for dim in expanded:
        tensor = tensor.narrow(dim, 0, 1)
    if expanded:
        meta["expand"] = expanded
    strides = tensor.stride()
    order = sorted(range(tensor.ndim), key=lambda d: (-strides[d], d))
    permuted = tensor.permute(order)
    if permuted.is_contiguous():
        if order != list(range(tensor.ndim)):
            meta["order"] = order
        return meta, permuted
    meta["gap"] = True
    return meta, tensor.contiguous()


def _unpack(meta: dict, dtype: torch.dtype, shape: list[int], body: memoryview) -> Tensor:
    """The tensor of this kind that `_pack` took apart, over the frame's own memory."""
    offset, expanded, order = meta.get("offset"), meta.get("expand", []), meta.get("order")
    dims = len(shape)
    if not isinstance(expanded, list) or not all(type(d) is int and 0 <= d < dims for d in expanded):
        raise Violation("a tensor expanded along a dimension that it has not")
    if order is not None and not _is_order(order, dims):
        raise Violation("a tensor with an impossible order of dimensions")
    stored = [1 if d in expanded else size for d, size in enumerate(shape)] if expanded else shape
    count = math.prod(stored)
    if type(offset) is not int or offset < 0 or offset + count * dtype.itemsize > len(body):
        raise Violation("a tensor that reaches beyond the message")
    flat = torch.frombuffer(body, dtype=dtype, count=count, offset=offset) if count else torch.empty(0, dtype=dtype)
    if dtype is torch.bool:
        flat = flat.view(torch.uint8) != 0  # any other byte is no bool that torch could compare
    if order is not None:
        inverse = [order.index(d) for d in range(dims)]
        tensor = flat.view([stored[d] for d in order]).permute(inverse)
    else:
        tensor = flat.view(stored)
    if meta.get("gap") is True and dims:
        roomy = torch.empty([*stored[:-1], stored[-1] + 1], dtype=dtype)[..., :-1]
        tensor = roomy.copy_(tensor)
    return tensor.expand(shape) if expanded else tensor


def _kind(meta: Any) -> tuple[torch.dtype, list[int], int]:
    """The dtype and shape of a tensor that came, and its bytes once somebody copies it."""
    if not isinstance(meta, dict):
        raise Violation("a tensor without dtype, shape and offset")
    name, shape = meta.get("dtype"), meta.get("shape")
    if not isinstance(name, str) or name not in DTYPES or not isinstance(shape, list) or len(shape) > MAX_DIMS:
        raise Violation("a tensor without dtype, shape and offset")
    if not all(type(size) is int and 0 <= size <= MAX_ELEMENTS for size in shape):
        raise Violation("a tensor with an impossible shape")
    elements = math.prod(shape) or math.prod(max(size, 1) for size in shape)
    if elements > MAX_ELEMENTS:  # its strides are as large, even if it is empty
        raise Violation(f"a tensor with more than {MAX_ELEMENTS} elements")
    return DTYPES[name], shape, elements * DTYPES[name].itemsize


def _is_order(order: Any, dims: int) -> bool:
    return isinstance(order, list) and all(type(d) is int for d in order) and sorted(order) == list(range(dims))


# ------------------------------------------------------------------------------------------------------- frames


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


def _bytes(flat: Tensor) -> memoryview:
    """The memory of a contiguous tensor that has elements."""
    if flat.dtype in PLAIN:
        return flat.numpy().data.cast("B")
    line = flat.reshape(-1) if flat.numel() > 1 else flat.as_strided((1,), (1,))  # which may have stride 0
    return line.view(torch.uint8).numpy().data


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
        return self.sock.sendmsg(pieces)

    def _receive_some(self, view: memoryview) -> int:
        return self.sock.recv_into(view)
