"""What each picture is drawn from. Points are kept as bytes, 40 to a unit: two decimals would be three times as large."""

import base64
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from exercises.toolkit import two_moons
from exercises.toolkit.labelled import THREE
from solutions import s1_forward_reverse, s2_ddpm, s3_score_sde, s4_fast_sampling, s5_flow_matching, s6_guidance
from solutions.numbers import s5_flow_matching as flows
from solutions.numbers import s6_guidance as guidance

UNIT = 40
"""Bytes to a unit of the plane, which ends a little beyond 3."""
SHOWN = 240
"""Points of a picture."""
CALLS = (1, 2, 4, 8, 16, 32, 64, 128)


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def packed(points: Tensor) -> str:
    """Points as text: a byte a coordinate, those beyond the picture at its edge."""
    rounded = (points.detach().double() * UNIT).round().nan_to_num(127).clamp(-127, 127).to(torch.int8)
    return base64.b64encode(rounded.contiguous().numpy().tobytes()).decode()


def forward() -> dict[str, Any]:
    """Two moons and their static, and how much of each `q_sample` takes at every level."""
    betas = torch.linspace(1e-3, 0.2, 100, dtype=torch.float64)
    alpha_bar = s1_forward_reverse.compute_alpha_bar(betas)
    one, t = torch.ones(100, 1, dtype=torch.float64), torch.arange(100)
    parts = [s1_forward_reverse.q_sample(x0, t, noise, alpha_bar) for x0, noise in ((one, 0 * one), (0 * one, one))]
    x0 = two_moons(SHOWN, rng(0)).double()
    noise = torch.randn(SHOWN, 2, generator=rng(1), dtype=torch.float64)
    kept, added = ([round(part.item(), 3) for part in one] for one in parts)
    return {"x0": packed(x0), "noise": packed(noise), "kept": kept, "added": added, "kinds": kinds(x0)}


def dial() -> dict[str, Any]:
    """What samplers make of the same static in so many calls of the exact score, and how far from the data it is."""
    from exercises.dial.reading import POINTS, quality
    from exercises.dial.samplers import SAMPLERS
    from exercises.dial.taught import Models
    from exercises.dial.views import Counted, Exact

    modules = (s1_forward_reverse, s2_ddpm, s3_score_sde, s4_fast_sampling, s5_flow_matching)
    code = SimpleNamespace(**{name: value for module in modules for name, value in vars(module).items()})
    models, half = Models(code, lambda what: None), torch.randn(POINTS // 2, 2, generator=rng(0))
    static = torch.cat([half, -half])
    found = []
    for sampler in SAMPLERS:
        if sampler.taught:
            continue
        for n in sampler.counts:
            if n not in CALLS:
                continue
            models.seen = Counted(Exact())
            drawn = sampler.draw(code, models, static, n).detach()
            distance, off = quality(drawn)
            some = torch.cat([drawn[: SHOWN // 2], drawn[POINTS // 2 :][: SHOWN // 2]])
            found.append(
                {
                    "sampler": sampler.name,
                    "section": sampler.section,
                    "calls": n,
                    "asked": models.seen.calls,
                    "distance": round(distance, 3),
                    "off": round(off, 3),
                    "points": packed(some),
                }
            )
    return {"readings": found, "data": packed(two_moons_for_dial())}


def two_moons_for_dial() -> Tensor:
    """Some of the data that the dial's samplers should arrive at."""
    from exercises.dial.views import MOONS

    return MOONS.sample(SHOWN, rng(10))


def guided() -> dict[str, Any]:
    """Samples of three labels by `guided_sample`, from the same static, at scales from 0 to 8."""
    scales = [number / 2 for number in range(17)]
    y = guidance.asked(guidance.EACH)
    some = torch.randperm(len(y), generator=rng(0))[:SHOWN]
    drawn = [guidance.guided(s6_guidance, scale)[some] for scale in scales]
    there = THREE.mixture.sample(SHOWN, rng(3))
    return {
        "scales": scales,
        "points": [packed(points) for points in drawn],
        "kinds": "".join(str(int(label)) for label in y[some]),
        "data": packed(there),
    }


def reflow() -> dict[str, Any]:
    """The ways of some points through a flow and through the flow after reflow, by the number of Euler steps."""
    first, second, _, _ = flows.trained(s5_flow_matching)
    some = torch.randn(SHOWN // 2, 2, generator=rng(7))
    many = torch.randn(1500, 2, generator=rng(6))
    kept = {}
    for name, model in (("flow", first), ("reflowed", second)):
        paths = {str(steps): _path(model, some, steps) for steps in (1, 2, 4, 8, 48)}
        kept[name] = {
            "straightness": round(s5_flow_matching.straightness(model, many, 50).item(), 2),
            "paths": {steps: [packed(points) for points in path] for steps, path in paths.items()},
            "kinds": kinds(paths["48"][-1]),
        }
    return kept


def _path(model: Callable[[Tensor, Tensor], Tensor], x: Tensor, steps: int) -> list[Tensor]:
    """Where `euler_sample` asks the model, and where it arrives; of many steps every second."""
    seen: list[Tensor] = []

    def watched(x: Tensor, t: Tensor) -> Tensor:
        seen.append(x.detach().clone())
        return model(x, t)

    end = s5_flow_matching.euler_sample(watched, x, steps)
    return [*(seen[::2] if steps > 8 else seen), end]


def kinds(points: Tensor) -> str:
    """Which moon each point is of, as 0 or 1: the upper one is left of the middle or above it."""
    return "".join(str(int(label)) for label in _lower(points))


def _lower(points: Tensor) -> Tensor:
    from exercises.toolkit import beaded_moons

    centres = beaded_moons().centres.to(points)
    return torch.cdist(points, centres).argmin(1) >= len(centres) // 2


MADE: dict[str, Callable[[], dict[str, Any]]] = {
    "forward": forward,
    "dial": dial,
    "guidance": guided,
    "reflow": reflow,
}
"""By the name of its file."""
