"""What the code under test did in one check: what each call of it returned, and what it asked the models that it was given.

Two different mistakes that fail one check with the same words differ here, and one mistake is recognised here by its numbers.
`grader.checks.under_test` notes what comes back, `exercises.checks.spies` what a model is called with.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

MOST = 300
"""So many notes are kept of a check: the first ones, in which mistakes differ already."""
LARGE = 4096
"""Of a tensor with more elements than this only the shape is kept."""
WIDE, PARTS = 64, 4096
"""So much is kept of a list, and of all that one event has in it."""


class Note(NamedTuple):
    """One event.

    Attributes:
        what: the name of the function that returned, or `ASKED`.
        values: what it returned, or what the model was called with; tensors as copies.
    """

    what: str
    values: Any


ASKED = "a model is asked"
NOTES: list[Note] = []
"""Since the check began, in the order in which it happened."""
FORWARDS: list[str] = []
"""The networks of the code under test that a check has called since it began, by their classes."""


_calls = 0


@contextmanager
def a_call() -> Iterator[None]:
    """The code under test is running: what models are asked meanwhile, it asks, and not the check itself."""
    global _calls
    _calls += 1
    try:
        yield
    finally:
        _calls -= 1


def asked(values: Any) -> None:
    """Keep what a model was called with, if it is the code under test that calls it."""
    if _calls:
        note(ASKED, values)


def note(what: str, values: Any) -> None:
    """Keep an event, if there are not too many."""
    if len(NOTES) < MOST:
        NOTES.append(Note(what, kept(values)))


def kept(value: Any) -> Any:
    """The value as it is now, cut off from gradients; of what cannot be compared, its type."""
    return _Keeping().keep(value)


class _Keeping:
    """One event's values: each module is looked at once, and not more than so many parts."""

    def __init__(self) -> None:
        self._parts = 0
        self._modules: dict[int, tuple[str, ...]] = {}

    def keep(self, value: Any) -> Any:
        self._parts += 1
        if self._parts > PARTS:
            return "more than is kept"
        if isinstance(value, Tensor):
            if torch._C._functorch.is_functorch_wrapped_tensor(value) or value.is_sparse:
                return "a tensor of a transform"
            return value.detach().clone() if value.numel() <= LARGE else ("large", tuple(value.shape))
        if isinstance(value, tuple | list):
            return tuple(self.keep(part) for part in value[:WIDE])
        if value is None or isinstance(value, bool | int | float | str):
            return value
        return self._module(value) if isinstance(value, nn.Module) else type(value).__name__

    def _module(self, module: nn.Module) -> tuple[str, ...]:
        if id(module) not in self._modules:
            self._modules[id(module)] = ("a module", *_keeps(module))
        return self._modules[id(module)]


KEPT = {"running_mean", "running_var", "num_batches_tracked", "original", "original0", "original1", "_u", "_v",
        "weight_orig", "weight_u", "weight_v", "weight_g"}  # fmt: skip
"""What torch calls that which its layers keep beside weights: of batch statistics, of norms of weights."""


def _keeps(module: nn.Module) -> list[str]:
    names = {name.rsplit(".", 1)[-1] for name, _ in (*module.named_parameters(), *module.named_buffers())}
    return sorted(names & KEPT)
