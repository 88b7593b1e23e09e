"""The calls that a check makes, kept with their arguments and made again with other code: a mistake is tried in microseconds.

Inputs are drawn from the seed, so what the reference is called with is what every answer is called with, until they part.
"""

import contextlib
import copy
import inspect
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from functools import lru_cache
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.overrides import TorchFunctionMode

from exercises.checks import notes
from exercises.checks.notes import ASKED, Note, kept
from grader.checks.collect import collect
from grader.checks.run import outcome
from grader.checks.state import tidy
from grader.checks.under_test import UnderTest
from grader.diagnosis.evidence import same
from grader.diagnosis.reference import reference
from grader.faults import ended

CALLS = 40
"""So many calls of a check are kept; by then, mistakes differ."""


COUNTED = 100_000
"""What a call costs is counted up to here: counting has its cost too."""
THUMB = 64
"""So many elements of a tensor are kept to compare."""
LARGE = 1 << 12
"""A call that is given a tensor with more elements is watched for much larger ones: a mistake in the axes can make a tensor of all pairs."""
OUTGROWN = 64
"""So many times the largest that it is given."""


class Done(NamedTuple):
    """What one call did: what it asked the models, and what it returned."""

    asked: tuple[Any, ...]
    result: Any

    def small(self) -> "Done":
        """The same with thumbs for tensors, and of what was asked the first and the last."""
        asked = self.asked if len(self.asked) <= 4 else (len(self.asked), *self.asked[:2], *self.asked[-2:])
        return Done(thumb(asked), thumb(self.result))


def thumb(value: Any) -> Any:
    """Of a large tensor some of the elements, from all over it, after its shape: enough to tell mistakes apart, and small."""
    if isinstance(value, tuple):
        return tuple(map(thumb, value))
    if isinstance(value, Tensor) and value.numel() > THUMB:
        return (tuple(value.shape), value.flatten()[:: -(-value.numel() // THUMB)].clone())
    return value


class Call(NamedTuple):
    """One call that a check makes, and what the reference does in it.

    Attributes:
        function: what is called.
        names: those of its arguments.
        args: what it is called with.
        kwargs: the same by name.
        state: of torch's own generator then.
        records: whether gradients were recorded then.
        cost: how many steps the interpreter took for it, in functions called and left: the same on every machine.
        right: what the reference does.
    """

    function: str
    names: tuple[str, ...]
    args: tuple
    kwargs: dict[str, Any]
    state: Tensor
    records: bool
    cost: int
    right: Done

    @property
    def draws(self) -> bool:
        """Whether it is given a generator."""
        return any(isinstance(value, Generator) for value in (*self.args, *self.kwargs.values()))


def sizes(call: Call) -> set[float]:
    """The numbers that may stand for a batch, a number of levels or of steps in a call."""
    found = set[float]()
    for value in (*call.args, *call.kwargs.values()):
        if isinstance(value, Tensor):
            found |= set(map(float, value.shape[:1]))
        elif isinstance(value, int) and not isinstance(value, bool):
            found.add(float(value))
        elif isinstance(value, list | tuple):
            found.add(float(len(value)))
    return found


def segments(found: Sequence[Note]) -> list[tuple[str, Done]]:
    """The notes of a check, call by call."""
    calls, asked = [], []
    for event in found:
        if event.what == ASKED:
            asked.append(event.values)
        else:
            calls.append((event.what, Done(tuple(asked), event.values)))
            asked = []
    return calls


def unrepeated(calls: list[tuple[str, Done]]) -> list[tuple[str, Done]]:
    """The calls without those of the failing example, which Hypothesis runs once more in the end."""
    for length in range(1, len(calls) // 2 + 1):
        last, before = calls[-length:], calls[-2 * length : -length]
        if all(one[0] == two[0] and same(one[1], two[1]) for one, two in zip(last, before, strict=True)):
            return calls[:-length]
    return calls


_costs: dict[tuple[str, str, str, int], int] = {}


def cost_of(stem: str, exercise: str, name: str, seed: int) -> int:
    """How many steps the interpreter takes for the whole check, as far as they are counted: the same on every machine."""
    calls_of(stem, exercise, name, seed)
    return _costs[stem, exercise, name, seed]


_seconds: dict[tuple[str, str, str, int], float] = {}


def seconds_of(stem: str, exercise: str, name: str, seed: int) -> float:
    """How long the whole check took: for the order in which checks are made, which changes no name."""
    calls_of(stem, exercise, name, seed)
    return _seconds[stem, exercise, name, seed]


@lru_cache(maxsize=400)
def calls_of(stem: str, exercise: str, name: str, seed: int) -> tuple[Call, ...]:
    """The calls that the check called `name` makes of the reference."""
    check = next(check for check in collect(stem) if check.name == name)
    recorder = _Recorder(reference(stem).module(exercise))
    began = time.process_time()
    with tidy(seed), warnings.catch_warnings(action="ignore"), counted() as events:
        outcome(check, UnderTest(recorder), seed)
    done = segments(notes.NOTES)
    _costs[stem, exercise, name, seed] = events[0] + sum(ended.cost for ended in recorder.ended)
    _seconds[stem, exercise, name, seed] = time.process_time() - began
    return tuple(
        Call(ended.function, _names(recorder.module, ended.function), *ended[1:], right)
        for ended, (noted, right) in zip(recorder.ended, done, strict=False)
        if noted == ended.function
    )


def _names(module: ModuleType, function: str) -> tuple[str, ...]:
    return tuple(inspect.signature(getattr(module, function)).parameters)


class _Ended(NamedTuple):
    """A call that has ended, as a `Call` has it."""

    function: str
    args: tuple
    kwargs: dict[str, Any]
    state: Tensor
    records: bool
    cost: int


@contextlib.contextmanager
def counted() -> Iterator[list[int]]:
    """Count, in a list of one, the functions that are called and left meanwhile."""
    events, before = [0], sys.getprofile()

    def count(*_: Any) -> None:
        events[0] += 1
        if events[0] >= COUNTED:
            sys.setprofile(before)

    sys.setprofile(count)
    try:
        yield events
    finally:
        sys.setprofile(before)


class _Recorder:
    """The reference, whose functions keep copies of what they are called with."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.ended: list[_Ended] = []

    def __getattr__(self, name: str) -> Any:
        target = getattr(self.module, name)
        if not callable(target):
            return target

        def call(*args: Any, **kwargs: Any) -> Any:
            keep = len(self.ended) < CALLS
            if not keep:
                return target(*args, **kwargs)
            given = (name, copied(args), copied(kwargs), torch.get_rng_state(), torch.is_grad_enabled())
            with counted() as events:
                try:
                    return target(*args, **kwargs)
                finally:
                    if len(self.ended) < CALLS:
                        self.ended.append(_Ended(*given, events[0]))

        return call


class _Bounded(TorchFunctionMode):
    """Refuses to combine tensors to one of more than `most` elements: it would take gigabytes, and tell nothing."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        shapes = [part.shape for part in args if isinstance(part, Tensor)]
        if len(shapes) > 1:
            with contextlib.suppress(RuntimeError):  # shapes of what is not combined element by element
                if torch.broadcast_shapes(*shapes).numel() > self.most:
                    raise MemoryError
        return func(*args, **(kwargs or {}))


def _bounds(call: Call) -> contextlib.AbstractContextManager:
    given = (*call.args, *call.kwargs.values())
    largest = max((value.numel() for value in given if isinstance(value, Tensor)), default=0)
    return _Bounded(OUTGROWN * largest) if largest > LARGE else contextlib.nullcontext()


def replay(call: Call, module: ModuleType) -> Done:
    """What other code does in the same call."""
    before, notes.NOTES[:] = list(notes.NOTES), []
    dtype = torch.get_default_dtype()
    try:
        with warnings.catch_warnings(action="ignore"), torch.set_grad_enabled(call.records):
            torch.set_rng_state(call.state)
            try:
                with notes.a_call(), _bounds(call):
                    result = kept(getattr(module, call.function)(*copied(call.args), **copied(call.kwargs)))
            except Exception as error:
                result = ended(error)
        return Done(tuple(event.values for event in notes.NOTES), result)
    finally:
        torch.set_default_dtype(dtype)  # a mistake that is tried may be just that it is changed
        notes.NOTES[:] = before


def copied(value: Any) -> Any:
    """A copy of an argument, with its layout; what cannot be copied is handed on."""
    if isinstance(value, Tensor):
        if torch._C._functorch.is_functorch_wrapped_tensor(value):
            return value
        fresh = value.detach()
        fresh = fresh[:1].clone().expand(value.shape) if _expanded(fresh) else fresh.clone()
        return fresh.requires_grad_(value.requires_grad)
    if isinstance(value, Generator):
        return Generator(value.device).set_state(value.get_state())
    if isinstance(value, tuple | list):
        return type(value)(map(copied, value)) if type(value) in (tuple, list) else value
    if isinstance(value, dict):
        return {key: copied(part) for key, part in value.items()}
    if isinstance(value, nn.Module):
        with contextlib.suppress(Exception):  # what cannot be copied is used as it is
            return copy.deepcopy(value)
    return value


def _expanded(value: Tensor) -> bool:
    return value.ndim > 0 and len(value) > 1 and value.stride(0) == 0
