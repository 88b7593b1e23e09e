"""What can be said of a wrong answer where no mistake explains it: what was seen, if that is one thing and true everywhere.

A result cut off from its gradient, twice too large in every call, right except at t = 0: such a name says no more than the
evidence does, and so is never wrong.
"""

import inspect
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from grader.checks.under_test import ORDINALS
from grader.diagnosis.evidence import differs
from grader.diagnosis.reference import reference
from grader.diagnosis.replay import Call, Done

LONGEST = 64
"""A phrase with more characters is no name."""
MOST = 2
"""So many things at once are told; of more, none is the name."""
Step = tuple[str, int, Call, Done]


class Seen(NamedTuple):
    """What was seen: a phrase, and what it means."""

    name: str
    explanation: str


def observed(stem: str, exercise: str, gots: list[Any], trail: list[Step]) -> Seen | None:
    """What all of the evidence has in common; None if that is nothing, or too much.

    Args:
        stem: the section.
        exercise: the exercise.
        gots: what came back in each check that failed.
        trail: the calls in these, as far as they can be compared, with what the answer did.
    """
    phrases = [_phrase(got, stem, exercise, trail) for got in gots]
    said = list(dict.fromkeys(phrase for phrase in phrases if phrase))
    if all(phrases) and len(said) <= MOST and not any(_values_differ(step) for step in trail):
        return Seen(" and ".join(said), "The numbers are right; it is this that the checks which fail have seen.")
    telling = [step for step in trail if _values_differ(step)]
    if not telling:
        return None
    return _scaled(telling) or _placed(trail, telling)


def _values_differ(step: Step) -> bool:
    _, _, call, mine = step
    return differs(mine.result, call.right.result)


def _differ_in(trail: list[Step], what: str) -> str:
    """Whether it is the results that have another dtype or shape, or what models are asked; "" if neither."""

    def other(mine: Any, right: Any) -> bool:
        if isinstance(mine, tuple) and isinstance(right, tuple):
            return any(map(other, mine, right))
        return isinstance(mine, Tensor) and isinstance(right, Tensor) and getattr(mine, what) != getattr(right, what)

    if any(other(mine.result, call.right.result) for _, _, call, mine in trail):
        return "result"
    return "asked" if any(other(mine.asked, call.right.asked) for _, _, call, mine in trail) else ""


def _phrase(got: Any, stem: str, exercise: str, trail: list[Step]) -> str:
    """What came back in words, if it is such that it can be a name."""
    if isinstance(got, str):
        if got.startswith("changed "):
            return f"the argument {_argument(got.removeprefix('changed '), stem, exercise)} changed in place"
        if got.startswith("torch."):
            dtype = got.removeprefix("torch.")
            said = {"result": f"{dtype} comes back, whatever the data's dtype", "asked": f"a model called with {dtype}"}
            return said.get(_differ_in(trail, "dtype"), "")
        if got in TYPES:
            return TYPES[got]
        return got if " " in got and not got.startswith("raised ") and len(got) <= LONGEST else ""
    if isinstance(got, tuple) and all(isinstance(side, int) for side in got):
        said = {"result": "a result of another shape", "asked": "a model called with another shape"}
        return said.get(_differ_in(trail, "shape"), "")
    return ""


TYPES = {
    "float": "a plain number returned, not a tensor",
    "int": "a plain number returned, not a tensor",
    "NoneType": "nothing returned",
    "list": "a list returned, not a tensor",
    "ndarray": "a NumPy array returned, not a tensor",
    "tuple": "a tuple returned, not a tensor",
    "Tensor": "one tensor returned, not several",
    "no gradient": "a result cut off from its gradient",
}


def _argument(which: str, stem: str, exercise: str) -> str:
    """The name of an argument that is known by its place."""
    ordinal = which.split()[0]
    target = getattr(reference(stem).module(exercise), exercise)
    names = list(inspect.signature(target).parameters)
    place = ORDINALS.index(ordinal) if ordinal in ORDINALS else len(names)
    return names[place] if place < len(names) else which


def _pairs(step: Step) -> Iterator[tuple[Tensor, Tensor]]:
    _, _, call, mine = step
    ones, others = (value if isinstance(value, tuple) else (value,) for value in (mine.result, call.right.result))
    for one, other in zip(ones, others, strict=False):
        if isinstance(one, Tensor) and isinstance(other, Tensor) and one.shape == other.shape:
            yield one.double(), other.double()


def _scaled(telling: list[Step]) -> Seen | None:
    """Each result is the right one times a number, the same in all calls."""
    factors = []
    for step in telling:
        pairs = list(_pairs(step))
        if len(pairs) != 1 or isinstance(step[3].result, tuple):
            return None
        one, other = pairs[0]
        there = other.abs() > 1e-3
        if not there.any() or not torch.isfinite(one).all():
            return None
        ratio = (one[there] / other[there]).flatten()
        factor = float(ratio.median())
        if not torch.allclose(one, factor * other, rtol=1e-5, atol=1e-6):
            return None
        factors.append(factor)
    if len(telling) < MOST or max(factors) - min(factors) > 1e-5 * max(map(abs, factors)):
        return None
    said = f"the result {factors[0]:.4g} times as large as it should be"
    return Seen(said, "In every call the result is the right one times this number. Look for a factor in the equation.")


class _Place(NamedTuple):
    """Where an answer may be wrong: which samples of a call, by its arguments."""

    says: str
    here: Callable[[dict[str, Any], int], Tensor | None]


def _levels(name: str, says: str, at: Callable[[Tensor, dict[str, Any]], Tensor]) -> _Place:
    def here(given: dict[str, Any], batch: int) -> Tensor | None:
        value = given.get(name)
        return at(value, given) if isinstance(value, Tensor) and value.shape == (batch,) else None

    return _Place(says, here)


def _table(given: dict[str, Any]) -> int:
    tables = [given[name] for name in ("alpha_bar", "betas") if isinstance(given.get(name), Tensor)]
    return len(tables[0]) if tables else -1


PLACES = [
    _levels("t", "wrong at t = 0 alone", lambda t, given: t == 0),
    _levels("t", "wrong at the last level alone", lambda t, given: t == _table(given) - 1),
    _levels("t", "right at t = 0 alone", lambda t, given: t != 0),
    _levels("t", "right for the first sample's t alone", lambda t, given: t != t[0]),
    _levels("t", "wrong where t is 0 or 1 alone", lambda t, given: (t == 0) | (t == 1)),
]


def _placed(trail: list[Step], telling: list[Step]) -> Seen | None:
    """The samples that are wrong are those at one place, in all calls."""
    for place in PLACES:
        if _holds(place, trail):
            said = "At every other place the results are right: look at what the equation is there."
            return Seen(place.says, said)
    return _kind_of_call(trail, telling)


def _holds(place: _Place, trail: list[Step]) -> bool:
    seen, right_seen = [], False
    for step in trail:
        given = _given(step)
        for one, other in _pairs(step):
            here = place.here(given, len(one)) if one.ndim else None
            if here is None:
                return False
            wrong = ~torch.isclose(one, other, rtol=1e-6, atol=1e-7, equal_nan=True).flatten(1).all(1)
            if bool((wrong != here).any()):
                return False
            seen += [int(here.sum())] * bool(here.any())
            right_seen |= bool((~here).any())
    return len(seen) >= MOST and sum(seen) > MOST and right_seen


def _given(step: Step) -> dict[str, Any]:
    call = step[2]
    names = call.names
    return dict(zip(names, call.args, strict=False)) | call.kwargs


FEATURES: dict[str, Callable[[list[Tensor]], bool]] = {
    "wrong for a batch of one alone": lambda tensors: any(value.ndim > 1 and len(value) == 1 for value in tensors),
    "wrong for pictures alone": lambda tensors: max(value.ndim for value in tensors) == 4,
    "wrong for vectors alone": lambda tensors: max(value.ndim for value in tensors) == 2,
    "wrong for data with more than two axes": lambda tensors: max(value.ndim for value in tensors) > 2,
    "right for pictures alone": lambda tensors: max(value.ndim for value in tensors) != 4,
    "right for vectors alone": lambda tensors: max(value.ndim for value in tensors) != 2,
    "wrong where the numbers do not lie in order": lambda tensors: not all(value.is_contiguous() for value in tensors),
    "wrong in float32 alone": lambda tensors: all(value.dtype != torch.float64 for value in tensors if value.is_floating_point()),
    "wrong where data and tables differ in dtype": lambda tensors: len({v.dtype for v in tensors if v.is_floating_point()}) > 1,
}  # fmt: skip


def _kind_of_call(trail: list[Step], telling: list[Step]) -> Seen | None:
    """The calls that are wrong are those of one kind."""
    wrong = {id(step) for step in telling}
    tensors = [(id(step) in wrong, [v for v in _given(step).values() if isinstance(v, Tensor)]) for step in trail]
    if not all(values for _, values in tensors) or min(len(wrong), len(trail) - len(wrong)) <= 2 * MOST:
        return None
    for says, holds in FEATURES.items():
        if all(holds(values) == is_wrong for is_wrong, values in tensors):
            return Seen(says, "All other calls gave the right results.")
    return None
