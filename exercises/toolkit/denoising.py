"""How the reward of section 1 is trained and judged: a network of the learner's own, two moons, and the share of samples off them."""

import math
import time
from typing import Any

import torch
from torch import Generator, Tensor, nn

from exercises.toolkit.latents import TooSlowError
from exercises.toolkit.moons import two_moons, two_moons_log_density

BETAS = torch.logspace(math.log10(5e-4), math.log10(0.45), 100)
"""T = 100 levels that end at ᾱ = 4e-4, static for the eye. Geometric, as the moons are thin: 0.06 across."""
POINTS = 4000
RARE = -3.0
"""Log density, in nats, below which 3 of 100 points of the data lie: a sample there is off the moons."""
STAGES = ((600, 8e-3), (500, 2e-3), (200, 2e-4))
"""Steps and learning rate: large steps to find the moons, small ones to settle."""
BATCH = 512
PATIENCE = 120
"""Seconds of training, at most; the reference takes five on a quiet core."""
WAVES = (1.5, 3.0, 6.0, 12.0)
"""In radians a unit of length: the longest wave is wider than the moons, the shortest shows how thin they are."""
FEATURES = 2 + 2 * 2 * len(WAVES)
"""Numbers that tell the network where a point is."""


class AroundNetwork(nn.Module):
    """A network of `FEATURES` numbers, asked for what any network finds easy: the point in waves goes in, and v comes out.

    v = √ᾱ ε - √(1-ᾱ) x_0, so ε = √(1-ᾱ) x_t + √ᾱ v (arXiv:2202.00512, section 4): where noise is nearly all of x_t, the network
    need not repeat it. And networks are slow to learn what is thin; sines and cosines of a point show it to them (Fourier
    features, arXiv:2006.10739). All is scaled to several times the size of 1, so that a first layer bends, as it is initialised, the
    wider its embedding the more, and the levels, of which there are 100, to three times.
    """

    def __init__(self, network: nn.Module, alpha_bar: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("alpha_bar", alpha_bar)

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        a = self.alpha_bar[t][:, None]
        waves = [4 * wave(rate * x_t) for rate in WAVES for wave in (torch.sin, torch.cos)]
        v = self.network(torch.cat([6 * x_t, *waves], dim=1), 3 * t)[:, :2]
        return (1 - a).sqrt() * x_t + a.sqrt() * v


def off(x: Tensor) -> float:
    """The share of points where the data is hardly ever, by its exact density."""
    return (two_moons_log_density(x.double()) < RARE).double().mean().item()


def moons_from_static(code: Any, seed: int = 0, patience: float = PATIENCE) -> dict[str, Tensor]:
    """Train the code's network, and let its sampler draw: data, static, and what becomes of that, each under its name.

    Raises:
        TooSlowError: the training would take more than `patience` seconds of the processor, whatever else runs.
    """
    torch.manual_seed(seed)
    generator = Generator().manual_seed(seed)
    alpha_bar = code.compute_alpha_bar(BETAS)
    model, data = AroundNetwork(code.TinyDenoiser(FEATURES), alpha_bar), two_moons(2 * POINTS, generator)

    def train(steps: int, lr: float) -> None:
        code.train_denoiser(model, data, alpha_bar, steps, batch_size=BATCH, lr=lr, generator=generator)

    train(1, STAGES[0][1])  # the first step brings in what an optimizer needs, and costs as much as all the others
    began = time.process_time()
    train(20, STAGES[0][1])
    if (needed := (time.process_time() - began) / 20 * sum(steps for steps, _ in STAGES)) > patience:
        raise TooSlowError(
            f"training would take {needed:.0f} seconds: does something loop over the samples of a batch?"
        )
    for steps, lr in STAGES:
        train(steps, lr)

    static = torch.randn(POINTS, 2, generator=generator)
    samples = code.sample(model, static, BETAS, generator=generator)
    return {"data": two_moons(POINTS, generator), "static": static, "drawn by your sampler": samples.detach()}
