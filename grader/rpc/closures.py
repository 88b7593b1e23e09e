"""What a plain function closes over: the tensors and networks that gradients may be asked for, beside its arguments.

Of them the other side holds stand-ins (`SharedClosure`), to which gradients flow and of which no value is known.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any

import torch
from torch import Tensor, nn

from grader.rpc.limits import Violation
from grader.rpc.names import looked_up
from grader.rpc.sync import Number, Place, SharedModule, build_proxy
from grader.rpc.tensors import crosses

DEEP = 3
"""How many levels of functions, lists and objects within one another are looked into."""
MOST = 200
"""At most so many objects are looked at: an honest function closes over far fewer."""


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
        yield from (value.__globals__[name] for name in sorted(looked_up(value.__code__)) if name in value.__globals__)
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


@dataclass
class SharedClosure(SharedModule):
    """What a function closes over, as far as the other side of it may know: shapes, for gradients to flow there. No value crosses.

    Attributes:
        owner: whether the function, and with it the tensors, are this side's.
    """

    owner: bool = False

    def remember(self) -> None: ...

    def changes(self, number: Number) -> dict | None:
        """Gradients that a backward pass left on this side's stand-ins; they are handed over, not kept."""
        if self.owner:
            return None
        grads = []
        for k, place in enumerate(self.places):
            tensor = place.tensor
            if tensor is not None and tensor.grad is not None:
                grads.append([k, number(tensor.grad.detach())])
                tensor.grad = None
        return {"grads": grads} if grads else None

    def apply(self, delta: Any, tensors: list[Tensor]) -> None:
        """Add the gradients to those that the tensors have."""
        if not self.owner or not isinstance(delta, dict) or set(delta) != {"grads"}:
            raise Violation("a change to what a function closes over")
        for place, value in self._pairs(delta["grads"], tensors):
            tensor = place.tensor
            if tensor is None or value is None or value.shape != tensor.shape or value.dtype != tensor.dtype:
                raise Violation("a gradient that does not fit")
            torch.autograd.backward([tensor], [value.clone()], retain_graph=True)


def share_closure(tensors: list[Tensor], number: Number) -> tuple[SharedClosure, dict]:
    """The owner's side of what a function closes over, and the description of it: the same as a module's, without values."""
    holder = nn.Module()
    slots: list[list[Any]] = []
    for k, tensor in enumerate(tensors):
        name = f"closed_over_{k}"
        holder._parameters[name] = tensor  # type: ignore[assignment]
        blank = torch.zeros((), dtype=tensor.dtype).expand(tensor.shape)
        slots.append([0, "p", name, True, True, number(blank)])
    places = [Place(holder, "p", slot[2]) for slot in slots]
    description = {"class": "closure", "parts": [""], "slots": slots, "ties": [], "training": [True]}
    return SharedClosure(holder, [holder], places, owner=True), description


def build_closure(description: Any, tensors: list[Tensor]) -> SharedClosure:
    """The other side's: parameters of these shapes, whose values mean nothing."""
    built = build_proxy(nn.Module(), description, tensors)
    return SharedClosure(built.module, built.parts, built.places)
