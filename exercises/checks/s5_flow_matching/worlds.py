"""Worlds in which flow and consistency function are known: both ends normal, or data that is.

With noise ~ N(0, 1) at t = 0 and data ~ N(mean, std²) at t = 1, independent of each other, x_t on straight lines is normal
with mean t mean and variance t² std² + (1-t)², and the velocity that all lines through x_t have on average is

    v(x, t) = mean + (t std² - (1-t)) / (t² std² + (1-t)²) (x - t mean).

The flow along v carries x_0 to mean + std x_0.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from exercises.checks.s5_flow_matching.batches import column


@dataclass(frozen=True)
class Ends:
    """Data from N(mean, std²) in every element, noise from N(0, 1)."""

    mean: float = 0.7
    std: float = 0.5

    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        """E[data - noise | x_t]."""
        t = column(t, x)
        return self.mean + self.rate(t) * (x - t * self.mean)

    def rate(self, t):
        return (t * self.std**2 - (1 - t)) / (t**2 * self.std**2 + (1 - t) ** 2)

    def flow(self, noise: Tensor) -> Tensor:
        """Where the flow ends that begins at noise."""
        return self.mean + self.std * noise

    def euler(self, steps: int) -> float:
        """What so many steps of Euler's multiply noise by: each multiplies the offset from the mean by 1 + rate / steps."""
        scale = 1.0
        for step in range(steps):
            scale *= 1 + self.rate(step / steps) / steps
        return scale

    def denoised(self, x: Tensor, sigma: Tensor) -> Tensor:
        """E[data | x = data + sigma noise]: the best teacher."""
        share = self.std**2 / (self.std**2 + column(sigma, x) ** 2)
        return self.mean + share * (x - self.mean)

    def jump(self, x: Tensor, sigma: Tensor, sigma_min: float) -> Tensor:
        """The exact consistency function: the ODE dx/dσ = (x - D(x, σ)) / σ from level sigma to sigma_min."""
        scale = torch.sqrt((self.std**2 + sigma_min**2) / (self.std**2 + column(sigma, x) ** 2))
        return self.mean + scale * (x - self.mean)
