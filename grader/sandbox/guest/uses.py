"""What each name of a submission's module uses, read off its objects: none of the submission's code runs for it.

Nothing is asked of an object but what Python's own types keep of it: its class is `type(...)`, its attributes are its `__dict__`, and
where a class has put something of its own in the place of either, nothing is known of it. It is told in the submission's own process, and
so nobody believes it: who is said to use an exercise that is wrong is judged with ours in its place, which mentioning the name would do as
well, and the wrong one costs its points all the same.
"""

import functools
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from types import CellType, FunctionType, GetSetDescriptorType, MappingProxyType, MethodType, ModuleType
from typing import Any

from grader.rpc.names import looked_up

MOST_NAMES = 2000
"""Of a module's names so many are told, the public ones first."""
MOST_USED = 200
"""So many are told of each, those first that the module defines."""
LONGEST_NAME = 200
MOST_OBJECTS = 1000
"""So many objects are looked at for a name, and of a container or a class so many parts."""
MOST_IN_ALL = 40_000
MOST_BYTES = 1 << 19
"""Of what all names use, as JSON."""

HELD = {
    id(FunctionType): (FunctionType, ("__closure__", "__defaults__", "__kwdefaults__")),
    id(MethodType): (MethodType, ("__func__", "__self__")),
    id(CellType): (CellType, ("cell_contents",)),
    id(staticmethod): (staticmethod, ("__func__",)),
    id(classmethod): (classmethod, ("__func__",)),
    id(property): (property, ("fget", "fset", "fdel")),
    id(functools.partial): (functools.partial, ("func", "args", "keywords")),
}
"""What holds functions, and where; by id, for a class may have an `__eq__` of its own."""
CONTAINERS: dict[int, Callable[[Any], Iterable[object]]] = {
    id(dict): dict.values,
    id(list): list.__iter__,
    id(tuple): tuple.__iter__,
    id(set): set.__iter__,
    id(frozenset): frozenset.__iter__,
}
_base_classes = type.__dict__["__mro__"].__get__
class_attributes = type.__dict__["__dict__"].__get__
"""What `vars` gives of a class, whatever its metaclass has to say to that."""


def uses(module: ModuleType) -> dict[str, list[str]]:
    """Each name of the module with the names that it uses: those which its code looks up, and those of what it holds.

    A function's code is what the decorators, partials and methods around it come to, a class's that of all its attributes. Names that begin with one
    underscore are among them, for whoever follows what is used by way of them.
    """
    return Look(vars(module)).all()


class Look:
    """One look at the names of a module."""

    def __init__(self, namespace: dict[str, object]) -> None:
        names = [name for name in namespace if not (name.startswith("__") and name.endswith("__"))]
        names = [name for name in names if len(name) <= LONGEST_NAME]
        self.namespace = namespace
        self.names = sorted(names, key=lambda name: name.startswith("_"))[:MOST_NAMES]
        self.bound: dict[int, list[str]] = {}
        """The names of what can be called, by its id."""
        for name in self.names:
            if callable(namespace[name]):
                self.bound.setdefault(id(namespace[name]), []).append(name)
        self.left, self.bytes = MOST_IN_ALL, MOST_BYTES

    def all(self) -> dict[str, list[str]]:
        return {name: self._told(self._used(name) - {name}) for name in self.names}

    def _told(self, names: set[str]) -> list[str]:
        """As many of the names as there is room for."""
        told = []
        for name in sorted(names, key=lambda name: (name not in self.namespace, name))[:MOST_USED]:
            self.bytes -= len(json.dumps(name)) + 2
            if self.bytes >= 0 and len(name) <= LONGEST_NAME:
                told.append(name)
        return told

    def _used(self, name: str) -> set[str]:
        """What is looked up by all that a name's value holds, up to what has names itself."""
        value = self.namespace[name]
        found = set(self.bound.get(id(value), ()))
        seen = {id(value): value}  # what is seen is kept, or another object would have its id
        ahead = deque([value])
        while ahead and len(seen) <= MOST_OBJECTS and self.left > 0:
            here = ahead.popleft()
            if type(here) is FunctionType and here.__globals__ is self.namespace:
                found |= looked_up(here.__code__)
            for part in self._parts(here):
                if id(part) not in seen:
                    self.left -= 1
                    seen[id(part)] = part
                    if id(part) in self.bound:
                        found.update(self.bound[id(part)])
                    else:
                        ahead.append(part)
        return found

    def _parts(self, value: object) -> Iterator[object]:
        """What an object holds, and the classes of the submission that it is made of."""
        kinds = _base_classes(type(value))
        for kind in kinds:
            holder, places = HELD.get(id(kind), (kind, ()))
            for place in places:
                with suppress(ValueError):  # of an empty cell
                    yield holder.__dict__[place].__get__(value)
            if id(kind) in CONTAINERS:
                yield from islice(CONTAINERS[id(kind)](value), MOST_OBJECTS)
        a_class = any(kind is type for kind in kinds)
        if not a_class or self._is_own(value):
            yield from islice(_attributes(value, kinds), MOST_OBJECTS)
        yield from (kind for kind in chain(_base_classes(value) if a_class else (), kinds) if self._is_own(kind))

    def _is_own(self, kind: Any) -> bool:
        where, name = class_attributes(kind).get("__module__"), self.namespace.get("__name__")
        return type(where) is type(name) is str and where == name


def _attributes(value: object, kinds: Iterable[type]) -> Iterable[object]:
    """The values of an object's own attributes, where Python keeps them and not the object's class."""
    kept = next((found for kind in kinds if (found := class_attributes(kind).get("__dict__")) is not None), None)
    own: Any = kept.__get__(value) if type(kept) is GetSetDescriptorType else None
    return own.values() if type(own) in (dict, MappingProxyType) else ()
