"""What one side holds in place of an object that the other side owns."""

from typing import Any, Protocol

from torch import Tensor, nn

FUNCTIONAL = "<functional call>"
"""The method name that stands for torch.func.functional_call."""


class Caller(Protocol):
    """What a proxy needs to reach the object that it stands for: a `grader.rpc.connection.Connection`."""

    may_read: bool

    def call(self, target: int, method: str | None, args: tuple, kwargs: dict[str, Any]) -> Any: ...

    def get(self, target: int, name: str) -> Any: ...

    def clone(self, target: int) -> Any: ...


def _attribute(proxy: Any, name: str) -> Any:
    """An attribute of what a proxy stands for.

    Raises:
        AttributeError: it has none of that name, or shows none: of a check's objects only the methods are to be had.
    """
    if name.startswith("_") or not proxy._connection.may_read:
        raise AttributeError(f"{proxy!r} has no attribute {name!r} that can be had from here")
    return proxy._connection.get(proxy._target, name)


class FunctionProxy:
    """A function of the other side's, or a method of one of its objects."""

    def __init__(self, connection: Caller, target: int, method: str | None, name: str) -> None:
        self._connection, self._target, self._method = connection, target, method
        self.__name__ = self.__qualname__ = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._connection.call(self._target, self._method, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if self._method is not None:
            raise AttributeError(f"a method has no attribute {name!r}")
        return _attribute(self, name)

    def __copy__(self) -> "FunctionProxy":
        return self

    def __deepcopy__(self, memo: dict) -> "FunctionProxy":
        return self

    def __repr__(self) -> str:
        return f"<function {self.__name__}>"


class ObjectProxy:
    """An object of the other side's: its methods can be called, and read where that side shows attributes."""

    def __init__(self, connection: Caller, target: int, type_name: str, methods: tuple[str, ...]) -> None:
        self._connection, self._target, self._type_name, self._methods = connection, target, type_name, methods

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._methods:
            return FunctionProxy(self._connection, self._target, name, name)
        return _attribute(self, name)

    def __repr__(self) -> str:
        return f"<{self._type_name}>"


class CallableProxy(ObjectProxy):
    """An object that can be called, and has methods beside."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._connection.call(self._target, None, args, kwargs)


class ContainerProxy(ObjectProxy):
    """What stands for a list, tuple or dict that is more than that; its items are here, the rest is asked for."""

    _stands_for = True
    _items = 0
    """How many values there are in it, at all depths."""

    def __init__(self, items: Any, connection: Caller, target: int, type_name: str, methods: tuple[str, ...]) -> None:
        super().__init__(connection, target, type_name, methods)

    def __reduce_ex__(self, protocol: Any) -> tuple:
        """A copy is a plain container with the same items."""
        plain = next(kind for kind in (tuple, list, dict) if isinstance(self, kind))
        return plain, (plain(self),)


class TupleProxy(ContainerProxy, tuple):
    """A tuple with names or methods of its own, as a NamedTuple."""

    def __new__(cls, items: Any, *about: Any) -> "TupleProxy":
        return tuple.__new__(cls, items)


class ListProxy(ContainerProxy, list):
    """The same of a list; its items are those that it had when it crossed."""

    def __init__(self, items: Any, *about: Any) -> None:
        list.__init__(self, items)
        super().__init__(items, *about)


class DictProxy(ContainerProxy, dict):
    """The same of a dict."""

    def __init__(self, items: Any, *about: Any) -> None:
        dict.__init__(self, items)
        super().__init__(items, *about)


CONTAINERS: dict[type, type[ContainerProxy]] = {tuple: TupleProxy, list: ListProxy, dict: DictProxy}
"""What stands for a subclass of a container."""


class ModuleProxy(nn.Module):
    """An nn.Module of the other side's. Its parameters and buffers are copies that both sides keep equal."""

    def __init__(self, connection: Caller, target: int, type_name: str, methods: tuple[str, ...]) -> None:
        super().__init__()
        self._connection, self._target, self._type_name, self._methods = connection, target, type_name, methods
        self._known: dict[str, Tensor] = {}

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        current = dict(self.named_parameters()) | dict(self.named_buffers())
        replaced = {name: tensor for name, tensor in current.items() if tensor is not self._known.get(name, tensor)}
        if replaced:  # torch.func.functional_call: the owner does the same with its module
            return self._connection.call(self._target, FUNCTIONAL, (replaced, list(args), kwargs), {})
        return self._connection.call(self._target, None, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith("_"):
                raise
        if name in self._methods:
            return FunctionProxy(self._connection, self._target, name, name)
        return _attribute(self, name)

    def __deepcopy__(self, memo: dict) -> "ModuleProxy":
        return self._connection.clone(self._target)

    def extra_repr(self) -> str:
        return self._type_name
