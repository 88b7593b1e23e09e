"""The reward of section 3: a network learns the score of two moons; SDE and ODE draw them, and the ODE weighs them.

It takes about ten seconds, needs no GPU, gives no points, and leaves pictures/s3_end_to_end.png.
"""

import time
from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor, nn

from exercises.toolkit import sliced_wasserstein, two_moons, two_moons_log_density
from exercises.toolkit.plots import points, save
from exercises.toolkit.training import training
from grader.course import ROOT

POINTS = 4000
STEPS, BATCH, LR = 1200, 512, 1e-2
PATIENCE = 120
"""Seconds of training, at most; the reference takes three to ten."""
NEAR = 0.17
"""Sliced W2 to fresh data. The reference reaches 0.04 to 0.08 by either sampler (ten seeds); two sets of fresh data are
0.02 to 0.03 apart, and static is at 0.28."""
GAP = 1.2
"""Nats between the moons' true log density and the model's, on average. The reference comes to 0.3 to 0.7, most of it
the network's. Static's own density is 1.7 below the moons', which is what forgetting the divergence would give."""


class ScoreNet(nn.Module):
    """A small network that guesses the noise, seen as a score."""

    def __init__(self, code, sde) -> None:
        super().__init__()
        self.code, self.sde = code, sde
        self.register_buffer("frequencies", torch.logspace(-1, 1, 16))
        layers = [nn.Linear(2 + 32, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU()]
        self.net = nn.Sequential(*layers, nn.Linear(128, 2))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        _, std = self.sde.marginal(t, x)
        angles = std.log() * self.frequencies  # the level of the noise is what the network must know, not t
        eps = self.net(torch.cat([x, angles.cos(), angles.sin()], dim=1))
        return self.code.score_from_eps(eps, std)


@pytest.mark.end_to_end
@pytest.mark.needs("VPSDE", "score_from_eps", "dsm_loss", "euler_maruyama", "ode_sample", "log_likelihood")
def test_sde_and_ode_draw_two_moons_and_weigh_them(code, record_property: Callable[[str, object], None]) -> None:
    generator = Generator().manual_seed(0)
    torch.manual_seed(0)
    sde, data = code.VPSDE(), two_moons(2 * POINTS, generator)
    model = ScoreNet(code, sde)

    def loss_of(generator: Generator) -> Tensor:
        x0 = data[torch.randint(len(data), (BATCH,), generator=generator)]
        t = 1e-3 + (1 - 1e-3) * torch.rand(BATCH, generator=generator)
        return code.dsm_loss(model, x0, t, torch.randn(x0.shape, generator=generator), sde)

    began = time.monotonic()
    for step, _ in training(model, loss_of, STEPS, generator=generator, lr=LR):
        if step == 5:  # the first steps of a process are slow
            began = time.monotonic()
        if step == 25 and (needed := (time.monotonic() - began) / 20 * STEPS) > PATIENCE:
            pytest.skip(f"training would take {needed:.0f} seconds: does something loop over the samples of a batch?")

    static, fresh = torch.randn(POINTS, 2, generator=generator), two_moons(POINTS, generator)
    walked = code.euler_maruyama(sde, model, static, 300, generator=generator)
    flowed = code.ode_sample(sde, model, static, 60)
    held_out = fresh[:500]
    probe = torch.randint(0, 2, held_out.shape, generator=generator) * 2.0 - 1
    weighed = code.log_likelihood(sde, model, held_out, 200, probe, t_start=1e-3).detach()
    gap = (two_moons_log_density(held_out.double()) - weighed).mean().item()

    by_sde, by_ode = (sliced_wasserstein(x, fresh, generator=Generator().manual_seed(1)) for x in (walked, flowed))
    panels = {"static": static, f"SDE: {by_sde:.3f}": walked, f"ODE: {by_ode:.3f}": flowed, "data": fresh}
    title = f"sliced W2 to the data; log-likelihood {gap:.2f} nats below the truth"
    picture = save(points(panels, title), ROOT / "pictures" / "s3_end_to_end.png").relative_to(ROOT).as_posix()
    record_property("says", f"sliced W2 to the moons: {by_sde:.3f} by SDE, {by_ode:.3f} by ODE, log p {gap:.2f} nats below the truth; see {picture}")  # fmt: skip
    assert max(by_sde, by_ode) < NEAR, f"the drawn points are {by_sde:.3f} (SDE) and {by_ode:.3f} (ODE) from the moons, not under {NEAR}, see {picture}"  # fmt: skip
    assert abs(gap) < GAP, f"log_likelihood is {gap:.2f} nats below the true log density of the moons, not within {GAP}"
