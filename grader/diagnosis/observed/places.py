"""Where an answer is wrong: at which samples, by the value of an argument; in which calls."""

import inspect
from collections.abc import Callable, Iterator
from itertools import combinations, islice
from typing import Any

import torch
from torch import Tensor

from grader.diagnosis.evidence import raised
from grader.diagnosis.observed.facts import Fact, Look, Step, called, given, parts
from grader.diagnosis.reference import reference
from grader.diagnosis.replay import calls_of

MEANS = "At every other place the results are right: look at what the equation is there."
SEVERAL = 2
"""So many places, calls or checks must show something: one shows it by chance."""
MANY = 4
"""So many must be right, where something is said of all that are."""
ELEMENTS = 200
"""So many elements of a result are looked at."""


class Spot:
    """A sample of a call, or an element of it: whether it is wrong, and the values of the arguments there."""

    def __init__(self, check: str, wrong: bool, values: dict[str, float], last: bool, first: bool) -> None:
        self.check, self.wrong, self.values, self.last, self.first = check, wrong, values, last, first


def places(look: Look) -> Iterator[Fact]:
    """Where the answer is wrong, if that is one kind of place."""
    if not look.telling or not look.whole:
        return
    yield from islice(_samples(look), 1)
    broken = any(raised(step[3].result) and not raised(step[2].right.result) for step in look.telling)
    if {step[0] for step in look.telling} == set(
        look.failures
    ) and not broken:  # `raising` tells where something is raised
        yield from _calls(look)


def _samples(look: Look) -> Iterator[Fact]:
    spots = [spot for step in look.trail for spot in _spots(look, step)]
    yield from _at(look, spots, SEVERAL)
    spots = [spot for step in look.trail for spot in _elements(look, step)]
    if spots:
        yield from _at(look, spots, 2 * MANY)


def _at(look: Look, spots: list[Spot], least: int) -> Iterator[Fact]:
    """Where the wrong spots are and the right ones are not, if there are so many of both at the least."""
    checks = {step[0] for step in look.telling}
    wrong, right = [s for s in spots if s.wrong], [s for s in spots if not s.wrong]
    if {spot.check for spot in wrong} != checks or len(wrong) < least or len(right) < least:
        return
    if least > SEVERAL and len({spot.check for spot in right}) < SEVERAL:
        return
    names = set.intersection(*(set(spot.values) for spot in spots))
    for name in sorted(names, key=lambda name: (name != "t", name)):
        if says := _by_value_of(name, wrong, right):
            yield look.fact(says, MEANS)
    if says := _by_end(wrong, right, timed="t" in names):
        yield look.fact(says, MEANS)


def _by_value_of(name: str, wrong: list[Spot], right: list[Spot]) -> str:
    """Where in terms of an argument; "" if it does not tell them apart."""
    inside, outside = {spot.values[name] for spot in wrong}, {spot.values[name] for spot in right}
    what, one = _what(name), next(iter(inside))
    if inside & outside:
        rare = len(inside) == 1 and len(outside) > SEVERAL and _rare(name, inside, wrong, right)
        return f"wrong only where {what} = {one:.4g}" if rare else ""
    if len(inside) == 1:
        return f"wrong where {what} = {one:.4g}, and right elsewhere"
    many = len(right) >= MANY and len({spot.check for spot in right}) >= SEVERAL
    if len(outside) == 1 and len(inside) > SEVERAL and many:
        return f"right where {what} = {next(iter(outside)):.4g} alone"
    if max(inside) < min(outside) and len(outside) >= SEVERAL:
        return f"wrong where {what} is small, up to {max(inside):.3g}"
    if min(inside) > max(outside) and len(outside) >= SEVERAL:
        return f"wrong where {what} is large, from {min(inside):.3g}"
    return ""


def _by_end(wrong: list[Spot], right: list[Spot], timed: bool) -> str:
    """Whether it is so at the first or the last level; "" if at neither."""
    if all(spot.last for spot in wrong) and not any(spot.last for spot in right):
        return "wrong at the last level alone"
    if all(spot.first for spot in wrong) and not any(spot.first for spot in right):
        return "wrong at the first level alone"
    if timed or len(right) < MANY:  # which of its levels a batch happens to have, nobody knows
        return ""
    if all(spot.last for spot in right) and not any(spot.last for spot in wrong):
        return "right at the last level alone"
    if all(spot.first for spot in right) and not any(spot.first for spot in wrong):
        return "right at the first level alone"
    return ""


def _what(name: str) -> str:
    return f"|{called(name[1:])}|" if name.startswith("|") else called(name)


def _rare(name: str, values: set[float], wrong: list[Spot], right: list[Spot]) -> bool:
    """Whether these values are hardly ever right."""
    return SEVERAL * sum(spot.values[name] in values for spot in right) <= len(wrong)


def _compared(step: Step) -> list[tuple[Tensor, Tensor]]:
    """The results that came back beside the right ones, if all can be compared."""
    _, _, call, mine = step
    pairs = list(zip(parts(mine.result), parts(call.right.result), strict=False))
    tensors = [
        (a.detach(), b.detach()) for a, b in pairs
        if isinstance(a, Tensor) and isinstance(b, Tensor) and a.shape == b.shape and b.ndim and b.is_floating_point()
    ]  # fmt: skip
    return tensors if len(tensors) == len(pairs) else []


def _off(look: Look, check: str, a: Tensor, b: Tensor) -> Tensor:
    """Where they differ, by more than the check allows."""
    single = 1e-9 if b.dtype == a.dtype == torch.float64 else 1e-4
    evidence = look.failures.get(check)
    rtol, atol = evidence.near if evidence else (0.0, 0.0)
    rtol, atol = max(single, rtol), max(single * 1e-2, atol)
    return ~torch.isclose(a.double(), b.double(), rtol=rtol, atol=atol, equal_nan=True)


def _elements(look: Look, step: Step) -> Iterator[Spot]:
    """The elements of a result that goes element by element."""
    tensors = _compared(step)
    if len(tensors) != 1:
        return
    off = _off(look, step[0], *tensors[0])
    values: dict[str, Tensor] = {}
    for name, value in given(step[2]).items():
        if isinstance(value, Tensor) and value.is_floating_point() and value.shape == off.shape:
            values[name] = value.detach().double().flatten()
            values["|" + name] = values[name].abs()
    for at, wrong in enumerate(off.flatten().tolist()[:ELEMENTS]):
        yield Spot(step[0], wrong, {name: float(value[at]) for name, value in values.items()}, False, False)


def _spots(look: Look, step: Step) -> Iterator[Spot]:
    """The samples of a call, or the entries of a table."""
    tensors = _compared(step)
    if not tensors:
        return
    here = given(step[2])
    batch = len(tensors[0][1])
    if any(len(b) != batch for _, b in tensors):
        return
    off = torch.zeros(batch, dtype=torch.bool)
    for a, b in tensors:
        off |= _off(look, step[0], a, b).reshape(batch, -1).any(1)
    values = {
        name: value.detach().double()
        for name, value in here.items()
        if isinstance(value, Tensor) and value.shape == (batch,)
    }
    size, t = 0, here.get("t")
    for name in ("alpha_bar", "betas"):
        table = here.get(name)
        if not isinstance(table, Tensor) or table.ndim != 1:
            continue
        size = len(table)
        if isinstance(t, Tensor) and t.shape == (batch,) and not t.is_floating_point():
            values[name] = table.detach().double()[t.long()]
        elif len(table) == batch and "t" not in here:
            values[name] = table.detach().double()
    for at in range(batch):
        first, last = at == 0, at == batch - 1
        if isinstance(t, Tensor):
            level = float(t[at]) if t.shape == (batch,) else -1.0
            first, last = level == 0, level == size - 1 and size > 0
        yield Spot(step[0], bool(off[at]), {name: float(v[at]) for name, v in values.items()}, last, first)


def _tensors(step_call: Any) -> list[Tensor]:
    return [value for value in given(step_call).values() if isinstance(value, Tensor)]


def _calls(look: Look) -> Iterator[Fact]:
    """The calls that are wrong are those of one kind."""
    wrong = [step[2] for step in look.telling]
    right = [
        step[2] for step in look.right
    ]  # not those of checks that pass: such a check may look at a part of the result
    found = by_value(look, wrong, right)
    if len(found) == 1:  # of several, nobody knows which it is
        says = f"{found[0]} alone" if found[0].count("=") or found[0].endswith("given") else found[0]
        says = says.removesuffix(" alone") if " only " in says else says
        yield look.fact(says, "With other values it is the other way round.")
    if len(wrong) >= SEVERAL and not found and (says := equal_arguments(wrong, right)):
        yield look.fact(f"wrong where {says} alone", "All other calls gave the right results.")
    if len(wrong) >= SEVERAL and len(right) >= SEVERAL:
        for says, holds in FEATURES.items():
            if all(map(holds, wrong)) and not any(map(holds, right)):
                yield look.fact(says, "All other calls gave the right results.")
                return


SPECIAL = (-1, 0, 0.5, 1, 2)
"""Numbers that are cases of their own."""


def made(look: Look, name: str) -> list[Any]:
    """The calls that a check makes which the answer passes: none of them raised what it should not."""
    if inspect.isclass(getattr(reference(look.stem).module(look.exercise), look.exercise)):
        return []
    return [call for call in calls_of(look.stem, look.exercise, name, look.seed) if not raised(call.right.result)]


def by_value(look: Look, wrong: list[Any], right: list[Any]) -> list[str]:
    """The calls that are wrong are those in which an argument has one value, or another than one: each way to say it."""
    if len(wrong) < SEVERAL or len(right) < SEVERAL:
        return []
    found: list[str] = []
    names = [name for name in wrong[0].names if all(_plain(_value(look, call, name)) for call in (*wrong, *right))]
    for name in names:
        mine = {_key(_value(look, call, name)) for call in wrong}
        fine = {_key(_value(look, call, name)) for call in right}
        if mine & fine:
            seldom = SEVERAL * sum(_key(_value(look, call, name)) in mine for call in right) <= len(wrong)
            if len(mine) == 1 and len(fine) > SEVERAL and None not in mine and seldom and special(*mine):
                (value,) = mine
                found.append(f"wrong only where {called(name, value)} = {_written(value)}")
            continue
        for kind, values, others in (("wrong where", mine, fine), ("right where", fine, mine)):
            enough = len(right) >= MANY and len(others) >= SEVERAL
            if len(values) == 1 and (kind == "wrong where" or enough) and special(*values):
                (value,) = values
                what = called(name, value)
                said = f"{what} is not given" if value is None else f"{what} = {_written(value)}"
                found.append(f"{kind} {said}")
                break
    if not found and len(right) >= MANY:
        found = [says for name in names if (says := _beyond(look, wrong, right, name))]
    if not found and len(right) >= MANY:
        found = _both(look, wrong, right, names)
    return found


def special(value: Any) -> bool:
    """Whether a value is a case of its own: any number else may be one that a check happens to take."""
    return type(value) not in (int, float) or value in SPECIAL


def _beyond(look: Look, wrong: list[Any], right: list[Any], name: str) -> str:
    """Whether a number is smaller, or larger, in all calls that are wrong than in the others; "" if it is not."""
    mine, fine = ({_value(look, call, name) for call in calls} for calls in (wrong, right))
    if min(len(mine), len(fine)) < SEVERAL or not all(type(value) in (int, float) for value in mine | fine):
        return ""
    if max(mine) < min(fine):
        return f"wrong where {called(name)} is small, up to {max(mine):.3g}"
    return f"wrong where {called(name)} is large, from {min(mine):.3g}" if min(mine) > max(fine) else ""


def equal_arguments(wrong: list[Any], right: list[Any]) -> str:
    """Two arguments that are equal in the calls that are wrong, and in no other; "" if there are none."""
    if len(right) < MANY:
        return ""
    for one, other in combinations(wrong[0].names, 2):

        def equal(call: Any, one: str = one, other: str = other) -> bool:
            a, b = given(call).get(one), given(call).get(other)
            return type(a) is type(b) is int and a == b

        if all(map(equal, wrong)) and not any(map(equal, right)):
            return f"{called(other)} = {called(one)}"
    return ""


def _both(look: Look, wrong: list[Any], right: list[Any], names: list[str]) -> list[str]:
    """The calls that are wrong are those in which two arguments each have one value, or are given."""
    tests: list[tuple[str, str, Callable[[Any], bool]]] = []
    for name in names:
        values = {_key(_value(look, call, name)) for call in wrong}
        if len(values) == 1 and special(*values):
            (value,) = values
            said = "is not given" if value is None else f"= {_written(value)}"
            tests.append((name, f"{called(name, value)} {said}", lambda v, value=value: _key(v) == value))  # type: ignore[misc]
        elif None not in values and any(_value(look, call, name) is None for call in right):
            tests.append((name, f"{called(name)} is given", lambda v: v is not None))
    return [
        f"wrong where {says} and {other_says}"
        for (one, says, holds), (other, other_says, other_holds) in combinations(tests, 2)
        if not any(holds(_value(look, c, one)) and other_holds(_value(look, c, other)) for c in right)
    ]


def _value(look: Look, call: Any, name: str) -> Any:
    """The value of an argument, or its default."""
    here = given(call)
    if name in here:
        return here[name]
    target = getattr(reference(look.stem).module(look.exercise), call.function)
    return inspect.signature(target).parameters[name].default


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def _key(value: Any) -> Any:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _written(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else repr(value)


def _axes(call: Any) -> int:
    return max((value.ndim for value in _tensors(call)), default=0)


OUT_OF_ORDER = "wrong where the numbers do not lie in order"
FEATURES: dict[str, Any] = {
    "wrong for a batch of one alone": lambda call: any(value.ndim > 1 and len(value) == 1 for value in _tensors(call)),
    "wrong for pictures alone": lambda call: _axes(call) == 4,
    "wrong for pictures whose height and width differ": lambda call: any(
        value.ndim == 4 and value.shape[2] != value.shape[3] for value in _tensors(call)
    ),
    "wrong for vectors alone": lambda call: _axes(call) == 2,
    "wrong for data with more than two axes": lambda call: _axes(call) > 2,
    "right for pictures alone": lambda call: _axes(call) != 4,
    "right for vectors alone": lambda call: _axes(call) != 2,
    OUT_OF_ORDER: lambda call: not all(v.is_contiguous() for v in _tensors(call)),
    "wrong in float32 alone": lambda call: all(v.dtype != torch.float64 for v in _tensors(call) if v.is_floating_point()),
    "wrong where data and tables differ in dtype": lambda call: (
        len({v.dtype for v in _tensors(call) if v.is_floating_point()}) > 1
    ),
}  # fmt: skip
"""Kinds of calls."""
