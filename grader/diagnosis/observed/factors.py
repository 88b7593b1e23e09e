"""Results that follow from the right ones: another power, another mean, a bound, another order, fewer digits."""

import math
from collections.abc import Callable, Iterator
from itertools import islice, permutations

import torch
from torch import Tensor

from grader.diagnosis.candidates import over_n
from grader.diagnosis.evidence import differs
from grader.diagnosis.observed.facts import NAN, Fact, Look, Step, part_name, parts, wrong_parts
from grader.diagnosis.replay import replay, sizes

Pair = tuple[Step, Tensor, Tensor]
NEAR = 1e-6
SEVERAL = 2
"""So many calls, or different numbers, must show something: one shows it by chance."""
NEARLY = 1e-4
"""By no more than this of its size, a result is right but for its last digits."""
FEW = 6
"""So many results at the most come in another order."""


def factors(look: Look) -> Iterator[Fact]:
    """What became of the right results."""
    single = [s for s in look.valued if isinstance(s[2].right.result, tuple) and not isinstance(s[3].result, tuple)]
    if single and all(isinstance(step[3].result, int | float) for step in single):
        yield look.fact("one number returned, not a list of them", "The contract says what comes back.", single)
    elif single and all(isinstance(step[3].result, Tensor) for step in single):
        yield look.fact("one tensor returned, not several", "The contract says what comes back.", single)
    elif single and all(step[3].result is None for step in single):
        yield look.fact(
            "nothing returned", "The function computes and hands nothing back: the return is missing.", single
        )
    for index, wrong in wrong_parts(look.valued):
        part = part_name(look, wrong[0][0][2], index)
        where = f" ({part})" if part else ""
        steps = [step for step, _, _ in wrong]
        for says, means in (*_over_axes(look, wrong), *_said(wrong), *_said(_over_n(look, wrong, index))):
            if says in CONSTANT and _right_elsewhere(look, wrong):
                continue
            if says in CONSTANT and _is_size(2, steps):
                says = f"{says}, or divided or multiplied by a size that is 2"
            yield look.fact(says + where, means, steps)
            break
        if len(wrong) > 1:
            yield from _apart(look, wrong, where)


def _over_n(look: Look, wrong: list[Pair], index: int) -> list[Pair]:
    """The same beside the reference with deviations over n, where it takes them over n - 1: both are right."""
    other = over_n(look.stem, look.exercise)
    if other is None or any(step[2].function != look.exercise for step, _, _ in wrong):
        return []
    found = [(step, mine, parts(replay(step[2], other).result)) for step, mine, _ in wrong]
    pairs = [(step, mine, right[index]) for step, mine, right in found if len(right) > index]
    return pairs if all(isinstance(right, Tensor) for _, _, right in pairs) else []


def alone(look: Look) -> Iterator[Fact]:
    """Of several results, those that are wrong, if the others are right."""
    steps = [step for step in look.valued if len(parts(step[2].right.result)) > 1]
    if not steps or len(steps) != len(look.telling) or len({len(parts(step[2].right.result)) for step in steps}) > 1:
        return
    count = len(parts(steps[0][2].right.result))
    if count > FEW or any(len(parts(step[3].result)) != count for step in steps):
        return
    wrong = [
        at for at in range(count) if any(differs(parts(s[3].result)[at], parts(s[2].right.result)[at]) for s in steps)
    ]
    names = [part_name(look, steps[0][2], at) for at in range(count)]
    if 0 < len(wrong) < count and len(steps) >= SEVERAL:
        right = [name for at, name in enumerate(names) if at not in wrong]
        says = f"{' and '.join(names[at] for at in wrong)} wrong, {right[0] if len(right) == 1 else 'the others'} right"
        yield look.fact(says, "Of the results these are wrong in every check that fails.", steps)


def exchanged(look: Look) -> Iterator[Fact]:
    """Several results, right but for their order."""
    pairs = [(parts(step[3].result), parts(step[2].right.result)) for step in look.valued]
    if pairs and all(1 < len(mine) == len(right) <= FEW for mine, right in pairs):
        for order in islice(permutations(range(len(pairs[0][1]))), 1, None):
            if all(
                not differs(mine, tuple(right[at] for at in order)) for mine, right in pairs if len(right) == len(order)
            ):
                yield look.fact(
                    "the results in another order", "Each of the results is right, in another's place.", look.valued
                )
                return


def _apart(look: Look, wrong: list[Pair], where: str) -> Iterator[Fact]:
    """What is true of some of the calls, those of one shape: the others may be wrong in another way."""
    shaped = [pair for pair in wrong if pair[1].shape != pair[2].shape]
    if shaped and len(shaped) < len(wrong):
        for says, means in _shapes(shaped):
            yield look.fact(says + where, means, [step for step, _, _ in shaped])


CONSTANT = ("the result doubled", "the result halved")
"""Rules of one number, which may be the length of an axis by chance."""


def _is_size(number: float, steps: list[Step]) -> bool:
    """Whether in every call something has this size: a batch, a number of levels or of steps."""
    return all(any(abs(number - size) <= NEAR * size for size in sizes(step[2])) for step in steps)


def _right_elsewhere(look: Look, wrong: list[Pair]) -> bool:
    """Whether the result is right, and not zero, in calls with fewer axes: a constant factor would show there too."""
    fewest = min(len(_lengths(step)) for step, _, _ in wrong)
    return any(
        len(_lengths(step)) < fewest
        and any(bool(part.any()) for part in parts(step[3].result) if isinstance(part, Tensor))
        for step in look.right
    )


def _lengths(step: Step) -> tuple[int, ...]:
    """The axes of the first tensor of more than one axis that a call was given."""
    values = (*step[2].args, *step[2].kwargs.values())
    return next((tuple(value.shape) for value in values if isinstance(value, Tensor) and value.ndim > 1), ())


INNER: list[tuple[str, Callable[[tuple[int, ...]], int]]] = [
    ("a sample's last axis", lambda axes: axes[-1]),
    ("a sample's first axis", lambda axes: axes[1]),
    ("all axes of a sample but the last", lambda axes: math.prod(axes[1:-1])),
    ("all axes of a sample but the first", lambda axes: math.prod(axes[2:])),
]


def _over_axes(look: Look, wrong: list[Pair]) -> Iterator[tuple[str, str]]:
    """A mean over some of a sample's axes, where a sum is due, if where there are no such axes the result is right."""
    if not _right_elsewhere(look, wrong) or any(mine.shape != right.shape for _, mine, right in wrong):
        return
    ratios = [_ratio(mine, right) for _, mine, right in wrong]
    axes = [_lengths(step) for step, _, _ in wrong]
    if any(ratio is None for ratio in ratios) or min(map(len, axes)) <= SEVERAL:
        return
    for which, count in INNER:
        counts = list(map(count, axes))
        if all(abs(ratio * n - 1) <= NEAR for ratio, n in zip(ratios, counts, strict=True) if ratio is not None):
            yield f"a mean over {which}, where the sum is due", "Where a sample has fewer axes, the result is right."
            return


def _said(wrong: list[Pair]) -> Iterator[tuple[str, str]]:
    if not wrong:
        return
    if all(mine.shape != right.shape for _, mine, right in wrong):
        yield from _shapes(wrong)
        return
    if any(mine.shape != right.shape for _, mine, right in wrong):
        return
    if not all(torch.isfinite(mine).all() for _, mine, _ in wrong):
        if all(torch.isnan(mine).any() for _, mine, _ in wrong):
            yield NAN, "Look for 0 / 0, 0 · ∞, ∞ - ∞ and the root or the logarithm of a negative number."
        elif all(not torch.isfinite(mine).all() for _, mine, _ in wrong):
            yield "infinite numbers come back", "Look for a division by zero, and for an exponential that runs over."
        return
    if all(_close(mine, right.double()) for _, mine, right in wrong):
        yield from _digits(wrong)
        yield from _nearly(wrong)
        return
    yield from _powers(wrong)
    yield from _counts(wrong)
    yield from _bounds(wrong)
    yield from _orders(wrong)
    yield from _nearly(wrong)


def _shapes(wrong: list[Pair]) -> Iterator[tuple[str, str]]:
    means = "The contract says which shape comes back."
    if all(right.ndim == 0 and mine.shape == (1,) for _, mine, right in wrong):
        yield "a result of shape (1,), where a single number is due", means
    elif all(right.ndim == 0 and mine.numel() == 1 for _, mine, right in wrong):
        yield "a single number, but in a tensor with axes", means
    elif all(right.ndim == 0 and mine.ndim == 1 for _, mine, right in wrong):
        yield "one number for each sample, not their mean", means
    elif all(right.ndim == 0 and mine.ndim > 1 for _, mine, right in wrong):
        yield "one number for each element, not their mean", means
    elif all(right.ndim == 1 and mine.ndim == 0 for _, mine, right in wrong):
        yield "one number for the whole batch, not one for each sample", means
    elif all(right.ndim > mine.ndim == 0 for _, mine, right in wrong):
        yield "one number, not one for each element", means
    elif all(mine.numel() == right.numel() for _, mine, right in wrong):
        yield "the result in another shape", means
    elif all(mine.ndim == right.ndim == 1 for _, mine, right in wrong):
        less = {len(right) - len(mine) for _, mine, right in wrong}
        if len(less) == 1:
            (by,) = less
            count = {1: "one", 2: "two"}.get(abs(by), str(abs(by)))
            yield f"{count} {'too few' if by > 0 else 'too many'} in the result", means
        else:
            yield "another number of elements in the result", means
    elif all(mine.ndim == right.ndim for _, mine, right in wrong):
        axes = {
            tuple(at for at, (a, b) in enumerate(zip(mine.shape, right.shape, strict=True)) if a != b)
            for _, mine, right in wrong
        }
        if axes == {(0,)}:
            yield "another size of the batch in the result", means
        else:
            yield "axes of another size in the result", means
    else:
        yield "the result in another shape", means


def _close(mine: Tensor, want: Tensor) -> bool:
    size = want.abs().max()
    if not torch.isfinite(want).all():
        return False
    return bool((mine.double() - want).abs().max() <= NEAR * size)


ZEROS = "zeros come back"
POWERS: list[tuple[str, Callable[[Tensor], Tensor]]] = [
    ("the sign of the result turned", lambda r: -r),
    ("the result squared", lambda r: r**2),
    ("the root of the result", lambda r: r.abs().sqrt()),
    ("the result upside down", lambda r: 1 / r),
    ("the result doubled", lambda r: 2 * r),
    ("the result halved", lambda r: r / 2),
    ("1 - the result", lambda r: 1 - r),
    ("1 + the result", lambda r: 1 + r),
    ("the result - 1", lambda r: r - 1),
    ("the absolute value of the result", lambda r: r.abs()),
    ("the logarithm of the result", lambda r: r.abs().log()),
    ("exp of the result", lambda r: r.exp()),
    ("nats where bits are due", lambda r: r * math.log(2)),
    ("bits where nats are due", lambda r: r / math.log(2)),
    (ZEROS, lambda r: 0 * r),
]


def _powers(wrong: list[Pair]) -> Iterator[tuple[str, str]]:
    means = "In every call that is wrong the result is this. Compare what is computed last with the equation."
    for says, change in POWERS:
        if all(_close(mine, change(right.double())) for _, mine, right in wrong) and (says == ZEROS or _telling(wrong)):
            yield says, means


def _telling(wrong: list[Pair]) -> bool:
    """Whether there are different numbers enough to show a rule."""
    values = torch.cat([right.double().flatten() for _, _, right in wrong])
    return len(torch.unique(values.round(decimals=9))) >= 2 * SEVERAL


def _ratio(mine: Tensor, right: Tensor) -> float | None:
    """By what the right one is multiplied, the same for all elements."""
    there = right.abs() > 1e-6 * right.abs().max()
    if not there.any():
        return None
    factor = float((mine[there].double() / right[there].double()).median())
    return factor if _close(mine, factor * right.double()) else None


def _counts(wrong: list[Pair]) -> Iterator[tuple[str, str]]:
    """The result times a number: always the same, or so many as there are elements or samples."""
    ratios = [_ratio(mine, right) for _, mine, right in wrong]
    found = [ratio for ratio in ratios if ratio is not None]
    if len(found) != len(ratios):
        yield from _each_call(wrong)
        return
    for says, count in (
        ("a sum over each sample, not a mean", lambda batch, size: size / batch),
        ("a sum over the batch, not a mean", lambda batch, size: batch),
        ("a sum over all elements, not a mean", lambda batch, size: size),
        ("a mean over each sample, not a sum", lambda batch, size: batch / size),
        ("a mean over the batch, not a sum", lambda batch, size: 1 / batch),
        ("a mean over all elements, not a sum", lambda batch, size: 1 / size),
        ("bits per dimension where nats are due", lambda batch, size: batch / size / math.log(2)),
        ("bits per dimension where nats are due, and the sign turned", lambda batch, size: -batch / size / math.log(2)),
        ("nats where bits per dimension are due", lambda batch, size: size / batch * math.log(2)),
        ("half of a sum over each sample, not a mean", lambda batch, size: size / batch / 2),
        ("half of a sum over all elements, not a mean", lambda batch, size: size / 2),
    ):
        wanted = []
        for step, _, _ in wrong:
            sizes = [
                (len(value), value.numel()) for value in step[2].args + tuple(step[2].kwargs.values())
                if isinstance(value, Tensor) and value.ndim > 1
            ]  # fmt: skip
            wanted.append(count(*sizes[0]) if sizes else None)
        if len(set(wanted)) >= SEVERAL and all(
            want is not None and abs(ratio - want) <= NEAR * abs(want)
            for want, ratio in zip(wanted, found, strict=True)
        ):
            yield says, "In every call the result is the right one times so many."
    steady = max(found) - min(found) <= 1e-5 * max(map(abs, found))
    if len(wrong) >= SEVERAL and steady and min(abs(found[0] - 1), abs(found[0])) > 1e-4:
        size = max(found[0], 1 / found[0])
        where = f", or off by a size that is {size:.4g}" if _is_size(size, [step for step, _, _ in wrong]) else ""
        yield (
            f"the result {found[0]:.4g} times as large as it should be{where}",
            "In every call the result is the right one times this number. Look for a factor in the equation.",
        )
    yield from _each_call(wrong)
    yield from _shifted(wrong)


ADDED: list[tuple[str, Callable[[Tensor], Tensor]]] = [
    ("under the root", lambda r: r**2),
    ("to the denominator", lambda r: 1 / r),
    ("under the root in the denominator", lambda r: 1 / r**2),
]
"""Where a number may be added that makes no constant difference, and what of the result then has one."""


def _shifted(wrong: list[Pair]) -> Iterator[tuple[str, str]]:
    """One number that is added to all results, or on the way to them."""
    if len(wrong) < SEVERAL or not _telling(wrong):
        return
    means = "It is so in every call."
    if number := _added(wrong, lambda r: r):
        yield f"the result {abs(number):.4g} {'more' if number > 0 else 'less'} than it should be", means
    elif all((mine * right > 0).all() for _, mine, right in wrong):
        for where, change in ADDED:
            if (number := _added(wrong, change)) > 0:
                yield f"{number:.4g} added {where}", means


def _added(wrong: list[Pair], change: Callable[[Tensor], Tensor]) -> float:
    """By what this of the result is too large, the same in all calls; 0 if there is no such number."""
    shifts = [change(mine.double()) - change(right.double()) for _, mine, right in wrong]
    first = shifts[0].flatten()[0]
    room = NEAR * max(float(change(right.double()).abs().max()) for _, _, right in wrong)
    same = first.abs() > 100 * room and all((shift - first).abs().max() <= room for shift in shifts)
    return float(first) if same else 0.0


def _each_call(wrong: list[Pair]) -> Iterator[tuple[str, str]]:
    """In each call of more than one sample, one number that all of the result is multiplied by, or that is added to it."""
    rich = [(mine.double(), right.double()) for _, mine, right in wrong if len(torch.unique(right)) > SEVERAL]
    means = "The number is another in each call: it depends on something that all samples of a call have in common."
    if len(rich) < SEVERAL:
        return
    if all(_ratio(mine, right) is not None for mine, right in rich):
        yield "the result off by a factor, the same for all samples of a call", means
    elif all(
        (mine - right - (mine - right).mean()).abs().max() <= NEAR * (mine - right).abs().max() for mine, right in rich
    ):
        yield "the result off by a number that is added, the same for all samples of a call", means


def _bounds(wrong: list[Pair]) -> Iterator[tuple[str, str]]:
    """Cut off at a bound: equal to the right result inside it, and the bound itself elsewhere."""
    low: float | None = None
    high: float | None = None
    kept = 0
    for _, mine, right in wrong:
        mine, right = mine.double(), right.double()
        off = (mine - right).abs() > NEAR * (1 + right.abs())
        above, below = off & (mine < right), off & (mine > right)
        kept += int((~off).sum())
        for cut, at in ((above, "high"), (below, "low")):
            if not cut.any():
                continue
            values = mine[cut]
            if values.max() - values.min() > NEAR * (1 + values.abs().max()):
                return
            bound, known = float(values[0]), high if at == "high" else low
            if known is not None and abs(known - bound) > NEAR * (1 + abs(bound)):
                return
            inside = right[~cut]
            if len(inside) and ((inside > bound + NEAR).any() if at == "high" else (inside < bound - NEAR).any()):
                return
            if at == "high":
                high = bound
            else:
                low = bound
    if sum(right.numel() for _, _, right in wrong) < 2 * SEVERAL:
        return
    if not kept:  # nothing is as it should be: of what lies inside nobody has seen anything
        if low == high or low is None or high is None:
            number = high if low is None else low
            yield f"always {number:.4g}", "This number comes back whatever was given, in every call that is wrong."
        return
    means = (
        "Inside of the bound the result is right. The contract asks for it as it is: look for a clamp, a min or a max."
    )
    if low is not None and high is not None:
        yield f"the result clamped to [{low:.4g}, {high:.4g}]", means
    elif high is not None:
        yield f"the result cut off above {high:.4g}", means
    elif low is not None:
        yield f"the result held above {low:.4g}", means


def _orders(wrong: list[Pair]) -> Iterator[tuple[str, str]]:
    means = "The numbers are the right ones, in other places."
    rich = [(mine.double(), right.double()) for _, mine, right in wrong if right.numel() > SEVERAL]
    if not rich:
        return
    if all(mine.ndim and len(mine) > 1 and _close(mine, right.flip(0)) for mine, right in rich):
        yield "the result in the reverse order", means
    elif all(_rows_of(mine, right) for mine, right in rich):
        if all(_rows_of(right, mine) for mine, right in rich):
            yield "the samples of the batch in another order", means
        elif any(len(mine.unique(dim=0)) > 1 for mine, _ in rich):
            yield "some samples of the batch more than once, and others never", "Each of them is due once."
    elif all(_close(mine.flatten().sort().values, right.flatten().sort().values) for mine, right in rich):
        yield "the right numbers in another order", means
    else:
        return


def _rows_of(mine: Tensor, right: Tensor) -> bool:
    """Whether each sample of the one is a sample of the other."""
    if mine.ndim < 2 or len(mine) < 2 or mine.shape != right.shape:
        return False
    apart = torch.cdist(mine.flatten(1), right.flatten(1)).min(dim=1).values
    return bool((apart <= NEAR * (1 + right.abs().max())).all())


def _nearly(wrong: list[Pair]) -> Iterator[tuple[str, str]]:
    """Right but for the last digits that are asked for."""
    errors = []
    for _, mine, right in wrong:
        there = right.abs() > 1e-6 * right.abs().max()
        if right.dtype != torch.float64 or not there.any():
            return
        errors.append(float(((mine.double() - right.double())[there] / right[there].double()).abs().max()))
    if errors and 0 < max(errors) <= NEARLY:
        digits = max(1, int(-math.log10(max(errors))))
        yield (
            f"right to {digits} digits, and no further",
            "The formula is right, and the last digits are not: a small number added or a bound against a division by zero, "
            "a difference of two numbers that are nearly equal, or single precision on the way.",
        )


def _digits(wrong: list[Pair]) -> Iterator[tuple[str, str]]:
    """Right to single precision and no further."""
    errors: list[float] = []
    above, below, exact = 0, 0, True
    for _, mine, right in wrong:
        if right.dtype != torch.float64 or mine.dtype != torch.float64:
            return
        size = right.double().abs().max()
        off = mine.double() - right.double()
        errors.append(float(off.abs().max() / size) if size else 1.0)
        above += int((off > 0).sum())
        below += int((off < 0).sum())
        exact = exact and torch.equal(mine, mine.float().double())
    rounded = exact or (above + below >= 8 and min(above, below) >= 0.25 * (above + below))
    if errors and max(errors) <= 3e-6 and rounded:
        yield (
            "right to single precision only",
            "The first six or seven digits are right, and float64 data have sixteen: somewhere on the way the numbers are float32.",
        )
