"""The values of one message: tensors by number, functions, objects, modules and generators by handle.

Functions and objects cross as handles, the owner keeps them. A module's handle comes with its tree and tensors once, a
generator's with its state. What both sides know already is only named: "mine" or "yours", to whoever sends it.
"""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Generator, Tensor, nn

from grader.border.shared import SharedGenerator, SharedModule, generator_state, is_index, share, stand_in
from grader.border.standins import Caller, RemoteFunction, RemoteModule, RemoteObject
from grader.border.untrusted import a_list, whole
from grader.border.wire import Decoding, Violation, crosses, encode


class Handles(Caller, Protocol):
    """Who keeps the numbers of the objects that crossed: a `grader.border.peer.Peer`."""

    def export(self, value: Any) -> int: ...

    def standin(self, number: int, build: Callable[[], Any]) -> Any: ...

    def number_of(self, standin: Any) -> int | None: ...

    def share(self, side: str, number: int, shared: SharedModule | SharedGenerator) -> None: ...

    def shares(self, side: str, number: int) -> bool: ...

    def target(self, number: Any, method: Any) -> Callable: ...


class Outgoing:
    """Encodes the values of one message: tensors are numbered, objects exported, modules mentioned."""

    def __init__(self, peer: Handles) -> None:
        self.tensors: list[Tensor] = []
        self.mentions: list[list] = []
        self._peer = peer
        self._seen: dict[int, int] = {}

    def encode(self, value: Any) -> Any:
        return encode(value, self._other)

    def mention(self, side: str, number: int) -> None:
        if [side, number] not in self.mentions:
            self.mentions.append([side, number])

    def _other(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return self._tensor(value)
        if isinstance(value, RemoteFunction) and value._peer is self._peer:
            return ["yours", value._target, value._method]
        if (number := self._peer.number_of(value)) is not None:
            if isinstance(value, RemoteModule):
                self.mention("yours", number)
            return ["yours", number, None]
        if isinstance(value, Generator):
            return self._generator(value)
        if isinstance(value, nn.Module):
            return self._module(value)
        if type(value).__module__ in ("builtins", "numpy") and not callable(value):
            return ["?", _type_name(value)]
        kind = "f" if callable(value) and not public_methods(value) else "o"
        name = getattr(value, "__name__", None)
        return [
            kind,
            self._peer.export(value),
            name if isinstance(name, str) else _type_name(value),
            public_methods(value),
        ]

    def _tensor(self, tensor: Tensor) -> Any:
        if type(tensor) not in (Tensor, nn.Parameter):
            with torch._C.DisableTorchFunctionSubclass():
                tensor = tensor.as_subclass(Tensor)
        if not crosses(tensor):
            return ["?", f"{tensor.layout} tensor of {tensor.dtype}"]
        if id(tensor) not in self._seen:
            self._seen[id(tensor)] = len(self.tensors)
            self.tensors.append(tensor)
        return ["T", self._seen[id(tensor)]]

    def _number(self, tensor: Tensor) -> int:
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def _generator(self, generator: Generator) -> Any:
        number = self._peer.export(generator)
        if self._peer.shares("ours", number):
            return ["G", number, None]
        self._peer.share("ours", number, SharedGenerator(generator))
        return ["G", number, self._number(generator.get_state())]

    def _module(self, module: nn.Module) -> Any:
        number = self._peer.export(module)
        self.mention("mine", number)
        if self._peer.shares("ours", number):
            return ["m", number, None, []]
        shared, description = share(module, self._number)
        self._peer.share("ours", number, shared)
        return ["m", number, description, public_methods(module)]


class Incoming:
    """Decodes the values of one message."""

    def __init__(self, peer: Handles, tensors: list[Tensor]) -> None:
        self._peer, self._tensors = peer, tensors
        self._decoding = Decoding(self._other)

    def decode(self, data: Any) -> Any:
        return self._decoding(data)

    def _other(self, tag: str, parts: list) -> Any:
        if tag == "T" and len(parts) == 1 and is_index(parts[0], self._tensors):
            return self._tensors[parts[0]]
        if len(parts) == 2 and tag == "yours":
            return self._ours(*parts)
        if len(parts) == 2 and tag == "G":
            return self._peer.standin(whole(parts[0]), lambda: self._generator(*parts))
        if len(parts) == 3 and tag in ("f", "o", "m"):
            number, what, methods = parts
            names = tuple(name for name in a_list(methods) if isinstance(name, str))
            builders = {"f": self._function, "o": self._object, "m": self._module}
            return self._peer.standin(whole(number), lambda: builders[tag](number, what, names))
        raise Violation(f"a value with the unknown tag {tag[:20]!r}")

    def _ours(self, number: Any, method: Any) -> Any:
        return self._peer.target(number, method)

    def _function(self, number: int, name: Any, methods: tuple[str, ...]) -> RemoteFunction:
        return RemoteFunction(self._peer, number, None, str(name)[:200])

    def _object(self, number: int, name: Any, methods: tuple[str, ...]) -> RemoteObject:
        return RemoteObject(self._peer, number, str(name)[:200], methods)

    def _module(self, number: int, description: Any, methods: tuple[str, ...]) -> RemoteModule:
        name = description.get("class") if isinstance(description, dict) else None
        module = RemoteModule(self._peer, number, str(name)[:200], methods)
        self._peer.share("theirs", number, stand_in(module, description, [t.detach() for t in self._tensors]))
        module._known = dict(module.named_parameters()) | dict(module.named_buffers())
        return module

    def _generator(self, number: int, state: Any) -> Generator:
        if not is_index(state, self._tensors):
            raise Violation("a generator without a state")
        generator = Generator()
        generator.set_state(generator_state(self._tensors[state]))
        self._peer.share("theirs", number, SharedGenerator(generator))
        return generator


def public_methods(value: Any) -> list[str]:
    """The methods that an object's own classes define for others; torch's machinery is left out."""
    names: set[str] = set()
    for kind in type(value).__mro__:
        if kind.__module__ != "builtins" and not kind.__module__.startswith("torch."):
            names |= {name for name, member in vars(kind).items() if callable(member) and not name.startswith("_")}
    return sorted(names)


def _type_name(value: Any) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
