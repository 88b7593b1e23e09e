"""Pictures of section 5: straight lines, the flow of their average, its reflow, and the way to one step."""

from typing import Any

import torch
from torch import Generator, Tensor

from exercises.gallery import Picture
from exercises.toolkit import two_moons
from exercises.toolkit.flows import Velocity, VelocityNet, mixture_flow
from exercises.toolkit.moons import nearer_moon
from exercises.toolkit.plots import Cloud, Drawing, Lines, Tracks
from exercises.toolkit.training import training
from exercises.toolkit.worlds import Mixture

WORLD = Mixture(
    torch.tensor([[-1.2, -0.6], [1.2, -0.6], [0.0, 1.3]]), torch.tensor([0.03, 0.06, 0.12]), torch.full((3,), 1 / 3)
)
"""Three clouds, whose flow is known: nothing has to be trained for it."""
POINTS, FEW = 2000, 80


def lines(code: Any) -> Drawing:
    data, noise = two_moons(POINTS, _rng(0)), _static(POINTS)
    times = {0.0: "t = 0: noise", 0.25: "t = 0.25", 0.5: "t = 0.5", 0.75: "t = 0.75", 1.0: "t = 1: data"}
    which = nearer_moon(data)
    panels = [
        Cloud(name, code.interpolate(noise, data, torch.full((POINTS,), t)), labels=which) for t, name in times.items()
    ]
    return Drawing("interpolate: static becomes two moons along straight lines", panels)


def steps(code: Any) -> Drawing:
    velocity, panels = mixture_flow(WORLD), []
    for name, sampler, count in (
        ("euler_sample, 1 step", code.euler_sample, 1),
        ("euler_sample, 4 steps", code.euler_sample, 4),
        ("midpoint_sample, 2 steps", code.midpoint_sample, 2),
        ("midpoint_sample, 4 steps", code.midpoint_sample, 4),
    ):
        panels.append(_by_cloud(name, sampler(velocity, _static(POINTS), count)))
    panels.append(_by_cloud("data", WORLD.sample(POINTS, _rng(2))))
    return Drawing("the exact flow to three clouds, in few steps", panels)


def partners(code: Any) -> Drawing:
    noise, data = _static(FEW), two_moons(FEW, _rng(0))
    pairs = {"as they were drawn": data, "by ot_pairing": code.ot_pairing(noise, data)}
    return Drawing("who goes where", [Tracks(name, torch.stack([noise, ends])) for name, ends in pairs.items()])


def reflow(code: Any) -> Drawing:
    flow, straight, generator = mixture_flow(WORLD), _learned(code), _rng(3)
    noise = _static(FEW)
    before, after = (float(code.straightness(velocity, noise, 50)) for velocity in (flow, straight))
    static = torch.randn(POINTS, 2, generator=generator)
    panels = [
        Tracks(f"the flow, S = {before:.2f}", _track(code, flow, noise)),
        Tracks(f"after one reflow, S = {after:.3f}", _track(code, straight, noise)),
        _by_cloud("one Euler step of the flow", code.euler_sample(flow, static, 1)),
        _by_cloud("one Euler step, reflowed", code.euler_sample(straight, static, 1)),
        _by_cloud("data", WORLD.sample(POINTS, generator)),
    ]
    return Drawing("reflow_pairs: a flow, and after one reflow", panels)


def times(code: Any) -> Drawing:
    edges, grid = torch.linspace(0, 1, 61), torch.linspace(0, 1, 101)
    drawn = {}
    for mean, std in ((0.0, 1.0), (-1.0, 1.0), (0.0, 2.0)):
        t = code.logit_normal_times(50_000, mean, std, generator=_rng(0)).detach().float()
        drawn[f"mean {mean:g}, std {std:g}"] = torch.histc(t, 60, 0, 1) * 60 / len(t)
    shifts = {f"shift {shift:g}": code.shift_times(grid, shift) for shift in (1.0, 3.0, 6.0)}
    panels = [
        Lines(
            "logit_normal_times", drawn, "t: 0 is noise, 1 is data", ylabel="density", x=(edges[1:] + edges[:-1]) / 2
        ),
        Lines("shift_times", shifts, "t", ylabel="t after the shift", x=grid, equal=True),
    ]
    return Drawing("", panels, (1.6, 1))


def boundary(code: Any) -> Drawing:
    sigma = torch.logspace(-2.69897, 1.90309, 300, dtype=torch.float64).clamp(min=0.002)
    lines = dict(zip(("c_skip", "c_out"), code.consistency_coefficients(sigma), strict=True))
    title = "consistency_coefficients: at σ_min the input comes through as it is"
    return Drawing("", [Lines(title, lines, "σ", x=sigma, scale="x", ylim=(-0.05, 1.05))])


def _by_cloud(name: str, x: Tensor) -> Cloud:
    """Points in the colours of the clouds whose centres are nearest."""
    return Cloud(name, x, labels=torch.cdist(x.detach().to(WORLD.centres), WORLD.centres).argmin(dim=1))


def _learned(code: Any) -> VelocityNet:
    """A network that learned the pairs of the exact flow in a few seconds."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = VelocityNet()
    pairs = torch.stack(code.reflow_pairs(mixture_flow(WORLD), torch.randn(8000, 2, generator=_rng(4)), 40), dim=1)

    def loss_of(generator: Generator) -> Tensor:
        noise, data = pairs[torch.randint(len(pairs), (512,), generator=generator)].unbind(1)
        return code.cfm_loss(model, noise, data, torch.rand(512, generator=generator))

    for _ in training(model, loss_of, 1000, generator=_rng(5), lr=5e-3):
        pass
    return model.requires_grad_(False)


def _track(code: Any, velocity: Velocity, noise: Tensor) -> Tensor:
    """The places that euler_sample asks about, and its end."""
    seen: list[Tensor] = []

    def spy(x: Tensor, t: Tensor) -> Tensor:
        seen.append(x.clone())
        return velocity(x, t)

    end = code.euler_sample(spy, noise, 50)
    return torch.stack([*seen, end])


def _static(count: int) -> Tensor:
    return torch.randn(count, 2, generator=_rng(1))


def _rng(seed: int) -> Generator:
    return Generator().manual_seed(seed)


PICTURES = (
    Picture("static to data along straight lines", ("interpolate",), lines),
    Picture("the flow of their average, in few steps", ("euler_sample", "midpoint_sample"), steps),
    Picture("when to look", ("logit_normal_times", "shift_times"), times),
    Picture("pairs, blind and by optimal transport", ("ot_pairing",), partners),
    Picture("reflow", ("cfm_loss", "euler_sample", "reflow_pairs", "straightness"), reflow),
    Picture("the boundary of a consistency function", ("consistency_coefficients",), boundary),
)
