"""Pictures of section 4: what the number of steps does, and what a student makes of it."""

import copy
from typing import Any

import torch
from torch import Generator, Tensor

from exercises.gallery import Picture
from exercises.toolkit import beaded_moons
from exercises.toolkit.moons import nearer_moon
from exercises.toolkit.plane import AtLevels, PlaneNet, learn
from exercises.toolkit.plots import Cloud, Drawing, Lines

T = 1000
ALPHA_BAR = torch.cumprod(1 - torch.linspace(1e-4, 0.02, T, dtype=torch.float64), dim=0)
MOONS = beaded_moons()
"""Two moons whose score is known: nothing has to be trained but for the student."""
OFF = -4.0
"""A sample is off the moons where their log density is below this, as it is for 1 in 100 of the data."""
POINTS = 1500


def model(x: Tensor, t: Tensor) -> Tensor:
    return MOONS.eps(x, t, ALPHA_BAR)


def static() -> Tensor:
    return torch.randn(POINTS, 2, generator=Generator().manual_seed(0))


def counted(name: str, x: Tensor) -> Cloud:
    """Samples, and the share of them that is off the moons."""
    density = MOONS.log_density(x.double(), torch.zeros(len(x)).long(), torch.ones(1).double())
    return Cloud(f"{name}\n{(density < OFF).double().mean().item():.1%} off", x, labels=nearer_moon(x))


def steps(code: Any) -> Drawing:
    drawn = {n: code.ddim_sample(model, static(), ALPHA_BAR, n) for n in (2, 5, 10, 20, 50)}
    return Drawing("ddim_sample, by calls of the model", [counted(f"{n} calls", x) for n, x in drawn.items()])


def solver(code: Any) -> Drawing:
    drawn = {n: code.dpmpp_2m_sample(model, static(), ALPHA_BAR, n) for n in (2, 5, 10, 20, 50)}
    return Drawing("dpmpp_2m_sample, by calls of the model", [counted(f"{n} calls", x) for n, x in drawn.items()])


def chance(code: Any) -> Drawing:
    drawn = {
        eta: code.ddim_sample(model, static(), ALPHA_BAR, 20, eta, Generator().manual_seed(1))
        for eta in (0.0, 0.25, 0.5, 0.75, 1.0)
    }
    title = "ddim_sample: 20 calls, with more and more fresh noise"
    return Drawing(title, [counted(f"η = {eta:g}", x) for eta, x in drawn.items()])


def there_and_back(code: Any) -> Drawing:
    data = MOONS.sample(POINTS, Generator().manual_seed(2)).float()
    up = code.ddim_invert(model, data, ALPHA_BAR, 50)
    back, which = code.ddim_sample(model, up, ALPHA_BAR, 50), nearer_moon(data)
    panels = [Cloud(name, x, labels=which) for name, x in {"data": data, "its static": up, "and back": back}.items()]
    return Drawing("ddim_invert: 50 calls up, 50 down", panels)


def levels(code: Any) -> Drawing:
    lines = {f"ρ = {rho:g}": code.karras_sigmas(18, rho=rho)[:-1] for rho in (1.0, 3.0, 7.0, 20.0)}
    return Drawing("", [Lines("karras_sigmas: 18 levels", lines, "level", ylabel="σ", scale="y")])


def student(code: Any) -> Drawing:
    torch.manual_seed(0)
    generator = Generator().manual_seed(0)
    data, net = MOONS.sample(20_000, generator).float(), PlaneNet()
    learn(net, data, 800, generator=generator)
    teacher = AtLevels(net, ALPHA_BAR)
    taught = copy.deepcopy(teacher)
    code.distill(teacher, taught, data, ALPHA_BAR, 8, 500, batch_size=512, generator=generator)
    with torch.no_grad():
        drawn = {f"teacher, {n} steps": code.ddim_sample(teacher, static(), ALPHA_BAR, n) for n in (8, 4)} | {
            "student, 4 steps": code.ddim_sample(taught, static(), ALPHA_BAR, 4)
        }
    title = "distill: one round, with a network of your own"
    return Drawing(
        title,
        [
            *(counted(name, x) for name, x in drawn.items()),
            Cloud("data", data[:POINTS], labels=nearer_moon(data[:POINTS])),
        ],
    )


PICTURES = (
    Picture("DDIM, by the number of steps", ("ddim_sample",), steps),
    Picture("DPM-Solver++(2M), by the number of steps", ("dpmpp_2m_sample",), solver),
    Picture("from no fresh noise to ancestral sampling", ("ddim_sample",), chance),
    Picture("data, its static, and data again", ("ddim_invert", "ddim_sample"), there_and_back),
    Picture("EDM's levels", ("karras_sigmas",), levels),
    Picture("a student", ("ddim_sample", "distill"), student),
)
