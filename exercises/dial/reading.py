"""Turning the dial: what each sampler makes of the same static, and how good it is."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from exercises.dial.samplers import SAMPLERS, Sampler
from exercises.dial.taught import Models
from exercises.dial.views import MOONS, Counted, Exact, Learned, rng
from exercises.toolkit import sliced_wasserstein

OFF = -4.0
"""A sample is off the data where its log density is below this, as it is for 1 in 100 of the data."""
POINTS = 3000


@dataclass(frozen=True)
class Reading:
    """What a sampler made of the static.

    Attributes:
        sampler: which one.
        source: "exact" score or "network".
        calls: of the model, as counted.
        distance: sliced W2 to fresh data.
        off: the share of samples off the data, by the exact density.
        samples: where they are.
    """

    sampler: Sampler
    source: str
    calls: int
    distance: float
    off: float
    samples: Tensor


def solvable(solved: Mapping[str, Mapping[str, Any]]) -> tuple[SimpleNamespace, list[Sampler], list[Sampler]]:
    """The functions under one roof, the samplers that they make, and those that wait for more.

    Args:
        solved: by section, the learner's functions and classes that pass, and whose needs pass.
    """
    code = SimpleNamespace(**{name: found for section in solved.values() for name, found in section.items()})
    bright = [s for s in SAMPLERS if all(any(hasattr(code, name) for name in names) for names in s.needs)]
    return code, bright, [s for s in SAMPLERS if s not in bright]


def readings(
    solved: Mapping[str, Mapping[str, Any]], told: Callable[[str], None] = lambda what: None
) -> Iterator[Reading]:
    """Turn the dial: every sampler that can be made, first on the exact score and then on a network.

    Args:
        solved: by section, the learner's functions and classes that pass.
        told: is told what is being done, as it begins.
    """
    code, bright, _ = solvable(solved)
    models, half = Models(code, told), torch.randn(POINTS // 2, 2, generator=rng(0))
    static = torch.cat([half, -half])  # the moons are symmetric: no moon has more of the static than the other
    for source in ("exact", "network"):
        for sampler in bright:
            if sampler.taught and source == "exact":
                continue
            view = Exact() if source == "exact" else Learned(models.net)
            told(f"{sampler.name}, {'the exact score' if source == 'exact' else 'a network'}")
            if sampler.taught:
                getattr(models, sampler.taught)  # taught now, so that it is not counted
            for n in sampler.counts:
                models.seen = Counted(view)
                drawn = sampler.draw(code, models, static, n).detach()
                yield Reading(sampler, source, models.seen.calls, *quality(drawn), drawn)


def quality(x: Tensor) -> tuple[float, float]:
    """Sliced W2 to fresh data, and the share of samples off the data."""
    fresh = MOONS.sample(len(x), rng(10)).to(x)
    return sliced_wasserstein(x, fresh, generator=rng(11)), off(x).double().mean().item()


def off(x: Tensor) -> Tensor:
    """Which samples are off the data; what is no number is."""
    density = MOONS.log_density(x.double(), torch.zeros(len(x)).long(), torch.ones(1, dtype=torch.float64))
    return ~(density >= OFF)


def floor() -> tuple[float, float]:
    """What another draw of the data has, at least half a sample."""
    distance, share = quality(MOONS.sample(POINTS, rng(12)).float())
    return distance, max(share, 0.5 / POINTS)


def table(found: Sequence[Reading], solved: Mapping[str, Mapping[str, Any]]) -> str:
    """The shares off the data as lines of text: a sampler a line, calls of the model across; then what is still dark."""
    columns = sorted({column_of(reading) for reading in found})
    lines = []
    for source, title in (("exact", "the exact score"), ("network", "a network that has learned it")):
        rows = [reading for reading in found if reading.source == source]
        if rows:
            lines += ["", f"{'off the data, by ' + title:<38}" + "".join(f"{calls:>8}" for calls in columns)]
        for sampler in dict.fromkeys(reading.sampler for reading in rows):
            shares = {column_of(reading): f"{reading.off:.1%}" for reading in rows if reading.sampler == sampler}
            named = f"  {sampler.name}"
            lines.append(f"{named:<38}" + "".join(f"{shares.get(calls, ''):>8}" for calls in columns))
    _, share = floor()
    lines.append(
        f"\nAnother draw of the data has {share:.1%} off. Columns are calls of the model, about; below twice the number."
    )
    _, _, dark = solvable(solved)
    if dark:
        lines.append("Still dark: " + ", ".join(f"{s.name} (section {s.section})" for s in dark))
    return "\n".join(lines).lstrip("\n")


def column_of(reading: Reading) -> int:
    """The power of two that its calls are nearest to; a thousand is a column of its own."""
    return reading.calls if reading.calls > 512 else 2 ** round(math.log2(reading.calls))
