"""Results that are sums of the arguments, each with a weight: which weight is wrong, and what stands in its place."""

import inspect
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from grader.diagnosis.observed.facts import Fact, Look, Step, called, given, numbers, part_name, parts, wrong_parts
from grader.diagnosis.reference import reference
from grader.diagnosis.replay import Call, replay

NEAR = 1e-6
"""By so much of its size a weight may be off, found from the elements."""
ENOUGH = 2
"""So many weights that differ from each other show a rule."""
MEANS = (
    "The result is a sum of the arguments, each with a weight. From the results in the checks that failed, the weights "
    "were found: compare these with the equation."
)


class Sample(NamedTuple):
    """The weights with which the arguments stand in a result, for samples that have the same.

    Attributes:
        step: the call.
        mine: those of the answer.
        right: those of the reference.
        signs: those of the reference's, where most of them are not zero.
        others: the reference's for another t, by the name of that.
    """

    step: Step
    mine: Tensor
    right: Tensor
    signs: Tensor
    others: dict[str, Tensor]


def weights(look: Look) -> Iterator[Fact]:
    """What is wrong with the weights of the arguments in a result."""
    for index, wrong in wrong_parts(look.valued):
        names = _basis([(step, right) for step, _, right in wrong])
        if not names:
            continue
        samples, steps = [], []
        for step, mine, right in wrong:
            found = list(_samples(look, step, index, mine, names))
            samples += found
            if found or mine.dtype != torch.float64 or right[0].numel() <= len(names):
                steps.append(step)  # in the others it is no such sum
        if not steps:
            continue
        if not samples and (fact := _apart(look, wrong, names, index)):
            yield fact
            continue
        fact = _told(look, names, samples, steps, index)
        if fact is not None:
            yield fact


def _apart(look: Look, wrong: list[tuple[Step, Tensor, Tensor]], names: list[str], index: int) -> Fact | None:
    """Where the right result is no such sum: what parts the answer from it may be one."""
    found = []
    for step, mine, right in wrong:
        if mine.shape != right.shape or mine.dtype != torch.float64:
            continue
        off = (mine - right).detach().double()
        values = [given(step[2])[name].detach().double() for name in names]
        for at in range(len(off)):
            solved = solve(torch.stack([value[at].flatten() for value in values], dim=1), off[at].flatten())
            if solved is not None and solved.abs().max() > NEAR:
                found.append(solved)
    if len(found) < ENOUGH:
        return None
    told = [called(name) for at, name in enumerate(names) if max(float(one[at].abs()) for one in found) > NEAR]
    if len(told) == len(names) > 1:
        return None
    part = part_name(look, wrong[0][0][2], index)
    where = f" in {part}" if part else ""
    says = f"another weight of {' and '.join(told)}, all else right{where}"
    return look.fact(says, MEANS, [step for step, _, _ in wrong])


def _basis(pairs: list[tuple[Step, Tensor]]) -> list[str]:
    """The arguments of the result's shape, in all calls."""
    found: list[str] | None = None
    for step, right in pairs:
        if right.ndim == 0:
            return []
        here = [name for name, value in given(step[2]).items() if numbers(value) and value.shape == right.shape]
        if any(isinstance(v, nn.Module) or inspect.isroutine(v) for v in given(step[2]).values()):
            return []
        found = here if found is None else [name for name in found if name in here]
    return found if found and len(found) <= 4 else []


def _samples(look: Look, step: Step, index: int, mine: Tensor, names: list[str]) -> Iterator[Sample]:
    call = step[2]
    values = [given(call)[name].detach().double() for name in names]
    want = parts(call.right.result)[index].detach()
    if mine.dtype != torch.float64 or want.dtype != torch.float64 or mine.shape != want.shape:
        return
    right = linear(look, call, names, index)
    if right is None:
        yield from _solved(step, mine, want, values)
        return
    batch = len(mine)
    flat = [value.reshape(batch, -1) for value in values]
    first = [one.reshape(batch, -1) for one in right]
    if any((one != one[:, :1]).any() for one in first):
        return
    others = {}
    for says, t in _other_times(call):
        if (made := linear(look, call, names, index, t)) is not None:
            others[says] = torch.stack([one.reshape(batch, -1)[:, 0] for one in made], dim=1)
            level = given(call)["t"]
            edge = level == 0 if says == "the level before" else level == _levels(call) - 1
            if says in ("the level before", "the level after"):
                others[says][edge] = torch.nan
    alike = all((one[:, :1] == one[:1, :1]).all() for one in first)
    groups = [range(batch)] if alike else [range(place, place + 1) for place in range(batch)]
    for group in groups:
        rows = list(group)
        matrix = torch.stack([value[rows].flatten() for value in flat], dim=1)
        goal = mine.detach().double().reshape(batch, -1)[rows].flatten()
        solved = solve(matrix, goal)
        if solved is not None:
            here = torch.stack([one[rows[0], 0] for one in first])
            there = {says: table[rows[0]] for says, table in others.items()}
            yield Sample(step, solved, here, torch.sign(here), there)


def _solved(step: Step, mine: Tensor, want: Tensor, values: list[Tensor]) -> Iterator[Sample]:
    """The same where the weights hang on the arguments themselves: both sides are solved for, sample by sample."""
    for at in range(len(mine)):
        matrix = torch.stack([value[at].flatten() for value in values], dim=1)
        one, other = (solve(matrix, side[at].detach().double().flatten()) for side in (mine, want))
        if one is not None and other is not None:
            yield Sample(step, one, other, torch.sign(other), {})


def _levels(call: Call) -> int:
    here = given(call)
    table = here.get("alpha_bar", here.get("betas"))
    return len(table) if isinstance(table, Tensor) and table.ndim == 1 else 0


def _other_times(call: Call) -> Iterator[tuple[str, Tensor]]:
    """Other values for t, with what they are called."""
    t, last = given(call).get("t"), _levels(call) - 1
    if not isinstance(t, Tensor) or t.ndim != 1:
        return
    if not t.is_floating_point() and last >= 0:
        yield "the level before", (t - 1).clamp(0, last)
        yield "the level after", (t + 1).clamp(0, last)
    elif t.is_floating_point():
        yield "1 - t", 1 - t
    if len(t) > 1:
        yield "the first sample's t", t[:1].expand(t.shape)
        yield "the last sample's t", t[-1:].expand(t.shape)


def solve(matrix: Tensor, goal: Tensor) -> Tensor | None:
    """The weights with which the columns add up to the goal; None if they do not, or if several would do."""
    if len(matrix) <= matrix.shape[1] or not torch.isfinite(goal).all() or not torch.isfinite(matrix).all():
        return None
    sizes = torch.linalg.svdvals(matrix)
    if sizes[-1] < 1e-6 * sizes[0]:
        return None
    found = torch.linalg.lstsq(matrix, goal[:, None]).solution[:, 0]
    off = (matrix @ found - goal).abs().max()
    return found if off <= 1e-7 * (1e-6 + goal.abs().max()) else None


def linear(look: Look, call: Call, names: list[str], index: int, t: Tensor | None = None) -> list[Tensor] | None:
    """The weights of these arguments in the reference's result, element by element; None if it is no such sum.

    Args:
        look: what is looked at.
        call: a call.
        names: the arguments.
        index: which result.
        t: another t to compute them for.
    """
    module = reference(look.stem).module(look.exercise)
    here = given(call)
    if t is not None:
        here = here | {"t": t}

    def result(**changed: Tensor) -> Tensor | None:
        made = replay(call._replace(args=(), kwargs=here | changed), module).result
        made = parts(made)
        return made[index].double() if index < len(made) and isinstance(made[index], Tensor) else None

    nothing = {name: torch.zeros_like(here[name]) for name in names}
    offset = result(**nothing)
    if offset is None or offset.abs().max() > 1e-12:
        return None
    found = []
    for name in names:
        made = result(**nothing | {name: torch.ones_like(here[name])})
        if made is None or not torch.isfinite(made).all():
            return None
        found.append(made)
    whole = sum(weight * here[name].detach().double() for weight, name in zip(found, names, strict=True))
    want = parts(call.right.result)[index] if t is None else result()
    assert isinstance(whole, Tensor)
    if not isinstance(want, Tensor) or not torch.allclose(whole, want.double(), rtol=1e-6, atol=1e-9):
        return None
    return found


Rule = Callable[[Sample, int], Tensor | None]
"""What a weight would be in a sample; None if the rule says nothing of this weight, NaN if it says nothing of this sample."""


def _own(change: Callable[[Tensor], Tensor]) -> Rule:
    return lambda sample, at: change(sample.right[at])


def _sized(change: Callable[[Tensor], Tensor]) -> Rule:
    """A change of the weight's size; its sign stays."""
    return lambda sample, at: change(sample.right[at].abs()) * sample.signs[at]


def _by(other: int, change: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Rule:
    """From the weight, that of another argument, and its own sign."""

    def rule(sample: Sample, at: int) -> Tensor | None:
        return None if other == at else change(sample.right[at], sample.right[other], sample.signs[at])

    return rule


def _at_another(which: str) -> Rule:
    def rule(sample: Sample, at: int) -> Tensor | None:
        return sample.others[which][at] if which in sample.others else None

    return rule


def _rules(names: list[str]) -> Iterator[tuple[str, Rule]]:
    """What may stand in the place of a weight, the simplest first; {} is the argument."""
    yield "", _own(lambda w: w)
    yield "{} left out", _own(lambda w: 0 * w)
    yield "the weight of {} with the sign turned", _own(lambda w: -w)
    yield "the weight of {} squared", _sized(lambda w: w**2)
    yield "the root of the weight of {}", _sized(lambda w: w.sqrt())
    yield "1 for the weight of {}", _sized(lambda w: 0 * w + 1)
    yield "-1 for the weight of {}", _sized(lambda w: 0 * w - 1)
    for other, name in enumerate(names):
        yield f"the weight of {called(name)} on {{}}", _by(other, lambda own, w, sign: w.abs() * sign)
    for other, name in enumerate(names):
        yield f"the weight of {called(name)} on {{}}, with its sign", _by(other, lambda own, w, sign: w)
    yield "the weight of {} doubled", _own(lambda w: 2 * w)
    yield "the weight of {} halved", _own(lambda w: w / 2)
    yield "the weight of {} upside down", _own(lambda w: 1 / w)
    for which in ("the level before", "the level after", "the first sample's t", "the last sample's t", "1 - t"):
        yield f"the weight of {{}} at {which}", _at_another(which)
    yield "1 - w for the weight w of {}", _sized(lambda w: 1 - w)
    yield "1 - w² for the weight w of {}", _sized(lambda w: 1 - w**2)
    yield "√(1 - w²) for the weight w of {}", _sized(lambda w: (1 - w**2).abs().sqrt())
    yield "1 - w for the weight w of {}, with the sign turned", _sized(lambda w: w - 1)
    yield "the weight of {} to the fourth power", _sized(lambda w: w**4)
    for other, name in enumerate(names):
        of = called(name)
        yield f"the weight of {{}} divided by that of {of}", _by(other, lambda own, w, sign: own / w)
        yield f"the weight of {{}} multiplied by that of {of}", _by(other, lambda own, w, sign: own * w)
        yield f"1 - w for the weight of {{}}, w that of {of}", _by(other, lambda own, w, sign: (1 - w.abs()) * sign)


def _fits(rule: Rule, samples: list[Sample], at: int) -> bool:
    tried = 0
    for sample in samples:
        want = rule(sample, at)
        if want is None:
            return False
        if torch.isnan(want):
            continue
        if not (sample.mine[at] - want).abs() <= NEAR * (1 + want.abs()):
            return False
        tried += 1
    return tried > 0


def _told(look: Look, names: list[str], samples: list[Sample], steps: list[Step], index: int) -> Fact | None:
    """What is wrong with the weights, in one phrase."""
    if not samples:
        return None
    whole = torch.stack([sample.signs for sample in samples]).sum(0).sign()
    samples = [sample._replace(signs=torch.where(sample.signs == 0, whole, sample.signs)) for sample in samples]
    said: dict[str, list[str]] = {}
    right, unknown = [], []
    for at, name in enumerate(names):
        size = {round(float(sample.right[at]), 9) for sample in samples}
        for says, rule in _rules(names):
            if _fits(rule, samples, at) and (not says or len(size - {0.0}) >= ENOUGH):
                if says:
                    said.setdefault(says, []).append(name)
                else:
                    right.append(name)
                break
        else:
            unknown.append(at)
    part = part_name(look, steps[0][2], index)
    where = f" in {part}" if part else ""
    if unknown and (factor := _constant(samples, unknown)):
        for says, at in factor:
            said.setdefault(says, []).append(names[at])
            unknown.remove(at)
    phrases = [_phrase(says, told) for says, told in said.items()]
    exchanged = [f"the weight of {called(one)} on {{}}" for one in names]
    if len(names) == 2 and not unknown and all(key in exchanged for key in said) and len(said) == 2:
        phrases = [f"the weights of {called(names[0])} and {called(names[1])} exchanged"]
    if not right and not unknown and len(said) == 1 and len(names) > 1 and (every := WHOLE.get(next(iter(said)))):
        phrases = [every]
    if not right and not unknown and len(said) == 1 and next(iter(said)).endswith(TIMES):
        phrases = [next(iter(said)).replace("the weight of {}", "the result") + " as it should be"]
    sure = bool(right or said or len(names) == 1 or not unknown)
    if unknown and len(names) > 1 and len(unknown) == len(names) and _by_one_factor(samples):
        if _alike_in_each_call(samples):
            return None  # the calls differ and not the levels: `factors` counts their elements
        phrases, sure = ["the result off by a factor, another at each level"], True
    elif unknown:
        phrases.append(_of_unknown([names[at] for at in unknown], right, bool(said), names))
    if not phrases or len(phrases) > 2:
        return None
    return look.fact(" and ".join(phrases) + where, MEANS, steps, sure)


def _by_one_factor(samples: list[Sample]) -> bool:
    """Whether all weights of a sample are off by the same factor."""
    ratios = torch.stack([sample.mine / sample.right for sample in samples])
    apart = (ratios - ratios[:, :1]).abs().max()
    return bool(torch.isfinite(ratios).all() and apart <= NEAR * ratios.abs().max())


def _alike_in_each_call(samples: list[Sample]) -> bool:
    """Whether the samples of a call are off by the same factor, in calls of several samples with weights of their own."""
    calls: dict[int, list[Sample]] = {}
    for sample in samples:
        calls.setdefault(id(sample.step), []).append(sample)
    rich = [here for here in calls.values() if any((one.right != here[0].right).any() for one in here)]
    ratios = [torch.stack([one.mine[0] / one.right[0] for one in here]) for here in rich]
    return bool(ratios) and all((one - one[0]).abs().max() <= NEAR * one.abs().max() for one in ratios)


def _of_unknown(unknown: list[str], right: list[str], said: bool, names: list[str]) -> str:
    """What is said of weights that are wrong in no known way."""
    if right or said:
        kept = f", that of {' and '.join(map(called, right))} right" if right else ""
        return f"another weight of {' and '.join(map(called, unknown))}{kept}"
    if len(names) == 1:
        return f"another weight of {called(names[0])}"
    return f"other weights of {' and '.join(map(called, names))}"


def _constant(samples: list[Sample], unknown: list[int]) -> list[tuple[str, int]]:
    """Weights that are the right ones times a number, the same in all samples."""
    found = []
    for at in unknown:
        ratios = [float(sample.mine[at] / sample.right[at]) for sample in samples if sample.right[at].abs() > 1e-9]
        size = {round(float(sample.right[at]), 9) for sample in samples}
        none = any(sample.right[at].abs() <= 1e-9 < sample.mine[at].abs() for sample in samples)
        steady = bool(ratios) and max(ratios) - min(ratios) <= NEAR * max(map(abs, ratios))
        if len(size - {0.0}) >= ENOUGH and steady and not none and min(abs(ratios[0] - 1), abs(ratios[0])) > 1e-4:
            found.append((f"the weight of {{}} {ratios[0]:.4g} times as large", at))
    return found


TIMES = " times as large"
WHOLE = {
    "the weight of {} with the sign turned": "the sign of the result turned",
    "the weight of {} squared": "all weights squared",
    "the root of the weight of {}": "the root of all weights",
    "the weight of {} at the level before": "all weights those of the level before",
    "the weight of {} at the level after": "all weights those of the level after",
    "the weight of {} at the first sample's t": "the first sample's t for the whole batch",
    "the weight of {} at the last sample's t": "the last sample's t for the whole batch",
    "the weight of {} at 1 - t": "1 - t in the place of t",
    "the weight of {} doubled": "the result doubled",
    "the weight of {} halved": "the result halved",
}
"""What is said if it is so of every weight."""


def _phrase(says: str, names: list[str]) -> str:
    return says.format(" and ".join(map(called, names)))
