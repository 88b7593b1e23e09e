"""The reward of section 3: a network learns the score of two moons; SDE and ODE draw them, and the ODE weighs them.

It takes about ten seconds, needs no GPU, gives no points, and leaves pictures/s3_end_to_end.png.
"""

import time
from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor, nn

from exercises.toolkit import sliced_wasserstein, two_moons, two_moons_log_density
from exercises.toolkit.moons import nearer_moon
from exercises.toolkit.plots import points, save
from exercises.toolkit.training import training
from grader.course import ROOT

POINTS = 2000
STEPS, BATCH, LR = 1200, 512, 5e-3
PATIENCE = 120
"""Seconds of training, at most; the reference takes three to ten."""
RARE = -3.0
"""Log density, in nats, below which 3 of 100 points of the data lie: a sample there is off the moons."""
OFF = 0.15
"""Largest share of samples off the moons. The reference has 0.058 to 0.076 by SDE and 0.067 to 0.075 by ODE (seeds 0 to 2); of the data
0.03 is off, of static 0.78."""
NEAR = 0.17
"""Sliced W2 to fresh data, which hardly sees what lies between the moons. The reference reaches 0.027 to 0.058 by either
sampler (seeds 0 to 2); two sets of fresh data are
0.02 to 0.04 apart, and static is at 0.28."""
GAP = 0.5
"""Nats between the moons' true log density and the model's, on average. The reference comes to 0.03 to 0.24 (seeds 0
to 2), most of it the network's. Static's own density is 1.7 below the moons', which is what forgetting the divergence would give."""


def off(x: Tensor) -> float:
    """The share of points where the data is hardly ever, by its exact density."""
    return (two_moons_log_density(x.detach().double()) < RARE).double().mean().item()


class ScoreNet(nn.Module):
    """A small network that guesses v = mean_coef ε - std x_0, of which a variance-preserving SDE makes the noise, seen as a score."""

    def __init__(self, code, sde) -> None:
        super().__init__()
        self.code, self.sde = code, sde
        self.register_buffer("frequencies", torch.logspace(-1, 1, 16))
        layers = [nn.Linear(2 + 32, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU()]
        self.net = nn.Sequential(*layers, nn.Linear(128, 2))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        mean_coef, std = self.sde.marginal(t, x)
        angles = std.log() * self.frequencies  # the level of the noise is what the network must know, not t
        v = self.net(
            torch.cat([4 * x, angles.cos(), angles.sin()], dim=1)
        )  # 4: a first layer bends too far out for points of size 1
        return self.code.score_from_eps(std * x + mean_coef * v, std)


@pytest.mark.end_to_end
@pytest.mark.needs("VPSDE", "score_from_eps", "dsm_loss", "euler_maruyama", "ode_sample", "log_likelihood")
def test_sde_and_ode_draw_two_moons_and_weigh_them(code, record_property: Callable[[str, object], None]) -> None:
    generator = Generator().manual_seed(0)
    torch.manual_seed(0)
    sde, data = code.VPSDE(), two_moons(4 * POINTS, generator)
    model = ScoreNet(code, sde)

    def loss_of(generator: Generator) -> Tensor:
        x0 = data[torch.randint(len(data), (BATCH,), generator=generator)]
        t = 1e-3 + (1 - 1e-3) * torch.rand(BATCH, generator=generator) ** 3  # most often where shapes are made
        return code.dsm_loss(model, x0, t, torch.randn(x0.shape, generator=generator), sde)

    began = time.process_time()
    for step, _ in training(model, loss_of, STEPS, generator=generator, lr=LR):
        if step == 5:  # the first steps of a process are slow
            began = time.process_time()
        if step == 25 and (needed := (time.process_time() - began) / 20 * STEPS) > PATIENCE:
            pytest.skip(f"training would take {needed:.0f} seconds: does something loop over the samples of a batch?")

    static, fresh = torch.randn(POINTS, 2, generator=generator), two_moons(POINTS, generator)
    walked = code.euler_maruyama(sde, model, static, 300, generator=generator)
    flowed = code.ode_sample(sde, model, static, 60)
    held_out = fresh[:500]
    probe = torch.randint(0, 2, held_out.shape, generator=generator) * 2.0 - 1
    weighed = code.log_likelihood(sde, model, held_out, 200, probe, t_start=1e-3).detach()
    gap = (two_moons_log_density(held_out.double()) - weighed).mean().item()

    by_sde, by_ode = (sliced_wasserstein(x, fresh, generator=Generator().manual_seed(1)) for x in (walked, flowed))
    sets = {"data": fresh, "static": static, "by the SDE": walked.detach(), "by the ODE": flowed.detach()}
    panels = {f"{name}\n{off(x):.1%} off": x for name, x in sets.items()}
    ends = (fresh, flowed, walked, flowed)  # the ODE tells where a point of the static ends
    labels = dict(zip(panels, map(nearer_moon, ends), strict=True))
    title = f"off: the share of points where the data is hardly ever; log-likelihood {gap:.2f} nats below the truth"
    picture = save(points(panels, title, labels=labels), ROOT / "pictures" / "s3_end_to_end.png")
    picture = picture.relative_to(ROOT).as_posix()
    lost = off(walked), off(flowed)
    record_property(
        "says",
        f"off the moons: {lost[0]:.1%} by SDE, {lost[1]:.1%} by ODE ({off(fresh):.1%} of the data); sliced W2 {by_sde:.3f} and "
        f"{by_ode:.3f}; log p {gap:.2f} nats below the truth; see {picture}",
    )
    assert max(lost) < OFF, f"{lost[0]:.1%} (SDE) and {lost[1]:.1%} (ODE) of the points are off the moons, not under {OFF:.0%}, see {picture}"  # fmt: skip
    assert max(by_sde, by_ode) < NEAR, f"the drawn points are {by_sde:.3f} (SDE) and {by_ode:.3f} (ODE) from the moons, not under {NEAR}, see {picture}"  # fmt: skip
    assert abs(gap) < GAP, f"log_likelihood is {gap:.2f} nats below the true log density of the moons, not within {GAP}"
