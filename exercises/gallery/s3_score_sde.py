"""Pictures of section 3: noise in continuous time, two ways back, and what the ODE knows besides."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor

from exercises.gallery import Picture
from exercises.toolkit.plots import Cloud, Drawing, Heat, Lines
from exercises.toolkit.worlds import Mixture

WORLD = Mixture(
    torch.tensor([[-1.2, -0.6], [1.2, -0.6], [0.0, 1.3]]), torch.tensor([0.03, 0.06, 0.12]), torch.full((3,), 1 / 3)
)
"""Three clouds, whose score is known: nothing has to be trained."""
POINTS = 1500


def marginals(code: Any) -> Drawing:
    t, like = torch.linspace(0.002, 1, 200), torch.zeros(200, 1)
    panels = []
    for name, sde in (("VP", code.VPSDE()), ("VE, up to σ = 2", code.VESDE(0.01, 2.0))):
        mean_coef, std = sde.marginal(t, like)
        lines = {"mean_coef": mean_coef.flatten(), "std": std.flatten()}
        panels.append(Lines(name, lines, "t", x=t))
    return Drawing("marginal: how much data is left, and how much noise has come", panels)


def both_ways(code: Any) -> Drawing:
    sde, static = code.VPSDE(), torch.randn(POINTS, 2, generator=Generator().manual_seed(0))
    score, data = _exact_score(sde), WORLD.sample(POINTS, Generator().manual_seed(2))
    walked = code.euler_maruyama(sde, score, static, 200, generator=Generator().manual_seed(1))
    ends = {"by the SDE, 200 steps": walked, "by the ODE, 50 steps": code.ode_sample(sde, score, static, 50)}
    panels = [Cloud("static", static, labels=nearest_cloud(static))]
    panels += [Cloud(name, x, labels=nearest_cloud(x)) for name, x in (ends | {"data": data}).items()]
    return Drawing("two ways back", panels)


def likelihood(code: Any) -> Drawing:
    side = torch.linspace(-2.5, 2.5, 45)
    places = torch.cartesian_prod(side, side)
    sde = code.VPSDE()
    weighed = [
        code.log_likelihood(sde, _exact_score(sde), places, 100, torch.tensor(probe).expand(places.shape), t_start=1e-3)
        for probe in ([1.0, -1.0], [1.0, 1.0])  # in the plane the mean of these two estimates is the trace itself
    ]
    density = torch.stack(weighed).detach().mean(dim=0).exp().reshape(45, 45).T
    exact = WORLD.log_density(places, torch.zeros(len(places)).long(), torch.ones(1)).exp().reshape(45, 45).T
    kept = {"span": (-2.5, 2.5, -2.5, 2.5), "plane": True}
    panels = [Heat("exp of log_likelihood", density, "x", "y", unit="density", **kept)]
    return Drawing("", [*panels, Heat("the density itself", exact, "x", "y", unit="density", **kept)])


def nearest_cloud(x: Tensor) -> Tensor:
    """The cloud whose centre is nearest to each point."""
    return torch.cdist(x.detach().to(WORLD.centres), WORLD.centres).argmin(dim=1)


def _exact_score(sde: Any) -> Callable[[Tensor, Tensor], Tensor]:
    def score(x: Tensor, t: Tensor) -> Tensor:
        mean_coef, _ = sde.marginal(t, x)
        return WORLD.score(x, torch.arange(len(x)), mean_coef.flatten().square())

    return score


PICTURES = (
    Picture("the two marginals", ("VPSDE", "VESDE"), marginals),
    Picture("static to data by SDE and by ODE", ("VPSDE", "euler_maruyama", "ode_sample"), both_ways),
    Picture("what the ODE knows of a density", ("VPSDE", "log_likelihood"), likelihood),
)
