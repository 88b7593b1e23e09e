"""The learner's way of running the checks: in the same process, so that pdb works.

`Desk` stands between a check and a module: it hands out the module's functions and classes, and notes each call, so that
a failure can say what was called.
"""

from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any

from torch import nn

from exercises.checks.describe import Call
from exercises.checks.expect import LAST_CALL
from grader.faults import Missing


class Desk:
    """The code under test, as a check sees it: `desk.q_sample(...)`, `desk.TinyDenoiser(...)`."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        LAST_CALL.clear()

    def __getattr__(self, name: str) -> Any:
        if not hasattr(self._module, name):
            raise Missing(name)
        target = getattr(self._module, name)
        return _noting(name, target) if callable(target) else target


def _noting(name: str, target: Callable) -> Callable:
    @wraps(target, updated=())
    def call(*args: Any, **kwargs: Any) -> Any:
        LAST_CALL.append(Call(name, args, kwargs))
        del LAST_CALL[:-1]
        result = target(*args, **kwargs)
        if isinstance(target, type) and isinstance(result, nn.Module):
            result.register_forward_pre_hook(_note_forward(name), with_kwargs=True)
        return result

    return call


def _note_forward(name: str) -> Callable:
    def note(module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        LAST_CALL.append(Call(f"{name}.forward", args, kwargs))
        del LAST_CALL[:-1]

    return note
