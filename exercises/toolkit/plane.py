"""A small network for points of the plane, given: it learns any cloud of points at all levels of noise, in some ten seconds.

A level is told by λ = log(α/σ), x_t = α x_0 + σ ε with α² + σ² = 1, so that one network serves every clock of the course:
levels of a table, times of an SDE, σ of EDM, times of a flow. It predicts v = α ε - σ x_0 (progressive distillation,
arXiv:2202.00512, section 4), from which ε = σ x + α v and x_0 = α x - σ v come out well at every level.
"""

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from exercises.toolkit.extract import extract
from exercises.toolkit.training import training

LOWEST, HIGHEST = -4.5, 5.5
"""The λ between which it learns: from static, with 0.01 of the data in it, to noise of 0.004."""


class PlaneNet(nn.Module):
    """Three layers of `width`, and λ by waves of many lengths."""

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.logspace(-1, 1, 16))
        layers = [nn.Linear(2 + 32, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width)]
        self.net = nn.Sequential(*layers, nn.SiLU(), nn.Linear(width, 2))

    def forward(self, x: Float[Tensor, "B 2"], lam: Float[Tensor, "B"]) -> Float[Tensor, "B 2"]:
        """The guess of v at x; λ beyond the ends is taken for the end."""
        angles = lam.to(x).clamp(LOWEST, HIGHEST)[:, None] * self.frequencies
        return self.net(torch.cat([x, angles.cos(), angles.sin()], dim=1))


class AtLevels(nn.Module):
    """The network as the samplers of a table of levels call it: `model(x_t, t)` is eps."""

    def __init__(self, net: PlaneNet, alpha_bar: Float[Tensor, "T"]) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("alpha_bar", alpha_bar)

    def forward(self, x_t: Float[Tensor, "B 2"], t: Int[Tensor, "B"]) -> Float[Tensor, "B 2"]:
        a = self.alpha_bar[t]
        v = self.net(x_t, (a.log() - (1 - a).log()) / 2)
        a = extract(self.alpha_bar, t, x_t)
        return (1 - a).sqrt() * x_t + a.sqrt() * v


def learn(
    net: PlaneNet,
    data: Float[Tensor, "N 2"],
    steps: int = 1500,
    batch: int = 512,
    lr: float = 1e-2,
    *,
    generator: Generator,
) -> None:
    """Train the network in place, by the squared error of v; most often at the levels at which shapes are made."""

    def loss_of(generator: Generator) -> Tensor:
        x0 = data[torch.randint(len(data), (batch,), generator=generator)]
        lam = (1 + 1.5 * torch.randn(batch, generator=generator)).clamp(LOWEST, HIGHEST)
        noise = torch.randn(x0.shape, generator=generator)
        alpha, sigma = (torch.sigmoid(side * lam).sqrt()[:, None] for side in (2, -2))
        v = net(alpha * x0 + sigma * noise, lam)
        return (v - (alpha * noise - sigma * x0)).square().mean()

    for _ in training(net, loss_of, steps, generator=generator, lr=lr):
        pass
    net.eval()
