"""Velocity models, networks and teachers that note what they are called with. None is a straight line in x or in time."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from exercises.checks import expect, notes
from exercises.checks.expect import Mismatch
from exercises.checks.spies import as_told


@dataclass(frozen=True)
class Seen:
    """One call of a model.

    Attributes:
        x: what it was called with, copied.
        t: the times or levels, copied; or whatever came in their place.
        answer: what it returned, copied.
        tracked: whether x carried a gradient.
    """

    x: Tensor
    t: Any
    answer: Tensor
    tracked: bool


def _shaped(t: Any, x: Tensor) -> Tensor:
    """Times to compute with, of whatever came: what they should have been is asked after the call."""
    values = t.detach() if isinstance(t, Tensor) else torch.as_tensor(t)
    return values.to(x.dtype).reshape(-1, *[1] * (x.ndim - 1)) if values.numel() in (1, len(x)) else x.new_zeros(())


class Model(nn.Module):
    """A model of two parameters that notes its calls.

    Attributes:
        seen: the calls.
        noted: whether they are compared with those of known mistakes: where it is called once, at what a draw does not decide.
    """

    def __init__(self, weight: float = 0.75, bias: float = 0.25, noted: bool = False) -> None:
        super().__init__()
        self.noted = noted
        self.weight = nn.Parameter(torch.tensor(weight, dtype=torch.float64))
        self.bias = nn.Parameter(torch.tensor(bias, dtype=torch.float64))
        self.seen: list[Seen] = []

    def forward(self, *told: Tensor, **by_name: Tensor) -> Tensor:
        x, t = as_told(told, by_name)
        answer = self.formula(x, _shaped(t, x))
        noted = t.detach().clone() if isinstance(t, Tensor) else t
        self.seen.append(Seen(x.detach().clone(), noted, answer.detach().clone(), x.requires_grad))
        if self.noted:
            notes.asked((self.seen[-1].x, noted))
        expect.given(x=self.seen[-1].x, t=noted)
        return answer

    def formula(self, x: Tensor, t: Tensor) -> Tensor:
        """Weight cos(2 x) - bias (1 + t) x + t."""
        return self.weight * torch.cos(2 * x) - self.bias * (1 + t) * x + t

    def quietly(self, x: Tensor, t: Tensor | float) -> Tensor:
        """The answer to somebody who is not to be noticed, in float64 and without a gradient."""
        with torch.no_grad():
            return self.formula(x.double(), _shaped(t, x.double()))


def asked(model: Model, x: Tensor, times: list[float], why: str, kind: str, like_x: bool = True) -> None:
    """The model was called at these times in this order, each told as a float (B,), of x's dtype if it is `like_x`, and with states like x.

    A state or a time of another dtype or shape is told first, then the times themselves, which are the evidence.
    """
    if not model.seen:
        raise Mismatch(why, "no call", f"the {kind} was never called", f"{len(times)} calls")
    for seen in model.seen:
        expect.tensor(seen.x, f"the {kind} sees x in its shape and dtype", shape=x.shape, dtype=x.dtype)
    told = [_list(seen.t) for seen in model.seen]
    wanted = [[time] * len(x) for time in times]
    if len(told) != len(wanted) or any(not _near(one, other) for one, other in zip(told, wanted, strict=True)):
        raise Mismatch(why, told, f"{len(told)} calls, at {_text(told)}", f"{len(wanted)} calls, at {_text(wanted)}")
    for seen in model.seen:
        which = ", in x's dtype" if like_x else ""
        rule = f"the {kind} is told a float tensor of shape (B,){which}: each sample has a number of its own"
        expect.tensor(seen.t, rule, shape=x.shape[:1], dtype=x.dtype if like_x else None)
        expect.holds(seen.t.is_floating_point(), rule, got=str(seen.t.dtype), want="a floating dtype")


def shown(model: Model, x: Tensor, name: str) -> Seen:
    """What the model was shown for the batch x: by the last of its calls, or by one for each sample."""
    if not model.seen:
        raise Mismatch(f"{name} is asked", "no call", f"{name} was never called", "a call")
    calls = model.seen[-len(x) :]
    if len(calls) < len(x) or any(len(call.x) != 1 or not isinstance(call.t, Tensor) for call in calls):
        return model.seen[-1]
    parts = [torch.cat([getattr(call, part) for call in calls]) for part in ("x", "t", "answer")]
    return Seen(*parts, tracked=calls[-1].tracked)


def _list(t: Any) -> list[float]:
    values = t.detach().flatten().tolist() if isinstance(t, Tensor) else [t]
    return [float(value) for value in values]


def _near(one: list[float], other: list[float]) -> bool:
    """Equal to within a grid in float32; one number for the whole batch counts as the same number for all of it."""
    one = one * len(other) if len(one) == 1 else one
    return len(one) == len(other) and all(
        abs(a - b) <= 1e-5 * max(1.0, abs(b)) for a, b in zip(one, other, strict=True)
    )


def _text(times: list[list[float]]) -> str:
    """The time of each call; of each sample only where they differ."""
    parts = [f"{row[0]:.4g}" if len(set(row)) == 1 else str([round(value, 4) for value in row]) for row in times]
    return "[" + ", ".join(parts[:8]) + (", ..." if len(parts) > 8 else "") + "]"


def left_alone(model: Model) -> None:
    """The model's parameters can still be trained, and no gradient was left on them."""
    expect.left_alone(model)


def undisturbed(sampler, x: Tensor, why: str) -> None:
    """`sampler(model, x)` records no gradient and changes neither its arguments nor the model."""
    for training, start in ((True, x.clone()), (False, x.clone()), (True, x.clone().requires_grad_())):
        model = Model().train(training)
        result = sampler(model, start)
        expect.tensor(result, why, shape=x.shape, dtype=x.dtype)
        expect.holds(not result.requires_grad, why, got="a result with a gradient", want="a result without")
        recorded = any(seen.tracked for seen in model.seen) and not start.requires_grad
        reason = f"{why}, not on its way either: its memory would grow with the steps"
        expect.holds(not recorded, reason, got="an x that carries a gradient", want="x without")
        expect.unchanged("arguments stay as they are", x=(x, start.detach()))
        expect.left_alone(model)
