"""Neither jail nor judge compiles: `torch.compile` gives back what it is given, which computes the same.

And `torch._dynamo`, its first half, is not imported until somebody needs it, at the desk neither. Each optimizer asks for it, and
torch.func.grad does, but only to say what a compiler should leave alone. Importing it takes a second at each start, and page tables that
each fork copies.
"""

import contextlib
import importlib
import importlib.util
import sys
import threading
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

NAME = "torch._dynamo"


def go_without() -> None:
    """Have torch do without a compiler in this process and its forks."""
    import torch

    torch.compile = _compiled
    torch.nn.Module.compile = lambda self, *args, **options: None  # type: ignore[method-assign]
    import_when_needed()


def import_when_needed() -> None:
    """Have torch import its compiler when somebody needs it."""
    import torch

    if NAME not in sys.modules and (spec := importlib.util.find_spec(NAME)) is not None:
        torch._dynamo = sys.modules[NAME] = Dormant(spec)
        sys.meta_path.insert(0, Within())


def _compiled(model: Any = None, **options: Any) -> Any:
    return model if model is not None else lambda function: function


_told: list[Any] = []
"""What a compiler should leave alone, where there is none yet; torch remembers the answer in the function's `__dynamo_disable`."""


def _left_alone(function: Any = None, *args: Any, **options: Any) -> Any:
    _told.append(function)
    return _compiled(function)


class Dormant(ModuleType):
    """`torch._dynamo` as optimizers and torch.func ask for it; whoever asks for more wakes it, which imports it."""

    def __init__(self, spec: ModuleSpec) -> None:
        vars(self).update(
            __name__=NAME,
            __spec__=spec,
            __path__=spec.submodule_search_locations,
            __file__=spec.origin,
            graph_break=lambda *args, **options: None,
            disable=_left_alone,
            is_compiling=lambda: False,  # what torch.func of torch 2.6 asks
            compiled_autograd=DormantPart("compiled_autograd", _disable=contextlib.nullcontext),
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(_awake(name), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(_awake(), name, value)


class DormantPart(ModuleType):
    """A module within it, in the same way."""

    def __init__(self, name: str, **known: Any) -> None:
        vars(self).update(known, __name__=f"{NAME}.{name}", _name=name)

    def __getattr__(self, name: str) -> Any:
        return getattr(getattr(_awake(name), self._name), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(getattr(_awake(), self._name), name, value)


_waking = threading.RLock()


def _awake(wanted: str = "") -> ModuleType:
    """The module itself.

    Raises:
        AttributeError: what is wanted is of the kind that is looked for in all modules.
    """
    if wanted.startswith("__"):
        raise AttributeError(wanted)
    with _waking:
        if not isinstance(dormant := sys.modules[NAME], Dormant):
            return sys.modules[NAME]
        del sys.modules[NAME]
        try:
            module = importlib.import_module(NAME)
        except BaseException:
            sys.modules[NAME] = dormant
            raise
        while _told:  # torch asks again, and the compiler hears it
            getattr(_told.pop(), "__dict__", {}).pop("__dynamo_disable", None)
        return module


class Within(MetaPathFinder):
    """Wakes it for a module within it; if that has imported this module too, gives that one."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if not name.startswith(f"{NAME}.") or not isinstance(sys.modules.get(NAME), Dormant):
            return None
        _awake()
        return ModuleSpec(name, There(sys.modules[name])) if name in sys.modules else None


class There(Loader):
    """Loads a module that has been loaded."""

    def __init__(self, module: ModuleType) -> None:
        self.module, self.spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec
