"""Section 3 in the library that you will use: torchdiffeq integrates your ODE and comes to your numbers."""

from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

from exercises.toolkit.worlds import Mixture

WORLD = Mixture(
    torch.tensor([[-1.0, 0.0], [1.0, 0.5]], dtype=torch.float64),
    torch.tensor([0.1, 0.3], dtype=torch.float64),
    torch.tensor([0.4, 0.6], dtype=torch.float64),
)
"""Data whose score is known at all times, so that nothing has to be trained."""


@pytest.fixture
def torchdiffeq():
    reason = "torchdiffeq is not installed: pip install 'torchdiffeq>=0.2.5'"
    return pytest.importorskip("torchdiffeq", reason=reason)


def score_model(sde) -> Callable[[Tensor, Tensor], Tensor]:
    """The world's exact score under a variance-preserving sde: a level is its ᾱ = mean_coef²."""

    def score(x: Tensor, t: Tensor) -> Tensor:
        mean_coef, _ = sde.marginal(t, x)
        return WORLD.score(x, torch.arange(len(x)), mean_coef.flatten().square())

    return score


def velocity(code, sde) -> Callable[[Tensor, Tensor], Tensor]:
    """What the library integrates: your drift, at one time for the whole batch."""
    score = score_model(sde)

    def at(time: Tensor, x: Tensor) -> Tensor:
        t = time.expand(len(x))
        return code.probability_flow_drift(sde, score(x, t), x, t)

    return at


@pytest.mark.needs("VPSDE", "probability_flow_drift", "ode_sample")
def test_heun2_is_ode_sample(code, rng: Generator, torchdiffeq, record_property: Callable[[str, object], None]) -> None:
    sde, x_T = code.VPSDE(), torch.randn(20, 2, dtype=torch.float64, generator=rng)
    grid = torch.linspace(1, 1e-3, 31, dtype=torch.float64)
    theirs = torchdiffeq.odeint(velocity(code, sde), x_T, grid, method="heun2")[-1]
    torch.testing.assert_close(code.ode_sample(sde, score_model(sde), x_T, 30), theirs)
    record_property("says", "torchdiffeq.odeint with heun2 gives the numbers of your ode_sample")


@pytest.mark.needs("VPSDE", "probability_flow_drift", "log_likelihood")
def test_an_adaptive_solver_comes_to_your_log_likelihood(
    code, rng: Generator, torchdiffeq, record_property: Callable[[str, object], None]
) -> None:
    """In two dimensions the exact divergence is two derivatives; here it is the probe's, as in yours."""
    sde, x = code.VPSDE(), WORLD.sample(8, rng)
    probe = torch.randint(0, 2, x.shape, generator=rng).double() * 2 - 1
    field = velocity(code, sde)

    def rates(time: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return field(time, state[0]), code.hutchinson_divergence(lambda y: field(time, y), state[0], probe)

    times = torch.tensor([1e-5, 1.0], dtype=torch.float64)
    with torch.no_grad():
        path, gain = torchdiffeq.odeint(rates, (x, x.new_zeros(len(x))), times, rtol=1e-8, atol=1e-8)
    _, std = sde.marginal(torch.ones(len(x), dtype=x.dtype), x)
    theirs = torch.distributions.Normal(0, std).log_prob(path[-1]).sum(1) + gain[-1]
    yours = code.log_likelihood(sde, score_model(sde), x, 500, probe)
    torch.testing.assert_close(yours.detach(), theirs, rtol=0.0, atol=1e-2)  # 500 steps of order 2, on a stiff end
    record_property("says", "torchdiffeq's adaptive solver comes to the log-likelihood that your function gives")
