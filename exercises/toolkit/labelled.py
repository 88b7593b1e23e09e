"""Points of the plane with labels, and small networks that are told a label: for section 6's rewards."""

import itertools
import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from exercises.toolkit.worlds import Labelled, Mixture

THREE = Labelled(
    Mixture(
        torch.tensor(
            [[-1.5, 0.35], [-0.1, 0.95], [0.5, 0.5], [1.4, -0.45], [0.7, -1.1], [-1.0, -1.1]], dtype=torch.float64
        ),
        torch.full((6,), 0.12, dtype=torch.float64),
        torch.full((6,), 1 / 6, dtype=torch.float64),
    ),
    torch.tensor([0, 0, 1, 1, 2, 2]),
)
"""Three labels with two clouds each. Two labels meet in the middle, and the label of a point there is anybody's guess."""


def draw(world: Labelled, y: Int[Tensor, "B"], generator: torch.Generator | None = None) -> Float[Tensor, "B D"]:
    """A clean point for each label, in the dtype of the centres."""
    points = [world.of(label).sample(len(y), generator) for label in range(world.null)]
    return torch.stack(points)[y, torch.arange(len(y))]


class PlaneNet(nn.Module):
    """A small network for points of the plane, (x_t, t) and perhaps y: linear layers that see the sines of t as well.

    Args:
        T: the number of levels.
        labels: how many labels it can be told, that for "none" included; with 0 it is called without one.
        out: numbers that it answers for each point.
    """

    def __init__(self, T: int, labels: int = 0, out: int = 2, hidden: int = 128) -> None:
        super().__init__()
        self.T, self.labels = T, labels
        self.register_buffer("frequencies", math.pi * 2 ** torch.linspace(0, 4, 16))
        widths = [2 + 2 * len(self.frequencies) + labels, hidden, hidden, hidden]
        layers = [layer for a, b in itertools.pairwise(widths) for layer in (nn.Linear(a, b), nn.SiLU())]
        self.net = nn.Sequential(*layers, nn.Linear(hidden, out))

    def forward(
        self, x_t: Float[Tensor, "B 2"], t: Int[Tensor, "B"], y: Int[Tensor, "B"] | None = None
    ) -> Float[Tensor, "B out"]:
        angles = (t[:, None] / self.T) * self.frequencies
        told = [] if y is None else [F.one_hot(y, self.labels).to(x_t)]
        return self.net(torch.cat([x_t, angles.cos(), angles.sin(), *told], dim=1))


class DigitNet(nn.Module):
    """A small U-Net for images (B, 1, 28, 28), `model(x_t, t, y)`: three sizes, the level and the label in each block.

    Args:
        T: the number of levels.
        labels: how many labels it can be told, that for "none" included.
        width: channels at the full size; each half of the size has twice as many.
    """

    def __init__(self, T: int, labels: int, width: int = 64) -> None:
        super().__init__()
        self.T, wide = T, (width, 2 * width, 4 * width)
        self.register_buffer("frequencies", math.pi * 2 ** torch.linspace(0, 6, 32))
        self.level, self.label = nn.Linear(64, 4 * width), nn.Embedding(labels, 4 * width)
        self.enter, self.leave = nn.Conv2d(1, width, 3, padding=1), nn.Conv2d(width, 1, 3, padding=1)
        self.down = nn.ModuleList(
            _Block(a, b, 4 * width) for a, b in ((wide[0], wide[0]), (wide[0], wide[1]), (wide[1], wide[2]))
        )
        self.middle = _Block(wide[2], wide[2], 4 * width)
        self.up = nn.ModuleList(
            _Block(a + b, b, 4 * width) for a, b in ((wide[2], wide[2]), (wide[2], wide[1]), (wide[1], wide[0]))
        )

    def forward(
        self, x_t: Float[Tensor, "B 1 28 28"], t: Int[Tensor, "B"], y: Int[Tensor, "B"]
    ) -> Float[Tensor, "B 1 28 28"]:
        angles = (t[:, None] / self.T) * self.frequencies
        told = self.level(torch.cat([angles.cos(), angles.sin()], dim=1)) + self.label(y)
        h, kept = self.enter(x_t), []
        for number, block in enumerate(self.down):
            h = block(h if number == 0 else F.avg_pool2d(h, 2), told)
            kept.append(h)
        h = self.middle(h, told)
        for block in self.up:
            skip = kept.pop()
            h = block(torch.cat([F.interpolate(h, size=skip.shape[2:]), skip], dim=1), told)
        return self.leave(h)


class _Block(nn.Module):
    """Two convolutions with what the network is told between them, and a way around."""

    def __init__(self, into: int, out: int, told: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(into, out, 3, padding=1), nn.Conv2d(out, out, 3, padding=1)
        self.norms = nn.ModuleList([nn.GroupNorm(8, into), nn.GroupNorm(8, out)])
        self.told, self.around = nn.Linear(told, out), nn.Conv2d(into, out, 1)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        h = self.first(F.silu(self.norms[0](x))) + self.told(F.silu(told))[:, :, None, None]
        return self.around(x) + self.second(F.silu(self.norms[1](h)))
