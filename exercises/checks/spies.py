"""Models that note what they are called with, for the checks of loops: how often, with which x_t and t, and when."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from exercises.checks.expect import given
from exercises.checks.notes import asked
from exercises.toolkit.worlds import Gaussian, Mixture


@dataclass(frozen=True)
class Seen:
    """One call of a model.

    Attributes:
        x_t: what it was called with, copied.
        t: the levels, copied; or whatever came in their place.
        answer: what it returned.
        tracked: whether x_t carried a gradient.
    """

    x_t: Tensor
    t: Any
    answer: Tensor
    tracked: bool


def steps_of(calls: Sequence[Seen], batch: int) -> list[Seen]:
    """The calls of each step as one: a batch of so many rows may be shown in pieces, whose gradients add up."""
    steps: list[list[Seen]] = []
    left = 0
    for seen in calls:
        if len(seen.x_t) > left or not isinstance(seen.t, Tensor):
            steps.append([])
            left = batch
        steps[-1].append(seen)
        left -= len(seen.x_t)
    return [pieces[0] if len(pieces) == 1 else _joined(pieces) for pieces in steps]


def levels_of(calls: Sequence[Seen], batch: int) -> list[Seen]:
    """The calls at each level as one, where they show a batch of so many rows in pieces; or the calls as they are."""
    levels: dict[tuple, list[Seen]] = {}
    for seen in calls:
        if not isinstance(seen.t, Tensor) or seen.t.shape != seen.x_t.shape[:1] or len(seen.t.unique()) != 1:
            return list(calls)
        levels.setdefault((seen.t[0].item(), seen.t.dtype, seen.x_t.dtype, seen.x_t.shape[1:]), []).append(seen)
    whole = all(sum(len(seen.x_t) for seen in pieces) == batch for pieces in levels.values())
    return [_joined(pieces) for pieces in levels.values()] if whole else list(calls)


def _joined(pieces: list[Seen]) -> Seen:
    x_t, t, answer = (torch.cat([getattr(seen, name) for seen in pieces]) for name in ("x_t", "t", "answer"))
    return Seen(x_t, t, answer, any(seen.tracked for seen in pieces))


Answer = Callable[["Spy", Tensor, Tensor], Tensor]
"""What a spy answers, from itself, x_t and t."""


def affine(spy: "Spy", x_t: Tensor, t: Tensor) -> Tensor:
    """The answer weight * x_t + bias, whatever t is: exact, and with gradients."""
    return spy.weight * x_t + spy.bias


def as_told(told: tuple, by_name: dict[str, Any]) -> tuple[Any, Any]:
    """What a model is called with: model(x_t, t), score_model(x, t), denoiser(x, sigma) or eps_fn(x, lam), in order or by name."""
    rest = dict(by_name)
    found = list(told)
    for names in (("x_t", "x"), ("t", "sigma", "lam"))[len(told) :]:
        found += [rest.pop(name) for name in names if name in rest][:1]
    if len(found) != 2 or rest:
        raise TypeError(f"a model is called with two arguments, x_t and t: it got {len(told) + len(by_name)}")
    return found[0], found[1]


class Spy(nn.Module):
    """A model that notes its calls. What it answers is passed in, and is `affine` by default; it has two weights for it.

    Attributes:
        seen: the calls.
        pulls: the gradients that reached its answers, each with the number of its call, in the order in which they came.
    """

    def __init_subclass__(cls) -> None:
        """No method is overridden, and so none by a wrong name: what a spy answers is passed in."""
        raise TypeError(f"{cls.__name__}: pass what a spy answers in, as Spy(answer=...)")

    def __init__(self, weight: float = 0.75, bias: float = 0.25, answer: Answer = affine) -> None:
        super().__init__()
        self._answer = answer
        self.weight = nn.Parameter(torch.tensor(weight, dtype=torch.float64))
        self.bias = nn.Parameter(torch.tensor(bias, dtype=torch.float64))
        self.seen: list[Seen] = []
        self.pulls: list[tuple[int, Tensor]] = []

    def forward(self, *told: Tensor, **by_name: Tensor) -> Tensor:
        x_t, t = as_told(told, by_name)
        answer = self._answer(self, x_t, t)
        levels = t.detach().clone() if isinstance(t, Tensor) else t
        asked((x_t, levels))
        self.seen.append(Seen(x_t.detach().clone(), levels, answer.detach().clone(), x_t.requires_grad))
        given(x_t=self.seen[-1].x_t, t=levels)
        if answer.requires_grad:
            number = len(self.seen) - 1  # one backward pass through several answers comes to the last of them first
            answer.register_hook(lambda pull: self.pulls.append((number, pull.clone())))
        return answer


class Exact(nn.Module):
    """The best possible denoiser of a toy world, with a parameter that changes nothing as long as it is 1."""

    def __init__(self, world: Gaussian | Mixture, alpha_bar: Tensor) -> None:
        super().__init__()
        self.world, self.alpha_bar = world, alpha_bar
        self.gain = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        return self.gain * self.world.eps(x_t, t, self.alpha_bar)


class Register(nn.Module):
    """A model with a parameter for each row of data whose rows lie 1000 apart: it learns of a row by that row's parameter alone.

    Attributes:
        shown: the rows that it was shown.
    """

    def __init__(self, rows: int, alpha_bar: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(rows, dtype=torch.float64))
        self.signal, self.shown = alpha_bar.sqrt(), set[int]()

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        near = (x_t.detach().mean(1) / self.signal[t] / 1000).round().long()
        rows = near.clamp(1, len(self.weight)) - 1
        self.shown |= set(rows.tolist())
        return torch.zeros_like(x_t) + self.weight[rows][:, None]

    @property
    def lost(self) -> list[int]:
        """The rows that were shown and not learned from."""
        return sorted(self.shown - set(self.weight.detach().nonzero().flatten().tolist()))


class Slopes(nn.Module):
    """A model whose loss falls along two parameters with slopes that hardly change: 1e-2 and 1e-4.

    It answers K (1 + Σ s_i w_i) with K = 1000, so that the loss is K² (1 + 2 Σ s_i w_i) up to parts in a thousand, and
    2 K² s_i is the slope of w_i. With `turning`, the slopes change their sign from step to step; after `fading` steps, if
    any, they are a tenth. A step is a call, or the calls that show a batch of so many rows in pieces, between which no parameter moves.

    Attributes:
        path: both parameters at each step.
    """

    SIZE = 1000.0
    SLOPES = (1e-2, 1e-4)

    def __init__(self, turning: bool = False, batch: int = 0, fading: int = 0) -> None:
        super().__init__()
        self._batch, self._left = batch, 0
        self.steep = nn.Parameter(torch.zeros((), dtype=torch.float64))
        self.shallow = nn.Parameter(torch.zeros((), dtype=torch.float64))
        self.turning, self.fading = turning, fading
        self.path: list[tuple[float, float]] = []

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        here = (self.steep.item(), self.shallow.item())
        if len(x_t) > self._left or self.path[-1:] != [here]:
            self.path.append(here)
            self._left = self._batch
        self._left -= len(x_t)
        size = 1.0 if not self.turning or len(self.path) % 2 else -1.0
        size *= 0.1 if 0 < self.fading < len(self.path) else 1
        steep, shallow = (slope / (2 * self.SIZE**2) for slope in self.SLOPES)
        return torch.zeros_like(x_t) + self.SIZE * (1 + size * (steep * self.steep + shallow * self.shallow))

    def walk(self) -> Tensor:
        """Where both parameters were at each step and are now, (steps + 1, 2)."""
        return torch.tensor([*self.path, (self.steep.item(), self.shallow.item())], dtype=torch.float64)
