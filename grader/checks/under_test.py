"""The code under test as a check sees it: a module's functions and classes, whose calls are noted.

The module may be a learner's, a reference with a mistake in it, or a session of the sandbox whose functions are proxies.
What was called last is what a failure talks about, and what a call does to its arguments is a mistake of its own.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial, wraps
from typing import Any

import torch
from torch import Tensor, nn

from exercises.checks.describe import MADE, Call, argument_names, network_called
from exercises.checks.expect import GIVEN, LAST_CALL, ORDINALS, PARTS, Mismatch, unchanged
from exercises.checks.notes import FORWARDS, NOTES, a_call, note
from grader.course import sections
from grader.faults import Missing, ended

KEEP = "a function leaves its arguments as they are: whoever called may need them again"


class UnderTest:
    """One module under test: `code.q_sample(...)`, `code.TinyDenoiser(...)`."""

    def __init__(self, module: Any) -> None:
        self._module = module
        forget()

    def __getattr__(self, name: str) -> Any:
        if not hasattr(self._module, name):
            raise Missing(name)
        target = getattr(self._module, name)
        return _noting(name, target) if callable(target) else target


def forget() -> None:
    """Keep nothing of a check: what it handed out and was given may be large."""
    for noted in (LAST_CALL, NOTES, FORWARDS, GIVEN, PARTS):
        noted.clear()


def _noting(name: str, target: Callable) -> Callable:
    @wraps(target, updated=())
    def call(*args: Any, **kwargs: Any) -> Any:
        LAST_CALL.append(Call(name, args, kwargs, target))
        del LAST_CALL[:-1]
        given = [(where, value, value.detach().clone()) for where, value in _tensors(name, args, kwargs)]
        try:
            with a_call():
                result = target(*args, **kwargs)
        except Exception as error:
            note(name, ended(error))
            raise
        note(name, result)
        # Checks compute what they expect from what they hand out: it must be what it was
        try:
            unchanged(
                KEEP, partial(_named, target), **{where: (before, value.detach()) for where, value, before in given}
            )
        except Mismatch:
            _put_back([(value, before) for _, value, before in given])
            raise
        if isinstance(result, nn.Module) and not any(result is arg for arg in args):
            MADE[result] = str(Call(name, args, kwargs))
            result.register_forward_pre_hook(_note_forward, with_kwargs=True)
        return result

    return call


def _named(target: Callable) -> dict[str, str]:
    """The positional arguments by name, where that can be seen: what came back tells of `noise`, and not of the second argument."""
    return {f"{ordinal} argument": name for ordinal, name in zip(ORDINALS, argument_names(target), strict=False)}


def _put_back(given: list[tuple[Tensor, Tensor]]) -> None:
    """Make arguments what they were: a file of checks may keep one of them, for the next submission."""
    with torch.no_grad():
        for value, before in given:
            if value.shape == before.shape and value.dtype == before.dtype and not torch.equal(value, before):
                value.copy_(before)


def _tensors(called: str, args: tuple, kwargs: dict[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """The tensors among the arguments, with what a message calls them; inside torch.func none can be looked at.

    Of a model they are its parameters, unless the function is there to change them.
    """
    trains = next((of.exercises[called].trains for of in sections().values() if called in of.exercises), False)
    names = [f"{ordinal} argument" for ordinal in ORDINALS[: len(args)]]
    for name, value in (*zip(names, args, strict=False), *kwargs.items()):
        inside: Iterable[tuple[str, Tensor]] = ()
        if isinstance(value, nn.Module) and not trains:
            inside = ((f"the parameter {part} of the {name}", one) for part, one in value.named_parameters())
        elif isinstance(value, Tensor):
            inside = ((name, value),)
        yield from (one for one in inside if not torch._C._functorch.is_functorch_wrapped_tensor(one[1]))


def _note_forward(module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
    FORWARDS.append(type(module).__name__)
    LAST_CALL[:] = [Call(network_called(module), args, kwargs, module.forward)]
