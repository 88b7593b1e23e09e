"""Models that note what they are called with, for the checks of loops: how often, with which x_t and t, and when."""

from collections.abc import Callable
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


Answer = Callable[["Spy", Tensor, Tensor], Tensor]
"""What a spy answers, from itself, x_t and t."""


def affine(spy: "Spy", x_t: Tensor, t: Tensor) -> Tensor:
    """The answer weight * x_t + bias, whatever t is: exact, and with gradients."""
    return spy.weight * x_t + spy.bias


class Spy(nn.Module):
    """A model that notes its calls. What it answers is passed in, and is `affine` by default; it has two weights for it.

    Attributes:
        seen: the calls.
        pulls: the gradients that reached its answers, in the order in which they came.
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
        self.pulls: list[Tensor] = []

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        answer = self._answer(self, x_t, t)
        levels = t.detach().clone() if isinstance(t, Tensor) else t
        asked((x_t, levels))
        self.seen.append(Seen(x_t.detach().clone(), levels, answer.detach().clone(), x_t.requires_grad))
        given(x_t=self.seen[-1].x_t, t=levels)
        if answer.requires_grad:
            answer.register_hook(lambda pull: self.pulls.append(pull.clone()))
        return answer


class Exact(nn.Module):
    """The best possible denoiser of a toy world, with a parameter that changes nothing as long as it is 1."""

    def __init__(self, world: Gaussian | Mixture, alpha_bar: Tensor) -> None:
        super().__init__()
        self.world, self.alpha_bar = world, alpha_bar
        self.gain = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        return self.gain * self.world.eps(x_t, t, self.alpha_bar)


class Slopes(nn.Module):
    """A model whose loss falls along two parameters with slopes that hardly change: 1e-2 and 1e-4.

    It answers K (1 + Σ s_i w_i) with K = 1000, so that the loss is K² (1 + 2 Σ s_i w_i) up to parts in a thousand, and
    2 K² s_i is the slope of w_i. With `turning`, the slopes change their sign from call to call.

    Attributes:
        path: both parameters at each call.
    """

    SIZE = 1000.0
    SLOPES = (1e-2, 1e-4)

    def __init__(self, turning: bool = False) -> None:
        super().__init__()
        self.steep = nn.Parameter(torch.zeros((), dtype=torch.float64))
        self.shallow = nn.Parameter(torch.zeros((), dtype=torch.float64))
        self.turning = turning
        self.path: list[tuple[float, float]] = []

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        sign = -1 if self.turning and len(self.path) % 2 else 1
        self.path.append((self.steep.item(), self.shallow.item()))
        steep, shallow = (slope / (2 * self.SIZE**2) for slope in self.SLOPES)
        return torch.zeros_like(x_t) + self.SIZE * (1 + sign * (steep * self.steep + shallow * self.shallow))

    def walk(self) -> Tensor:
        """Where both parameters were at each call and are now, (calls + 1, 2)."""
        return torch.tensor([*self.path, (self.steep.item(), self.shallow.item())], dtype=torch.float64)
