"""Pictures of section 3: noise in continuous time, two ways back, and what the ODE knows besides."""

from collections.abc import Callable
from typing import Any

import torch
from matplotlib.figure import FigureBase
from torch import Generator, Tensor

from exercises.gallery import Picture
from exercises.toolkit import plots
from exercises.toolkit.worlds import Mixture

WORLD = Mixture(
    torch.tensor([[-1.2, -0.6], [1.2, -0.6], [0.0, 1.3]]), torch.tensor([0.03, 0.06, 0.12]), torch.full((3,), 1 / 3)
)
"""Three clouds, whose score is known: nothing has to be trained."""
POINTS = 1500


def marginals(code: Any, on: FigureBase) -> None:
    t, like = torch.linspace(0.002, 1, 200), torch.zeros(200, 1)
    lines = {}
    for name, sde in (("VP", code.VPSDE()), ("VE, up to σ = 2", code.VESDE(0.01, 2.0))):
        mean_coef, std = sde.marginal(t, like)
        lines |= {f"{name}: mean_coef": mean_coef.flatten(), f"{name}: std": std.flatten()}
    plots.curves(lines, "t, in 200ths", "how much data is left, and how much noise has come", on)


def both_ways(code: Any, on: FigureBase) -> None:
    sde, static = code.VPSDE(), torch.randn(POINTS, 2, generator=Generator().manual_seed(0))
    score = _exact_score(sde)
    walked = code.euler_maruyama(sde, score, static, 200, generator=Generator().manual_seed(1))
    panels = {"static": static, "SDE": walked, "ODE": code.ode_sample(sde, score, static, 50)}
    plots.points(panels | {"data": WORLD.sample(POINTS, Generator().manual_seed(2))}, "two ways back", on)


def likelihood(code: Any, on: FigureBase) -> None:
    side = torch.linspace(-2.5, 2.5, 60)
    places = torch.cartesian_prod(side, side)
    sde = code.VPSDE()
    weighed = [
        code.log_likelihood(sde, _exact_score(sde), places, 100, torch.tensor(probe).expand(places.shape), t_start=1e-3)
        for probe in ([1.0, -1.0], [1.0, 1.0])  # in the plane the mean of these two estimates is the trace itself
    ]
    density = torch.stack(weighed).detach().mean(dim=0).exp()
    plots.image(density.reshape(60, 60).T, "x", "y", "log_likelihood: the density of three clouds", on)


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
