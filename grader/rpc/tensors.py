"""Tensors as bytes, and back: dtype, shape and layout as plain data, the numbers as they lie in memory."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from grader.rpc.limits import MAX_DIMS, MAX_ELEMENTS, Violation

ALIGN = 64
"""A tensor begins at a multiple of so many bytes in a frame: a line of the cache, where numbers of every dtype are aligned."""
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
NUMPY: dict[torch.dtype, Any] = {
    torch.float64: np.float64,
    torch.float32: np.float32,
    torch.float16: np.float16,
    torch.complex64: np.complex64,
    torch.complex128: np.complex128,
    torch.int64: np.int64,
    torch.int32: np.int32,
    torch.int16: np.int16,
    torch.int8: np.int8,
    torch.uint8: np.uint8,
    torch.bool: np.uint8,
}
"""What numpy calls them, where it has them."""
DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}


def crosses(tensor: Tensor) -> bool:
    """Whether a tensor is of a kind that crosses: dense, with numbers in it, of a known dtype."""
    return tensor.layout is torch.strided and tensor.dtype in DTYPE_NAMES and not tensor.is_meta


def pack(tensor: Tensor) -> tuple[dict, Tensor]:
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


def unpack(meta: dict, dtype: torch.dtype, shape: list[int], body: memoryview) -> Tensor:
    """The tensor of this kind that `pack` took apart, over the frame's own memory; no view of another, if it is dense."""
    offset, expanded, order = meta.get("offset"), meta.get("expand", []), meta.get("order")
    dims = len(shape)
    if (
        type(offset) is not int or offset % ALIGN
    ):  # torch reads some dtypes as processors read aligned numbers only, and dies of others
        raise Violation("a tensor at an odd address")
    if len(meta) == 3 and dtype in NUMPY and dtype is not torch.bool:  # dense, as most are
        count = math.prod(shape)
        if count and 0 <= offset <= len(body) - count * dtype.itemsize:
            return torch.from_numpy(np.frombuffer(body, NUMPY[dtype], count, offset).reshape(shape))
    if not isinstance(expanded, list) or not all(type(d) is int and 0 <= d < dims for d in expanded):
        raise Violation("a tensor expanded along a dimension that it has not")
    if order is not None and not _is_order(order, dims):
        raise Violation("a tensor with an impossible order of dimensions")
    stored = [1 if d in expanded else size for d, size in enumerate(shape)] if expanded else shape
    count = math.prod(stored)
    if offset < 0 or offset + count * dtype.itemsize > len(body):
        raise Violation("a tensor that reaches beyond the message")
    packed = stored if order is None else [stored[d] for d in order]
    kind = NUMPY.get(dtype)
    if not count:
        tensor = torch.empty(packed, dtype=dtype)
    elif kind is None:
        tensor = torch.frombuffer(body, dtype=dtype, count=count, offset=offset).view(packed)
    else:
        array = np.frombuffer(body, kind, count, offset)
        if dtype is torch.bool:
            array = array != 0  # any other byte is no bool that torch could compare
        tensor = torch.from_numpy(array.reshape(packed))
    if order is not None:
        tensor = tensor.permute([order.index(d) for d in range(dims)])
    if meta.get("gap") is True and dims:
        roomy = torch.empty([*stored[:-1], stored[-1] + 1], dtype=dtype)[..., :-1]
        tensor = roomy.copy_(tensor)
    return tensor.expand(shape) if expanded else tensor


def kind_of(meta: Any) -> tuple[torch.dtype, list[int], int]:
    """The dtype and shape of a tensor that came, and its bytes once somebody copies it."""
    if not isinstance(meta, dict):
        raise Violation("a tensor without dtype, shape and offset")
    name, shape = meta.get("dtype"), meta.get("shape")
    if not isinstance(name, str) or name not in DTYPES or not isinstance(shape, list) or len(shape) > MAX_DIMS:
        raise Violation("a tensor without dtype, shape and offset")
    if not all(type(size) is int and 0 <= size <= MAX_ELEMENTS for size in shape):
        raise Violation("a tensor with an impossible shape")
    elements = math.prod(shape) or math.prod(max(size, 1) for size in shape)
    if meta.get("gap") is True and shape:
        elements += elements // max(shape[-1], 1)  # the gaps are memory too
    if elements > MAX_ELEMENTS:  # its strides are as large, even if it is empty
        raise Violation(f"a tensor with more than {MAX_ELEMENTS} elements")
    return DTYPES[name], shape, elements * DTYPES[name].itemsize


def _is_order(order: Any, dims: int) -> bool:
    return isinstance(order, list) and all(type(d) is int for d in order) and sorted(order) == list(range(dims))


def bytes_of(flat: Tensor) -> memoryview:
    """The memory of a contiguous tensor that has elements."""
    if flat.dtype in PLAIN:
        return flat.numpy().data.cast("B")
    line = flat.reshape(-1) if flat.numel() > 1 else flat.as_strided((1,), (1,))  # which may have stride 0
    return line.view(torch.uint8).numpy().data
