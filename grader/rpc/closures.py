"""What a plain function closes over: the tensors and networks that gradients may be asked for, beside its arguments."""

import functools
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, MethodType
from typing import Any

import torch
from torch import Tensor, nn

from grader.rpc.tensors import crosses

DEEP = 3
"""So many functions, lists and objects within one another are looked into."""
MOST = 200
"""Things that are looked at; what no honest function closes over is not searched for."""


def closed_over(function: Callable) -> list[Tensor]:
    """The tensors that take gradients and that a function reaches by itself, each once, in a fixed order."""
    found: dict[int, Tensor] = {}
    seen: set[int] = set()
    _search(function, DEEP, seen, found)
    return list(found.values())


def _search(value: Any, depth: int, seen: set[int], found: dict[int, Tensor]) -> None:
    if id(value) in seen or len(seen) > MOST or depth < 0:
        return
    if isinstance(value, Tensor):
        if _takes_gradients(value):
            found[id(value)] = value
    elif isinstance(value, nn.Module):
        found.update({id(tensor): tensor for tensor in value.parameters() if _takes_gradients(tensor)})
    else:
        seen.add(id(value))
        for inner in _parts(value):
            _search(inner, depth - 1, seen, found)


def _takes_gradients(tensor: Tensor) -> bool:
    """Whether gradients can be asked for of a tensor; those that torch.func wraps are its own business."""
    return tensor.requires_grad and not torch._C._functorch.is_functorch_wrapped_tensor(tensor) and crosses(tensor)


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, FunctionType):
        for cell in value.__closure__ or ():
            try:
                yield cell.cell_contents
            except ValueError:  # a name that is not bound yet
                continue
        yield from value.__defaults__ or ()
        yield from (value.__kwdefaults__ or {}).values()
        yield from (value.__globals__[name] for name in sorted(_names(value.__code__)) if name in value.__globals__)
    elif isinstance(value, MethodType):
        yield from (value.__func__, value.__self__)
    elif isinstance(value, functools.partial):
        yield from (value.func, *value.args, *value.keywords.values())
    elif isinstance(value, list | tuple):
        yield from value[:MOST]
    elif isinstance(value, dict):
        yield from list(value.values())[:MOST]
    elif not isinstance(value, type) and type(value).__module__ != "builtins" and hasattr(value, "__dict__"):
        yield from list(vars(value).values())[:MOST]
        yield from [vars(kind)["__call__"] for kind in type(value).__mro__ if "__call__" in vars(kind)][:1]


def _names(code: CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names(constant)
    return names
