"""What the models are asked: how often, about which data, at which times, with which labels."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Generator, Tensor

from grader.diagnosis.evidence import differs, raised
from grader.diagnosis.observed.facts import Fact, Look, Step, called, given, numbers
from grader.diagnosis.observed.spacing import QUADRATIC, even_in_lambda, quadratic
from grader.diagnosis.observed.weights import solve
from grader.diagnosis.reference import reference
from grader.diagnosis.replay import replay

MEANS = "It is seen in what the models are called with, in every check that fails for it."
RAISED = "The function ends with this exception before it has come to the model: the message says which line raised it."
RAISED_LATER = "The function ends with this exception before it has asked the model for the last time: the message says which line raised it."
NEAR = 1e-6
OFTEN = 2
"""Where the times that are due come so often each, no other one is due."""
LOOKS = 4
"""So many calls are made once more with other random numbers, to see which of what a model is asked is drawn."""


Odd = tuple[Step, list[Any], list[Any]]
"""A call in which other times are told, the answer's and the reference's."""


def asking(look: Look) -> Iterator[Fact]:
    """How what is asked differs from what should be."""
    steps = [step for step in look.trail if differs(step[3].asked, step[2].right.asked) and not _refused(step)]
    if not steps:
        yield from _made_of_it(look)
        return
    counted = [step for step in steps if len(step[3].asked) != len(step[2].right.asked)]
    if counted:
        yield from _counts(look, counted)
    whole = [step for step in steps if step[3].asked and step[2].right.asked]
    if whole and all(isinstance(step[2].right.asked[0], tuple) for step in whole):
        drawn = set[int]().union(*(_drawn(look, step) for step in whole[:LOOKS]))
        yield from _times(look, whole, 1 in drawn)
        yield from _data(look, whole, 0 in drawn, 2 in drawn)


def _refused(step: Step) -> bool:
    """Whether the call is refused, as it should be: before or after the model was asked is all the same."""
    return raised(step[2].right.result) and step[3].result == step[2].right.result


def _drawn(look: Look, step: Step) -> set[int]:
    """Which of the things that a model is first asked are drawn at random: an answer may draw them in another order."""
    call = step[2]
    here = given(call) | {"generator": Generator().manual_seed(1)}
    if "generator" not in call.names:
        return set()
    other = replay(call._replace(args=(), kwargs=here), reference(look.stem).module(look.exercise)).asked
    if not other or not isinstance(other[0], tuple) or len(other) != len(call.right.asked):
        return {0, 1, 2}
    ends = {0: 1}  # the data of later calls has come about with the noise of the steps between
    columns = {at: (_column(other, at), _column(call.right.asked, at)) for at in range(len(other[0]))}
    return {at for at, (one, two) in columns.items() if differs(tuple(one[: ends.get(at)]), tuple(two[: ends.get(at)]))}


def _made_of_it(look: Look) -> Iterator[Fact]:
    """Where models are asked what they should be, and the result is wrong."""
    steps = [step for step in look.valued if step[2].right.asked]
    if steps and len(steps) == len(look.telling):
        yield look.fact(
            "the model is asked rightly; what is made of its answers is wrong",
            "Calls, data and times are those of a right answer. Look at what follows the model's answer.",
            steps,
            sure=False,
        )


def _counts(look: Look, steps: list[Step]) -> Iterator[Fact]:
    pairs = [(len(step[3].asked), len(step[2].right.asked)) for step in steps]
    if any(right >= 290 or mine >= 290 for mine, right in pairs):
        return
    apart = {mine - right for mine, right in pairs}
    early = {str(step[3].result).removeprefix("raised ") for step in steps if raised(step[3].result)}
    broke_off = len(early) == 1 and all(raised(step[3].result) for step in steps)
    if all(mine == 0 for mine, _ in pairs):
        if broke_off:
            yield look.fact(f"{early.pop()} raised before the model is asked", RAISED, steps)
        else:
            yield look.fact("the model is never asked", MEANS, steps)
    elif broke_off and all(mine < right for mine, right in pairs):
        yield look.fact(f"{early.pop()} raised before the model's last call", RAISED_LATER, steps)
    elif apart == {1}:
        yield look.fact("the model called once too often", MEANS, steps)
    elif apart == {-1}:
        yield look.fact("one call of the model too few", MEANS, steps)
    elif all(mine == 2 * right for mine, right in pairs):
        yield look.fact("the model called twice where once is due", MEANS, steps)
    elif all(2 * mine == right for mine, right in pairs):
        yield look.fact("the model called once where twice is due", MEANS, steps)
    elif all(2 * right - 1 == mine for mine, right in pairs) or all(mine > right for mine, right in pairs):
        yield look.fact("more calls of the model than are due", MEANS, steps)
    elif all(mine < right for mine, right in pairs):
        yield look.fact("fewer calls of the model than are due", MEANS, steps)
    else:
        yield look.fact("another number of calls of the model", MEANS, steps)


def _column(asked: tuple[Any, ...], at: int) -> list[Any]:
    return [call[at] if isinstance(call, tuple) and at < len(call) else None for call in asked]


TOLD: list[tuple[str, Callable[[Tensor, Tensor], bool]]] = [
    ("the model told one t for the batch, the first sample's", lambda m, r: _near(m, r[:1].expand(r.shape))),
    ("the model told one t for the batch, the last sample's", lambda m, r: _near(m, r[-1:].expand(r.shape))),
    ("the model told one t for the batch, their mean", lambda m, r: _near(m, r.mean().expand(r.shape))),
    ("the model told t + 1", lambda m, r: _near(m, r + 1)),
    ("the model told t - 1", lambda m, r: _near(m, r - 1)),
    ("the model told 1 - t", lambda m, r: _near(m, 1 - r)),
    ("the model told -t", lambda m, r: _near(m, -r)),
    ("the model told 1000 t", lambda m, r: _near(m, 1000 * r)),
    ("the model told 999 t", lambda m, r: _near(m, 999 * r)),
    ("the model told t = 0 always", lambda m, r: _near(m, 0 * r)),
    ("the model told the square of t", lambda m, r: _near(m, r**2)),
    ("the model told the root of t", lambda m, r: _near(m, r.abs().sqrt())),
    ("the model told exp(t)", lambda m, r: _near(m, r.exp())),
    ("the model told exp(4 t), the level itself", lambda m, r: _near(m, (4 * r).exp())),
    ("the model told the logarithm of t", lambda m, r: _near(m, r.abs().log())),
    ("the times in the reverse order of the batch", lambda m, r: _near(m, r.flip(0))),
]


def _near(mine: Tensor, want: Tensor) -> bool:
    return mine.shape == want.shape and bool(torch.isclose(mine, want, rtol=NEAR, atol=1e-9).all())


def _times(look: Look, steps: list[Step], drawn: bool) -> Iterator[Fact]:
    """What the times, or levels, are that the models are told."""
    odd: list[Odd] = []
    for step in steps:
        mine, right = _column(step[3].asked, 1), _column(step[2].right.asked, 1)
        if differs(tuple(mine[: len(right)]), tuple(right[: len(mine)])):
            odd.append((step, mine, right))
    if not odd:
        return
    covered = [step for step, _, _ in odd]
    first = [next((a, b) for a, b in zip(mine, right, strict=False) if differs(a, b)) for _, mine, right in odd]
    if says := _form(first):
        yield look.fact(says, MEANS, covered)
        return
    tensors = [(a, b) for a, b in first if isinstance(a, Tensor) and isinstance(b, Tensor)]
    if len(tensors) != len(first):
        return
    if drawn:
        yield from _of_drawn(look, tensors, odd)
        return
    same = _columns(odd)
    if all(_near(a, b) for a, b in same):
        dtypes = {str(a.dtype).removeprefix("torch.") for a, _ in tensors}
        if len(dtypes) == 1:
            yield look.fact(f"the model told t in {dtypes.pop()}", MEANS, covered)
    elif says := _instead(same, {_count(step) for step in covered}):
        yield look.fact(says, MEANS, covered)
    else:
        counts = all(len(step[3].asked) == len(step[2].right.asked) for step in covered)
        unseen = [step for step in look.telling if counts and not step[2].right.asked and not step[3].asked]
        yield from _schedule(look, odd, [*covered, *unseen])


def _form(first: list[tuple[Any, Any]]) -> str:
    """What is wrong with the form of the times, whatever they are: no tensors, another shape, no whole numbers; "" if nothing is."""
    if all(not isinstance(a, Tensor) and isinstance(b, Tensor) and b.ndim for a, b in first):
        return "the model told t as a plain number"
    if all(isinstance(a, int | float) or (isinstance(a, Tensor) and not a.ndim) for pair in first for a in pair):
        return "the model told another t"
    tensors = [(a, b) for a, b in first if isinstance(a, Tensor) and isinstance(b, Tensor)]
    if len(tensors) != len(first):
        return ""
    if all(a.ndim == 0 and b.ndim == 1 for a, b in tensors):
        return "the model told t of shape (), not one for each sample"
    if all(a.shape != b.shape for a, b in tensors):
        one = all(a.shape == (1,) for a, _ in tensors)
        return "the model told one t, of shape (1,), for the batch" if one else "t of another shape told to the model"
    if not all(a.is_floating_point() != b.is_floating_point() for a, b in tensors):
        return ""
    if tensors[0][1].is_floating_point():
        return "the model told whole numbers for t"
    scaled = [float((a.double() / b.double()).nanmedian()) for a, b in tensors if (b != 0).any()]
    if all(abs(s - 1) < NEAR for s in scaled):  # also where all of them are 0: of scale nothing is seen
        return "the model told t in floating point, not as whole numbers"
    if max(map(abs, scaled)) > 1:
        return "the model told other times, and in floating point, not as whole numbers"
    return "the model told t as a fraction, not a whole number"


def _count(step: Step) -> int:
    """How many levels the schedule has that a call is given; 0 if it is given none."""
    here = given(step[2])
    table = here.get("alpha_bar", here.get("betas"))
    return len(table) if isinstance(table, Tensor) and table.ndim == 1 else 0


def _instead(same: list[tuple[Tensor, Tensor]], counts: set[int]) -> str:
    """What the models are told in place of t: one of those that people take for it, or a multiple; "" if none is seen.

    A multiple may follow from the number of levels, if there is one such number.
    """
    varied = len(torch.unique(torch.cat([b.flatten() for _, b in same]))) > 1 if same else False
    for says, holds in TOLD:
        if varied and all(holds(a, b) for a, b in same):
            return says
    ratios = [float(x) for a, b in same for x in (a / b).flatten() if torch.isfinite(x)]
    if len(ratios) > 1 and max(ratios) - min(ratios) <= NEAR * max(map(abs, ratios)):
        where = f" where T = {next(iter(counts))}" if len(counts) == 1 and 0 not in counts else ""
        return f"the model told {ratios[0]:.4g} t{where}"
    return ""


def _columns(odd: list[Odd]) -> list[tuple[Tensor, Tensor]]:
    """The times of all calls, of the answer and of the reference, where both are tensors of one shape."""
    return [
        (a.double(), b.double())
        for _, mine, right in odd
        for a, b in zip(mine, right, strict=False)
        if isinstance(a, Tensor) and isinstance(b, Tensor) and a.shape == b.shape
    ]


def _of_drawn(look: Look, times: list[tuple[Tensor, Tensor]], odd: list[Odd]) -> Iterator[Fact]:
    """What can be said of times that are drawn: what they are drawn from is for the checks to see, but for those that are never due."""
    if len(times) > 1 and all(len(a) > 2 and bool((a == a[0]).all()) and bool((b != b[0]).any()) for a, b in times):
        yield look.fact("the model told one t for the whole batch", MEANS, [step for step, _, _ in odd])
        return
    strange = []
    for step, mine, right in odd:
        due = _values(right)
        if len(due) >= OFTEN * len(set(due)) and not set(_values(mine)) <= set(due):
            strange.append(step)
    if strange:
        yield look.fact("the model visited at other times", MEANS, strange)


def _values(column: list[Any]) -> list[float]:
    return [float(t) for value in column if isinstance(value, Tensor) for t in torch.unique(value)]


def _schedule(look: Look, odd: list[Odd], covered: list[Step]) -> Iterator[Fact]:
    """Which times a loop goes through."""

    def heads(column: list[Any]) -> list[float]:
        return [float(v.flatten()[0]) for v in column if isinstance(v, Tensor) and v.numel()]

    found = [(heads(mine), heads(right), given(step[2]).get("alpha_bar")) for step, mine, right in odd]
    found = [row for row in found if row[0] and row[1]]
    rows = [(mine, right) for mine, right, _ in found]
    if not rows or all(len(right) < 2 for _, right in rows):
        yield look.fact("the model told another t", MEANS, covered)
        return

    def alike(one: list[float], other: list[float]) -> bool:
        return len(one) == len(other) and all(
            abs(a - b) <= NEAR * (1 + abs(b)) for a, b in zip(one, other, strict=True)
        )

    def shifted(by: int) -> bool:
        return all(
            alike(mine[max(0, -by) : len(mine) - max(0, by)], right[max(0, by) : len(right) - max(0, -by)])
            for mine, right in rows
            if len(right) > 2
        ) and any(len(right) > 2 for _, right in rows)  # fmt: skip

    if all(alike(mine, right[::-1]) for mine, right in rows):
        yield look.fact("the times in the reverse order", MEANS, covered)
    elif all(len(set(mine)) == 1 for mine, _ in rows):
        yield look.fact("the model told the same t in every step", MEANS, covered)
    elif all(alike(mine, right[:-1]) for mine, right in rows):
        yield look.fact("the last time is left out", MEANS, covered)
    elif all(alike(mine, right[1:]) for mine, right in rows):
        yield look.fact("the first time is left out", MEANS, covered)
    elif all(alike(mine[: len(right)], right) for mine, right in rows):
        yield look.fact("more times than are due", MEANS, covered)
    elif all(len(mine) == len(right) and alike(mine[:-1], right[1:]) for mine, right in rows if len(right) > 1):
        yield look.fact("each time that of the next call", MEANS, covered)
    elif all(len(mine) == len(right) and alike(mine[1:], right[:-1]) for mine, right in rows if len(right) > 1):
        yield look.fact("each time that of the call before", MEANS, covered)
    elif quadratic([mine for mine, _ in rows]):
        yield look.fact(f"the model visited at other times: {QUADRATIC}", MEANS, covered)
    elif even_in_lambda(found):
        yield look.fact("the model visited at other times, evenly spaced in λ", MEANS, covered)
    elif all(mine[0] != right[0] for mine, right in rows):
        yield look.fact("the model visited at other times, from the first one on", MEANS, covered)
    else:
        yield look.fact("the model visited at other times", MEANS, covered)


def _data(look: Look, steps: list[Step], drawn: bool, labels_drawn: bool) -> Iterator[Fact]:
    """What data the models are shown."""
    if drawn:
        return
    odd = []
    for step in steps:
        mine, right = _column(step[3].asked, 0), _column(step[2].right.asked, 0)
        at = next((k for k, (a, b) in enumerate(zip(mine, right, strict=False)) if differs(a, b)), None)
        if at is not None:
            odd.append((step, at, mine[at], right[at]))
    if odd:
        yield from _shown(look, odd)
    labels = [step for step in steps if _labels_differ(step)]
    if labels and not odd and not labels_drawn:
        yield look.fact("other labels told to the model", MEANS, labels)


def _labels_differ(step: Step) -> bool:
    mine, right = _column(step[3].asked, 2), _column(step[2].right.asked, 2)
    return any(differs(a, b) for a, b in zip(mine, right, strict=False))


def _shown(look: Look, odd: list[tuple[Step, int, Any, Any]]) -> Iterator[Fact]:
    covered = [step for step, _, _, _ in odd]
    tensors = [(a, b) for _, _, a, b in odd if isinstance(a, Tensor) and isinstance(b, Tensor)]
    if len(tensors) != len(odd):
        return
    if all(a.dtype != b.dtype for a, b in tensors):
        dtypes = {str(a.dtype).removeprefix("torch.") for a, _ in tensors}
        yield look.fact(f"a model called with {' or '.join(sorted(dtypes))}", MEANS, covered)
        return
    if all(a.shape != b.shape for a, b in tensors):
        twice = all(2 * len(a) == len(b) for a, b in tensors if a.ndim and b.ndim)
        yield look.fact(
            "the model asked about a batch that is not doubled" if twice else "a model called with another shape",
            MEANS, covered,
        )  # fmt: skip
        return
    first = all(at == 0 for _, at, _, _ in odd)
    if first:
        yield from _noised(look, odd, covered)
    elif all(at > 0 for _, at, _, _ in odd):
        which = {at for _, at, _, _ in odd}
        if which == {1}:
            yield look.fact(
                "the model's second call is shown other data: the way there is wrong", MEANS, covered, False
            )
        else:
            yield look.fact("the first calls are right, and then the model is shown other data", MEANS, covered, False)


def _noised(look: Look, odd: list[tuple[Step, int, Any, Any]], covered: list[Step]) -> Iterator[Fact]:
    """The first thing that a model is shown, as a sum of the arguments."""
    names: list[str] | None = None
    for step, _, _, right in odd:
        here = [name for name, value in given(step[2]).items() if numbers(value) and value.shape == right.shape]
        names = here if names is None else [name for name in names if name in here]
    for name in names or []:
        if all(not differs(given(step[2])[name].detach(), right) for step, _, _, right in odd):
            yield look.fact(f"the model is not shown {called(name)} first", MEANS, covered)
            return
    rows: list[tuple[Tensor, Tensor]] = []
    levels: list[float] = []
    for step, _, mine, right in odd if names and len(names) <= 3 else []:
        assert names
        values = [given(step[2])[name].detach().double() for name in names]
        t = given(step[2]).get("t")
        for at in range(len(right)):
            matrix = torch.stack([value[at].flatten() for value in values], dim=1)
            one, other = (solve(matrix, data.detach().double()[at].flatten()) for data in (mine, right))
            if one is not None and other is not None:
                rows.append((one, other))
                levels.append(float(t[at]) if isinstance(t, Tensor) and t.shape == right.shape[:1] else math.nan)
    if rows and names:
        rows, where = _at_0(rows, levels)
        if told := list(_mixed(look, names, rows, covered, where)):
            yield from told
            return
    yield look.fact("the model is shown other data than it should be", MEANS, covered, False)


RULES: list[tuple[str, Callable[[Tensor], Tensor]]] = [
    ("{} left out of", lambda w: 0 * w),
    ("{} with the sign turned in", lambda w: -w),
    ("the weight of {} squared in", lambda w: w**2),
    ("the root of the weight of {} in", lambda w: w.abs().sqrt()),
    ("1 for the weight of {} in", lambda w: 0 * w + 1),
    ("1 - w for the weight w of {} in", lambda w: 1 - w),
    ("√(1 - w²) for the weight w of {} in", lambda w: (1 - w**2).abs().sqrt()),
]


def _at_0(rows: list[tuple[Tensor, Tensor]], levels: list[float]) -> tuple[list[tuple[Tensor, Tensor]], str]:
    """The samples at t = 0, if they alone are shown wrongly, and where that is in words; else all of them."""
    wrong = [not torch.allclose(one, other, rtol=NEAR, atol=NEAR) for one, other in rows]
    if {level == 0 for level, is_wrong in zip(levels, wrong, strict=True) if is_wrong} == {True} and not all(wrong):
        return [row for row, is_wrong in zip(rows, wrong, strict=True) if is_wrong], ", where t is 0"
    return rows, ""


def _mixed(
    look: Look, names: list[str], rows: list[tuple[Tensor, Tensor]], covered: list[Step], where: str
) -> Iterator[Fact]:
    mine, right = (torch.stack(list(side)) for side in zip(*rows, strict=True))
    said, unknown, fine = [], [], []
    for at, name in enumerate(names):
        if torch.allclose(mine[:, at], right[:, at], rtol=NEAR, atol=NEAR):
            fine.append(called(name))
            continue
        for says, change in RULES:
            if torch.allclose(mine[:, at], change(right[:, at]), rtol=NEAR, atol=NEAR):
                said.append(says.format(called(name)))
                break
        else:
            unknown.append(called(name))
    if len(names) == 2 and torch.allclose(mine, right.flip(1), rtol=NEAR, atol=NEAR):
        yield look.fact(f"the weights exchanged in what the model is shown{where}", MEANS, covered)
        return
    if unknown and not fine and not said:
        yield look.fact(f"other weights in what the model is shown{where}", MEANS, covered, sure=False)
        return
    said += [f"another weight of {name} in" for name in unknown]
    if 0 < len(said) <= 2:
        first, *more = said
        head = first if not more else f"{first.removesuffix(' in').removesuffix(' of')} and {more[0]}"
        yield look.fact(f"{head} what the model is shown{where}", MEANS, covered)
