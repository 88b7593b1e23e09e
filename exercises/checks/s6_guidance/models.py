"""Models and classifiers that note what they are asked, for the checks of section 6."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from exercises.checks import notes
from exercises.checks.expect import given
from exercises.checks.s6_guidance.inputs import column


@dataclass(frozen=True)
class Asked:
    """One call of a model or of a classifier.

    Attributes:
        x_t, t, y: what it was called with, copied; y is None for a classifier.
        tracked: whether x_t carried a gradient.
    """

    x_t: Tensor
    t: Any
    y: Any
    tracked: bool

    def tells(self, *values: Any) -> bool:
        """Whether each of the values, such as t and y, has one number for each sample."""
        return all(isinstance(value, Tensor) and value.shape == self.x_t.shape[:1] for value in values)

    @property
    def rows(self) -> Tensor:
        """For each sample its level, its label and its numbers, in float64, (B, 2 + D); sorted, as order is free."""
        rows = torch.cat([self.t[:, None], self.y[:, None], self.x_t.flatten(1)], dim=1).double().tolist()
        return torch.tensor(sorted(rows), dtype=torch.float64)


def _copied(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else value


class Told(nn.Module):
    """A model whose answer depends on the sample, its level and its label, on each in a bent way, and on nothing else.

    Attributes:
        asked: the calls.
        noted: whether they are compared with those of known mistakes: where a batch is doubled, either half may come first.
    """

    def __init__(self, weight: float = 0.75, bias: float = 0.25, noted: bool = False) -> None:
        super().__init__()
        self.noted = noted
        self.weight = nn.Parameter(torch.tensor(weight, dtype=torch.float64))
        self.bias = nn.Parameter(torch.tensor(bias, dtype=torch.float64))
        self.asked: list[Asked] = []

    def forward(self, x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        call = Asked(_copied(x_t), _copied(t), _copied(y), x_t.requires_grad)
        self.asked.append(call)
        if self.noted:
            notes.asked((call.x_t, call.t, call.y))
        given(x_t=call.x_t, t=call.t, y=call.y)
        if not call.tells(t, y):  # the check that looks at the calls says so
            return torch.zeros_like(x_t) * self.weight.to(x_t)
        return self.guess(x_t, t, y)

    def guess(self, x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        t, y = column(t, x_t), column(y, x_t)
        return (self.weight * torch.cos(x_t + 0.7 * y) + self.bias * (1 + t) * x_t * torch.sin(y + 1)).to(x_t.dtype)


class Judge(nn.Module):
    """A classifier of five labels whose logits depend on the sample, in a bent way, and on its level.

    It is never sure: its logits stay within a few units, and probabilities above a thousandth.

    Attributes:
        asked: the calls.
        noted: whether they are compared with those of known mistakes: a gradient may be asked for in one call or several.
    """

    CLASSES = 5

    def __init__(self, dims: int, rng: torch.Generator, noted: bool = False) -> None:
        super().__init__()
        self.noted = noted
        matrix = torch.randn(dims, self.CLASSES, dtype=torch.float64, generator=rng)
        self.matrix = nn.Parameter(matrix / (2 * dims**0.5))
        self.slope = nn.Parameter(torch.randn(self.CLASSES, dtype=torch.float64, generator=rng) / 10)
        self.asked: list[Asked] = []

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        call = Asked(_copied(x_t), _copied(t), None, x_t.requires_grad)
        self.asked.append(call)
        if self.noted:
            notes.asked((call.x_t, call.t))
        if not call.tells(t):
            return torch.zeros_like(x_t.flatten(1)) @ self.matrix.to(x_t)
        return self.logits(x_t, t)

    def logits(self, x_t: Tensor, t: Tensor) -> Tensor:
        waves = (x_t + torch.sin(2 * x_t)).flatten(1)
        return waves @ self.matrix.to(x_t) + t[:, None].to(x_t) * self.slope.to(x_t)

    def shown(self) -> tuple[Tensor, Tensor]:
        """The samples and levels of all its calls, one after the other."""
        return torch.cat([call.x_t for call in self.asked]), torch.cat([call.t for call in self.asked])

    def score(self, x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """∇ log p(y | x_t): the label's own gradient less the mean of all, weighed by their probabilities."""
        with torch.no_grad():
            matrix = self.matrix.to(x_t)
            pull = matrix.T[y] - self.logits(x_t, t).softmax(1) @ matrix.T
            return pull.reshape(x_t.shape) * (1 + 2 * torch.cos(2 * x_t))
