"""How a slow copy of a model has followed it: tensor by tensor, the share of the old value that is left."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from grader.diagnosis.observed.facts import Fact, Look, Step, given
from grader.diagnosis.replay import calls_of

MEANS = "It is what the slow model's tensors show after one update: how much of the old value is left in each, and how much of the model's."
NEAR = {torch.float64: 1e-6, torch.float32: 1e-4}
"""By so much the share of the old value may differ from element to element."""
SOME = 0.2
"""The old value and the model's must differ by so much that a share can be told."""
KINDS = ("parameters", "floating buffers", "buffers of whole numbers or flags")
KEPT, COPIED = "left as they are", "copied, not averaged"
BLENDED = "averaged, not copied"
EXCHANGED, TWICE = "averaged with decay and 1 - decay exchanged", "averaged more than once"
OTHERWISE = "averaged with another decay than is given"


class _Part(NamedTuple):
    """A tensor that is wrong after an update: its kind, and what has become of it."""

    kind: str
    became: str
    share: float


def following(look: Look) -> Iterator[Fact]:
    """What an update in place has made of the tensors of a slow model, if it is the same in all checks that show it."""
    became: dict[str, set[str]] = {}
    some = set[str]()
    for name, evidence in look.failures.items():
        steps = [step for step in look.trail if step[0] == name]
        if not steps or 1 < len(calls_of(look.stem, look.exercise, name, look.seed)) == len(steps):
            continue  # all calls of the check were made: after several updates the shares have other sizes
        for kind, rule, is_all in _told(steps[-1], evidence.got):
            became.setdefault(kind, set()).add(rule)
            some |= set() if is_all else {kind}
    for rules in became.values():
        if OTHERWISE in rules:  # with one decay it may look like another rule
            rules &= {OTHERWISE}
    if not became or any(len(rules) > 1 for rules in became.values()):
        return
    kinds: dict[str, list[str]] = {}
    for kind in KINDS:
        if kind in became:
            kinds.setdefault(next(iter(became[kind])), []).append(f"some {kind}" if kind in some else kind)
    says = " and ".join(f"{' and '.join(those)} {rule}" for rule, those in kinds.items())
    yield Fact(says, MEANS, frozenset(look.failures))


def _told(step: Step, got: Any) -> list[tuple[str, str, bool]]:
    """Each kind of tensor that is wrong, what has become of it, and whether of all that are of the kind; [] if no rule tells."""
    models = [value for value in given(step[2]).values() if isinstance(value, nn.Module)]
    decay = given(step[2]).get("decay")
    if step[3].result is not None or len(models) != 2 or not isinstance(decay, float | int):
        return []
    slow, fast = (dict([*model.named_parameters(), *model.named_buffers()]) for model in models)
    wrong = [(next(iter(slow)), got)] if isinstance(got, Tensor) and len(slow) == 1 else got
    if not isinstance(wrong, list) or not all(isinstance(part, tuple) and part[0] in slow for part in wrong):
        return []
    parts = [
        _part(value.detach(), slow[name], fast[name].detach(), float(decay))
        for name, value in wrong
        if not _rough(slow[name])
    ]
    shares = [part.share for part in parts if part and part.became == OTHERWISE]
    if not all(parts) or (shares and max(shares) - min(shares) > NEAR[torch.float32]):
        return []
    found = []
    for kind in KINDS:
        rules = [part.became for part in parts if part and part.kind == kind]
        if len(set(rules)) > 1:
            return []
        count = sum(_kind(value) == kind and not _rough(value) for value in slow.values())
        found += [(kind, rules[0], len(rules) == count)] if rules else []
    return found


def _rough(value: Tensor) -> bool:
    """Whether it has too few digits to tell by which rule it came about."""
    return value.is_floating_point() and value.dtype not in (torch.float64, torch.float32)


def _kind(value: Tensor) -> str:
    if isinstance(value, nn.Parameter):
        return KINDS[0]
    return KINDS[1] if value.is_floating_point() else KINDS[2]


def _part(got: Tensor, before: Tensor, new: Tensor, decay: float) -> _Part | None:
    """What has become of a tensor; None if no rule tells."""
    kind, old = _kind(before), before.detach()
    if got.shape != old.shape:
        return None
    if kind == KINDS[2]:
        blend = decay * old.double() + (1 - decay) * new.double()
        ways = ((KEPT, old), (COPIED, new), (BLENDED, blend.to(old.dtype)), (BLENDED, blend.round().to(old.dtype)))
        same = [says for says, want in ways if torch.equal(got, want)]
        return _Part(kind, same[0], 0.0) if same else None
    apart = old.double() - new.double()
    there = apart.abs() > SOME
    if not there.any():
        return None
    shares = ((got.double() - new.double())[there] / apart[there]).flatten()
    share, near = float(shares.median()), NEAR[old.dtype]
    if (shares - share).abs().max() > near or abs(share - decay) <= near:
        return None
    for says, want in ((KEPT, 1.0), (COPIED, 0.0), (EXCHANGED, 1 - decay), *((TWICE, decay**k) for k in (2, 3))):
        if abs(share - want) <= near:
            return _Part(kind, says, share)
    return _Part(kind, OTHERWISE, share)
