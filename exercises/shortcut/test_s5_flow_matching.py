"""Section 5 in the libraries that you will use: torchdiffeq, diffusers and flow_matching come to your numbers."""

from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

from exercises.toolkit.flows import mixture_flow
from exercises.toolkit.worlds import Mixture

WORLD = Mixture(
    torch.tensor([[-1.0, 0.0], [1.0, 0.5]], dtype=torch.float64),
    torch.tensor([0.1, 0.3], dtype=torch.float64),
    torch.tensor([0.4, 0.6], dtype=torch.float64),
)
"""Data whose velocity is known at all times, so that nothing has to be trained."""
STEPS = 10
FLOAT32 = {"rtol": 1e-4, "atol": 1e-5}
"""diffusers keeps its levels in float32, good to 1e-7; ten steps and slopes below 10 follow."""

Says = Callable[[str, object], None]


@pytest.fixture
def torchdiffeq():
    reason = "torchdiffeq is not installed: pip install 'torchdiffeq>=0.2.5'"
    return pytest.importorskip("torchdiffeq", reason=reason)


@pytest.fixture
def diffusers():
    return pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'diffusers>=0.30'")


@pytest.fixture
def flow_matching():
    reason = "flow_matching is not installed: pip install flow_matching"
    pytest.importorskip("flow_matching", reason=reason)
    return pytest.importorskip("flow_matching.path"), pytest.importorskip("flow_matching.solver")


def static(rng: Generator) -> Tensor:
    return torch.randn(20, 2, dtype=torch.float64, generator=rng)


def at_once(time: Tensor, x: Tensor) -> Tensor:
    """The world's velocity at one time for the whole batch, time first, as solvers of ODEs want it."""
    return mixture_flow(WORLD)(x, time.to(x).expand(len(x)))


@pytest.mark.needs("euler_sample", "midpoint_sample")
def test_torchdiffeqs_fixed_steps_are_your_samplers(code, rng: Generator, torchdiffeq, record_property: Says) -> None:
    noise, grid = static(rng), torch.linspace(0, 1, STEPS + 1, dtype=torch.float64)
    for method in ("euler", "midpoint"):
        theirs = torchdiffeq.odeint(at_once, noise, grid, method=method)[-1]
        yours = getattr(code, f"{method}_sample")(mixture_flow(WORLD), noise, STEPS)
        torch.testing.assert_close(yours, theirs)
    record_property("says", "torchdiffeq.odeint with euler and midpoint gives the numbers of your two samplers")


@pytest.mark.needs("euler_sample")
def test_diffusers_flow_scheduler_is_your_euler_sampler(code, rng: Generator, diffusers, record_property: Says) -> None:
    """There noise is at σ = 1 and data at σ = 0: its σ is 1 - t, and its velocity noise - data."""
    made = diffusers.FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000)
    made.set_timesteps(sigmas=[1 - step / STEPS for step in range(STEPS)])
    noise = static(rng)
    theirs = noise.float()
    for sigma, timestep in zip(made.sigmas, made.timesteps, strict=False):  # a last σ = 0 follows
        torch.testing.assert_close(timestep, 1000 * sigma)
        towards_noise = -at_once(1 - sigma.double(), theirs.double()).float()
        theirs = made.step(towards_noise, timestep, theirs).prev_sample
    yours = code.euler_sample(mixture_flow(WORLD), noise, STEPS)
    torch.testing.assert_close(yours.float(), theirs, **FLOAT32)
    record_property("says", "diffusers.FlowMatchEulerDiscreteScheduler, time turned round, gives the samples of your euler_sample")  # fmt: skip


@pytest.mark.needs("shift_times")
def test_diffusers_shift_is_your_shift_times(code, diffusers, record_property: Says) -> None:
    t = torch.linspace(0, 0.95, 20, dtype=torch.float64)
    for shift in (0.5, 1.0, 3.0, 6.0):
        made = diffusers.FlowMatchEulerDiscreteScheduler(shift=shift)
        made.set_timesteps(sigmas=(1 - t).tolist())
        torch.testing.assert_close(1 - code.shift_times(t, shift).float(), made.sigmas[:-1], **FLOAT32)
    record_property("says", "the shift of diffusers' flow scheduler is your shift_times, seen from the other end")


@pytest.mark.needs("interpolate")
def test_diffusers_scale_noise_is_interpolate(code, rng: Generator, diffusers, record_property: Says) -> None:
    made = diffusers.FlowMatchEulerDiscreteScheduler()
    noise, data = torch.randn(2, 6, 3, 4, generator=rng)
    levels = torch.tensor([0, 1, 250, 499, 900, 999])
    theirs = made.scale_noise(data, made.timesteps[levels], noise)
    torch.testing.assert_close(code.interpolate(noise, data, 1 - made.sigmas[levels]), theirs, **FLOAT32)
    record_property("says", "scale_noise of diffusers' flow scheduler gives the numbers of your interpolate, at 1 - σ")


@pytest.mark.needs("interpolate", "target_velocity", "velocity_to_data", "velocity_to_eps")
def test_its_path_is_your_line(code, rng: Generator, flow_matching, record_property: Says) -> None:
    path = flow_matching[0].CondOTProbPath()
    noise, data = torch.randn(2, 5, 3, 4, dtype=torch.float64, generator=rng)
    t = torch.tensor([0.1, 0.25, 0.5, 0.7, 0.9], dtype=torch.float64)
    theirs = path.sample(x_0=noise, x_1=data, t=t)
    torch.testing.assert_close(code.interpolate(noise, data, t), theirs.x_t)
    torch.testing.assert_close(code.target_velocity(noise, data), theirs.dx_t)
    shaped = t[:, None, None]
    for convert, name in (("velocity_to_data", "velocity_to_target"), ("velocity_to_eps", "velocity_to_epsilon")):
        yours = getattr(code, convert)(theirs.dx_t, theirs.x_t, t)
        torch.testing.assert_close(yours, getattr(path, name)(theirs.dx_t, theirs.x_t, shaped))
    record_property("says", "flow_matching.path.CondOTProbPath is your interpolate and target_velocity, its conversions are yours")  # fmt: skip


@pytest.mark.needs("euler_sample", "midpoint_sample")
def test_its_solver_is_your_samplers(code, rng: Generator, flow_matching, record_property: Says) -> None:
    solver, noise = flow_matching[1].ODESolver(lambda x, t: at_once(t, x)), static(rng)
    for method in ("euler", "midpoint"):
        theirs = solver.sample(noise, step_size=1 / STEPS, method=method)
        yours = getattr(code, f"{method}_sample")(mixture_flow(WORLD), noise, STEPS)
        torch.testing.assert_close(yours, theirs, rtol=1e-6, atol=1e-6)  # its grid of times is float32
    record_property("says", "flow_matching.solver.ODESolver with euler and midpoint gives the numbers of your two samplers")  # fmt: skip
