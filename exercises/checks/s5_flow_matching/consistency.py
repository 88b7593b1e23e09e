"""Networks, teachers and formulas of consistency models, written out once, in plain tensors."""

import torch
from torch import Generator, Tensor

from exercises.checks.s5_flow_matching.batches import Batch, column, levels, make
from exercises.checks.s5_flow_matching.models import Model
from exercises.checks.s5_flow_matching.worlds import Ends

FUNCTION = "f(x, σ) = c_skip x + c_out F(c_in x, c_noise), c_in = 1 / √(σ² + σ_data²), c_noise = ln(σ) / 4"
PARAMETERS = ((0.5, 0.002), (1.3, 0.1))
"""(sigma_data, sigma_min), the defaults first."""
SHAPES = (
    ((2, 3), "contiguous"),
    ((3, 3, 3), "strided"),
    ((1, 2, 2), "contiguous"),
    ((3, 2, 3, 4), "expanded"),
    ((2, 2, 2, 3, 1), "contiguous"),
)
"""Of data, each with how it lies in memory."""


class Network(Model):
    """A network F: no straight line in what it sees, of x or of the level."""

    def formula(self, x: Tensor, t: Tensor) -> Tensor:
        """Weight sin(2 x) + bias (1 + t) x + t."""
        return self.weight * torch.sin(2 * x) + self.bias * (1 + t) * x + t


class Teacher(Model):
    """A denoiser D(x, sigma): no straight line in either."""

    def formula(self, x: Tensor, t: Tensor) -> Tensor:
        """(weight x + bias sin(x)) / (1 + sigma²)."""
        return (self.weight * x + self.bias * torch.sin(x)) / (1 + t**2)


class Quiet(Network):
    """The network of the exact consistency function of normal data: F is what c_skip x leaves to be said."""

    def __init__(self, world: Ends, sigma_data: float, sigma_min: float) -> None:
        super().__init__()
        self.world, self.sigma_data, self.sigma_min = world, sigma_data, sigma_min

    def formula(self, x: Tensor, t: Tensor) -> Tensor:
        sigma = torch.exp(4 * t)
        c_skip, c_out, c_in = coefficients(sigma, self.sigma_data, self.sigma_min)
        x = x / c_in
        return (self.world.jump(x, sigma.flatten(), self.sigma_min) - c_skip * x) / c_out + 0 * (
            self.weight + self.bias
        )


def coefficients(sigma: Tensor, sigma_data: float, sigma_min: float) -> tuple[Tensor, Tensor, Tensor]:
    """(c_skip, c_out, c_in), of sigma's shape."""
    above, both = sigma - sigma_min, sigma**2 + sigma_data**2
    return 1 / (1 + (above / sigma_data) ** 2), sigma_data * above * both**-0.5, both**-0.5


def jump(network: Model, x: Tensor, sigma: Tensor, sigma_data: float = 0.5, sigma_min: float = 0.002) -> Tensor:
    """The consistency function of a network's formula, unnoticed by it, with the gradient."""
    c_skip, c_out, c_in = coefficients(column(sigma, x), sigma_data, sigma_min)
    return c_skip * x + c_out * network.formula(c_in * x, column(sigma, x).log() / 4)


def seen(x: Tensor, sigma: Tensor, sigma_data: float) -> Tensor:
    """What a network sees of x: c_in x."""
    return coefficients(column(sigma, x), sigma_data, 0.0)[2] * x


def pairs(
    generator: Generator, shape: tuple[int, ...], low: float, layout: str = "contiguous"
) -> tuple[Batch, Tensor, Tensor]:
    """A batch with a lower and a higher level for each sample, from `low` on."""
    batch = make(shape, generator, layout)
    sigma_lo = levels(shape[0], generator, low, 2.0)
    return batch, sigma_lo, sigma_lo * (1.2 + levels(shape[0], generator, 0.1, 2.0))
