"""The values of one message: tensors by number, functions, objects, modules and generators by handle.

Functions and objects cross as handles, the owner keeps them. A module's handle comes with its tree and tensors once, a
generator's with its state. What both sides know already is only named: "mine" or "yours", to whoever sends it, or a tensor of the call
that a message answers: a function that returns one of its arguments, and no copy, does so for its caller too. Some of the judge's
objects cross by value: `grader.rpc.given` says which, and why.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

import torch
from torch import Generator, Tensor, nn

from grader.rpc import given
from grader.rpc.closures import build_closure, closed_over, share_closure
from grader.rpc.handles import Handles
from grader.rpc.limits import MAX_DEPTH, Violation
from grader.rpc.messages import a_list, whole
from grader.rpc.plain import Decoding, encode
from grader.rpc.proxies import (
    CONTAINERS,
    CallableProxy,
    Caller,
    ContainerProxy,
    FunctionProxy,
    ModuleProxy,
    ObjectProxy,
)
from grader.rpc.sync import (
    SharedGenerator,
    build_proxy,
    generator_state,
    is_index,
    share,
)
from grader.rpc.tensors import crosses

NOTHING: Mapping[int, Tensor] = MappingProxyType({})


class End(Caller, Protocol):
    """Whose message it is: a `grader.rpc.connection.Connection`."""

    handles: Handles
    believes: bool

    def target(self, number: Any, method: Any) -> Callable: ...


class Outgoing:
    """Encodes the values of one message: tensors are numbered, objects exported, modules mentioned."""

    def __init__(self, connection: End, arguments: Sequence[Tensor] = ()) -> None:
        """Begin a message; if it answers a call, of what is one of the call's own arguments only that is said."""
        self.tensors: list[Tensor] = []
        self.mentions: list[list] = []
        self._connection = connection
        self._seen: dict[int, int] = {}
        self._arguments = {id(tensor): k for k, tensor in enumerate(arguments)}

    @property
    def values(self) -> dict[int, Tensor]:
        """The tensors that are values themselves, by their number, and no part of a module or a generator."""
        return {number: self.tensors[number] for number in self._seen.values()}

    def encode(self, value: Any) -> Any:
        return encode(value, self._other)

    def mention(self, side: str, number: int) -> None:
        if [side, number] not in self.mentions:
            self.mentions.append([side, number])

    def _other(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return self._tensor(value)
        if isinstance(value, FunctionProxy) and value._connection is self._connection:
            if self._connection.handles.shares("theirs", value._target):
                self.mention("yours", value._target)
            return ["yours", value._target, value._method]
        if (number := self._connection.handles.number_of(value)) is not None:
            if self._connection.handles.shares("theirs", number) and not isinstance(value, Generator):
                self.mention("yours", number)
            return ["yours", number, None]
        if isinstance(value, Generator):
            return self._generator(value)
        if isinstance(value, nn.Module):
            return self._module(value)
        if not self._connection.believes and (apart := given.taken_apart(value)) is not None:
            return ["v", self._connection.handles.export(value), *apart]
        if type(value).__module__ in ("builtins", "numpy") and not callable(value):
            return ["?", _type_name(value)]
        methods = public_methods(value)
        name = getattr(value, "__name__", None)
        number = self._connection.handles.export(value)
        shown = name if isinstance(name, str) else _type_name(value)
        if isinstance(value, list | tuple | dict):
            return ["x", number, shown, methods, encode(_plain_of(value), self._other)]
        if not callable(value):
            return ["o", number, shown, methods]
        return ["c" if methods else "f", number, shown, methods, self._held(value, number)]

    def _held(self, function: Callable, number: int) -> Any:
        """What a function closes over and gradients can be asked for, described as a module is; None if nothing."""
        if self._connection.handles.shares("ours", number):
            self.mention("mine", number)
            return None
        held = closed_over(function)
        if not held:
            return None
        self.mention("mine", number)
        closure, description = share_closure(held, self._number)
        self._connection.handles.share("ours", number, closure)
        return description

    def _tensor(self, tensor: Tensor) -> Any:
        if type(tensor) is not Tensor and type(tensor) is not nn.Parameter:
            with torch._C.DisableTorchFunctionSubclass():
                tensor = tensor.as_subclass(Tensor)
        if not crosses(tensor):
            return ["?", f"{tensor.layout} tensor of {tensor.dtype}"]
        if (argument := self._arguments.get(id(tensor))) is not None:
            return ["argument", argument]
        number = self._seen.setdefault(id(tensor), len(self.tensors))
        if number == len(self.tensors):
            self.tensors.append(tensor)
        return ["T", number]

    def _number(self, tensor: Tensor) -> int:
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def _generator(self, generator: Generator) -> Any:
        number = self._connection.handles.export(generator)
        if self._connection.handles.shares("ours", number):
            return ["G", number, None]
        self._connection.handles.share("ours", number, SharedGenerator(generator))
        return ["G", number, self._number(generator.get_state())]

    def _module(self, module: nn.Module) -> Any:
        number = self._connection.handles.export(module)
        self.mention("mine", number)
        if self._connection.handles.shares("ours", number):
            return ["m", number, None, []]
        shared, description = share(module, self._number)
        self._connection.handles.share("ours", number, shared)
        methods = public_methods(module) if self._connection.believes else offered(module)
        return ["m", number, description, methods]


class Incoming:
    """Decodes the values of one message."""

    def __init__(self, connection: End, tensors: list[Tensor], arguments: Mapping[int, Tensor] = NOTHING) -> None:
        """Take the tensors of a message, and if it answers a call, the call's own."""
        self._connection, self._tensors, self._arguments = connection, tensors, arguments
        self._decoding = Decoding(self._other)
        self._nested = 0

    def decode(self, data: Any) -> Any:
        return self._decoding(data)

    def _other(self, tag: str, parts: list) -> Any:
        if tag == "T" and len(parts) == 1 and is_index(parts[0], self._tensors):
            return self._tensors[parts[0]]
        if tag == "argument" and len(parts) == 1 and type(parts[0]) is int and parts[0] in self._arguments:
            return self._arguments[parts[0]]
        if len(parts) == 2 and tag == "yours":
            return self._ours(*parts)
        if len(parts) == 2 and tag == "G":
            return self._connection.handles.proxy(whole(parts[0]), lambda: self._generator(*parts))
        if len(parts) == 3 and tag == "v" and self._connection.believes:
            number, name, numbers = parts
            return self._connection.handles.proxy(whole(number), lambda: given.put_together(name, numbers))
        if (len(parts) == 3 and tag in ("o", "m")) or (len(parts) == 4 and tag in ("f", "c", "x")):
            number, what, methods, *more = parts
            names = tuple(name for name in a_list(methods) if isinstance(name, str))
            self._again(number)
            builders: dict[str, Callable[..., Any]] = {
                "o": self._object,
                "m": self._module,
                "f": self._function,
                "c": self._callable,
                "x": self._container,
            }
            return self._connection.handles.proxy(whole(number), lambda: builders[tag](number, what, names, *more))
        raise Violation(f"a value with the unknown tag {tag[:20]!r}")

    def _again(self, number: Any) -> None:
        """Count what a container holds that is named once more: lists that hold lists many times would be endless to walk through."""
        known = self._connection.handles.known(whole(number))
        if isinstance(known, ContainerProxy):
            self._decoding.count(known._items)

    def _ours(self, number: Any, method: Any) -> Any:
        return self._connection.target(number, method)

    def _function(self, number: int, name: Any, methods: tuple[str, ...], held: Any) -> FunctionProxy:
        self._hold(number, held)
        return FunctionProxy(self._connection, number, None, str(name)[:200])

    def _callable(self, number: int, name: Any, methods: tuple[str, ...], held: Any) -> CallableProxy:
        self._hold(number, held)
        return CallableProxy(self._connection, number, str(name)[:200], methods)

    def _hold(self, number: int, held: Any) -> None:
        """Keep copies of what a function of theirs closes over."""
        if held is not None:
            closure = build_closure(held, self._tensors)
            self._connection.handles.share("theirs", number, closure)

    def _container(self, number: int, name: Any, methods: tuple[str, ...], items: Any) -> ObjectProxy:
        self._nested += 1
        if self._nested > MAX_DEPTH:
            raise Violation(f"more than {MAX_DEPTH} containers within one another")
        before = self._decoding.items
        plain = self.decode(items)
        self._nested -= 1
        if type(plain) not in CONTAINERS:
            raise Violation("a container without items")
        proxy = CONTAINERS[type(plain)](plain, self._connection, number, str(name)[:200], methods)
        proxy._items = self._decoding.items - before
        return proxy

    def _object(self, number: int, name: Any, methods: tuple[str, ...]) -> ObjectProxy:
        return ObjectProxy(self._connection, number, str(name)[:200], methods)

    def _module(self, number: int, description: Any, methods: tuple[str, ...]) -> ModuleProxy:
        name = description.get("class") if isinstance(description, dict) else None
        module = ModuleProxy(self._connection, number, str(name)[:200], methods)
        self._connection.handles.share("theirs", number, build_proxy(module, description, self._tensors))
        module._known = dict(module.named_parameters()) | dict(module.named_buffers())
        return module

    def _generator(self, number: int, state: Any) -> Generator:
        if not is_index(state, self._tensors):
            raise Violation("a generator without a state")
        generator = Generator()
        generator.set_state(generator_state(self._tensors[state]))
        self._connection.handles.share("theirs", number, SharedGenerator(generator))
        return generator


def public_methods(value: Any) -> list[str]:
    """The methods that an object's own classes define for others; torch's machinery is left out."""
    names: set[str] = set()
    for kind in type(value).__mro__:
        if kind.__module__ != "builtins" and not kind.__module__.startswith("torch."):
            names |= {name for name, member in vars(kind).items() if callable(member) and not name.startswith("_")}
    return sorted(names)


OF_A_MODEL = frozenset({"forward", "encode", "decode"})
"""What models and autoencoders have by the exercises' contract."""


def offered(value: Any) -> list[str]:
    """The methods of the judge's objects that the jail may call. What else a check's model defines is the check's: some of it answers."""
    names = public_methods(value)
    return [name for name in names if name in OF_A_MODEL] if isinstance(value, nn.Module) else names


def _plain_of(value: list | tuple | dict) -> list | tuple | dict:
    return dict(value) if isinstance(value, dict) else list(value) if isinstance(value, list) else tuple(value)


def _type_name(value: Any) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
