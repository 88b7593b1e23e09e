"""Whoever has all points sees two moons, whatever network passed. Thirty trainings, five seconds each on a quiet core.

And the thresholds of all rewards hold with ten seeds: a hundred trainings, ten seconds each.
"""

import importlib
import inspect
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Generator, Tensor, nn

from exercises.toolkit import denoising
from exercises.toolkit.denoising import moons_from_static, off
from grader.course import sections
from grader.desk.progress import PASS, Progress
from grader.desk.training import LONG

CODE = importlib.import_module("solutions.s1_forward_reverse")
SEEDS = (0, 1, 2)
WORSE = 1.5
"""Largest share of samples off the moons, in shares of the reference. Seen with three seeds: 0.018 to 0.023 with the reference, 0.020 to 0.030
with these, at most 1.41 times the reference's mean; of the data 0.03 is off."""


class Layers(nn.Module):
    """Points and embedding side by side through `depth` hidden layers."""

    def __init__(
        self, dim: int, hidden: int, depth: int, embedding: int, activation: type[nn.Module], norm: bool = False
    ):
        super().__init__()
        self.embedding, layers, size = embedding, [], dim + embedding
        for _ in range(depth):
            layers += [nn.Linear(size, hidden), *([nn.LayerNorm(hidden)] if norm else []), activation()]
            size = hidden
        self.net = nn.Sequential(*layers, nn.Linear(size, dim))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.net(torch.cat([x, CODE.timestep_embedding(t, self.embedding).to(x.dtype)], dim=1))


class Residual(nn.Module):
    """The embedding is added to what the points become, and two layers with norms are added to that."""

    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.begin, self.time, self.end = nn.Linear(dim, hidden), nn.Linear(64, hidden), nn.Linear(hidden, dim)
        self.layers = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(2))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        h = self.begin(x) + self.time(CODE.timestep_embedding(t, 64).to(x.dtype))
        for layer, norm in zip(self.layers, self.norms, strict=True):
            h = h + nn.functional.silu(layer(norm(h)))
        return self.end(nn.functional.silu(h))


class FromZero(nn.Module):
    """Time has layers of its own, and the last layer begins at zero."""

    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.time = nn.Sequential(nn.Linear(32, hidden), nn.SiLU(), nn.Linear(hidden, hidden))
        self.begin, self.end = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.net = nn.Sequential(nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU())
        nn.init.zeros_(self.end.weight)
        nn.init.zeros_(self.end.bias)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.end(self.net(self.begin(x) + self.time(CODE.timestep_embedding(t, 32).to(x.dtype))))


def layers(*shape):
    return lambda dim=2, hidden=128: Layers(dim, hidden, *shape)


NETWORKS = {
    "two layers, embedding of 128": layers(2, 128, nn.SiLU),
    "two layers, embedding of 32": layers(2, 32, nn.SiLU),
    "two layers, embedding of 16, ReLU": layers(2, 16, nn.ReLU),
    "two layers with norms, embedding of 128, GELU": layers(2, 128, nn.GELU, True),
    "three layers, embedding of 128": layers(3, 128, nn.SiLU),
    "three layers, ReLU": layers(3, 32, nn.ReLU),
    "three layers, tanh": layers(3, 32, nn.Tanh),
    "four layers, embedding of 64, GELU": layers(4, 64, nn.GELU),
    "residual, with norms": lambda dim=2, hidden=128: Residual(dim, hidden),
    "from zero, time by layers of its own": lambda dim=2, hidden=128: FromZero(dim, hidden),
}


def answers(network) -> ModuleType:
    """The reference with this network in it."""
    module = ModuleType("theirs")
    module.__dict__.update(vars(CODE) | {"TinyDenoiser": network})
    return module


def lost(network, seed: int) -> float:
    """The share of samples off the moons."""
    return off(moons_from_static(answers(network), seed, patience=float("inf"))["drawn by your sampler"])


@pytest.mark.parametrize("name", NETWORKS)
def test_each_of_these_networks_passes(name):  # a second
    progress = Progress(modules={"s1_forward_reverse": answers(NETWORKS[name])})
    standing = progress.attempt("TinyDenoiser")
    assert standing.state == PASS, [str(finding) for finding in standing.findings]


@pytest.fixture(scope="module")
def of_the_reference() -> float:
    """The mean share over the seeds: a share of 4000 samples alone is uncertain by a tenth of itself."""
    return sum(lost(CODE.TinyDenoiser, seed) for seed in SEEDS) / len(SEEDS)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", NETWORKS)
def test_any_network_that_passes_draws_two_moons(name, seed, of_the_reference):
    assert lost(NETWORKS[name], seed) < WORSE * of_the_reference


def marked(stem: str) -> Iterator[tuple[Callable[..., None], dict[str, pytest.Mark]]]:
    """The end to ends of a section, with their marks by name."""
    with warnings.catch_warnings(
        action="ignore", category=pytest.PytestUnknownMarkWarning
    ):  # the desk's plugin has them
        rewards = importlib.import_module(f"exercises.end_to_end.test_{stem}")
    for name, test in inspect.getmembers(rewards, inspect.isfunction):
        if name.startswith("test_"):
            yield test, {mark.name: mark for mark in getattr(test, "pytestmark", ())}


MARKED = [(stem, test, marks) for stem in sections() for test, marks in marked(stem)]
REWARDS = [(stem, test) for stem, test, marks in MARKED if not {*LONG} & {*marks}]
"""Those that run in `pytest exercises`."""


def test_a_reward_that_takes_minutes_says_how_long_it_may_train() -> None:
    said = {test.__name__: marks[name].kwargs for _, test, marks in MARKED for name in LONG if name in marks}
    assert len(said) == 5
    assert all(found["patience"] >= 900 for found in said.values()), said


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 11))
@pytest.mark.parametrize(("stem", "reward"), REWARDS, ids=[test.__name__ for _, test in REWARDS])
def test_the_thresholds_of_a_reward_hold_with_other_seeds(stem, reward, seed, tmp_path: Path, monkeypatch) -> None:
    plain = torch.manual_seed

    class Other(Generator):
        def manual_seed(self, of: int) -> Generator:
            return super().manual_seed(of + 1000 * seed)

    monkeypatch.setattr(torch, "manual_seed", lambda of: plain(of + 1000 * seed))
    for module in (inspect.getmodule(reward), denoising):
        monkeypatch.setattr(module, "Generator", Other)
    monkeypatch.setattr(inspect.getmodule(reward), "ROOT", tmp_path)
    for function in vars(inspect.getmodule(reward)).values():
        getattr(function, "cache_clear", lambda: None)()  # what another seed has trained
    said: dict[str, object] = {}
    reward(importlib.import_module(f"solutions.{stem}"), said.__setitem__)
    print(said["says"])
