"""What lesson 6 quotes, measured on the code it is given: the reference, or a learner's module.

The data is Gaussian or a few Gaussians with labels, whose best model and best classifier are known; for the experiment to
vary small networks are trained. `exact(code)` follows from formulas alone; `measured(code)` is of random samples and
trainings. Both give each number as the lesson writes it, by its meaning.
"""

import math
from collections.abc import Callable
from functools import cache
from types import ModuleType

import torch
from torch import Generator, Tensor

from exercises.toolkit import extract
from exercises.toolkit.glyphs import all_glyphs
from exercises.toolkit.labelled import THREE, PlaneNet, draw
from exercises.toolkit.training import training
from exercises.toolkit.worlds import Labelled, Mixture

LONG = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), dim=0)
"""DDPM's schedule."""
SHORT = torch.cumprod(1 - torch.linspace(1e-3, 0.2, 100, dtype=torch.float64), dim=0)
"""A hundred levels, for the plane."""
HALF = torch.tensor([0.5], dtype=torch.float64)
"""A schedule of one level, with as much noise as data."""
CLEAN = torch.ones(1, dtype=torch.float64)
LINE = Labelled(
    Mixture(
        torch.tensor([[-1.0], [1.0]], dtype=torch.float64),
        torch.full((2,), 0.04, dtype=torch.float64),
        torch.full((2,), 0.5, dtype=torch.float64),
    ),
    torch.tensor([0, 1]),
)
"""Data on a line: label 0 near -1, label 1 near 1."""
SCALES = (0.0, 1.0, 2.0, 4.0, 8.0)
STEPS = 50
RARE = -4.5
"""Log density of `THREE`, in nats, below which few of its points lie."""
EACH = 2000
"""Samples of each label that a world's samples are judged by."""

Model = Callable[[Tensor, Tensor, Tensor], Tensor]
Guess = Callable[[Tensor, Tensor], Tensor]


def rng(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def static(count: int, *shape: int, seed: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(count, *shape, dtype=dtype, generator=rng(seed))


def levels(t: int, like: Tensor) -> Tensor:
    return torch.full((len(like),), t)


def model_of(world: Labelled, alpha_bar: Tensor = SHORT) -> Model:
    """The best guess of the noise, with a label and without."""
    return lambda x_t, t, y: world.eps(x_t, t, y, alpha_bar)


def gaussians(null: tuple[float, float], label: tuple[float, float], alpha_bar: Tensor = LONG) -> Model:
    """The best guess where the label 0 means N(mean, variance) and no label, which is 1, another; (mean, variance) each."""
    means, variances = (torch.tensor(pair, dtype=torch.float64) for pair in zip(label, null, strict=True))

    def model(x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        a = extract(alpha_bar, t, x_t)
        mean, variance = means[y][:, None].to(x_t), variances[y][:, None].to(x_t)
        return (1 - a).sqrt() * (x_t - a.sqrt() * mean) / (a * variance + 1 - a)

    return model


def through(code: ModuleType, guess: Guess, x_T: Tensor, alpha_bar: Tensor = SHORT, n: int = STEPS) -> Tensor:
    """Samples of `guided_sample` with a guess of the noise that is guided already: both halves of the batch say the same."""

    def model(x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        half = len(x) // 2
        eps = guess(x[:half], t[:half])
        return torch.cat([eps, eps])

    return code.guided_sample(model, x_T, levels(0, x_T), alpha_bar, 1, 1.0, n)


# -------------------------------------------------------------------------------------------------- one number, Gaussian

WIDE, NARROW = (0.0, 1.0), (0.0, 0.25)
"""Without a label the data is N(0, 1), with it N(0, 1/4)."""


def end_deviation(code: ModuleType, scale: float, n: int = 1000) -> float:
    """The deviation of guided samples of those two: what x_T = 1 becomes, for all is linear."""
    one = torch.ones(1, 1, dtype=torch.float64)
    return code.guided_sample(gaussians(WIDE, NARROW), one, levels(0, one), LONG, 1, scale, n).abs().item()


def closed_deviation(scale: float) -> float:
    """The same with infinitely many steps and levels."""
    return WIDE[1] ** ((1 - scale) / 2) * NARROW[1] ** (scale / 2)


def tilted_deviation(scale: float, wide: float = WIDE[1], narrow: float = NARROW[1]) -> float:
    """Of the density that is proportional to p^(1-s) p(·|y)^s."""
    return ((1 - scale) / wide + scale / narrow) ** -0.5


def stochastic_deviation(scale: float, steps: int = 20_000) -> float:
    """The same by ancestral sampling, with fresh noise in infinitely many steps.

    Where the guided score is -slope x, the variance V obeys dV / d log ᾱ = (1 - 2 slope) V + 1; the midpoint method follows it.
    """

    def growth(log_level: float, variance: float) -> float:
        slope = sum(
            share / (math.exp(log_level) * (spread - 1) + 1)
            for share, spread in ((1 - scale, WIDE[1]), (scale, NARROW[1]))
        )
        return (1 - 2 * slope) * variance + 1

    variance, log_level, step = 1.0, math.log(1e-8), -math.log(1e-8) / steps
    for _ in range(steps):
        middle = variance + growth(log_level, variance) * step / 2
        variance += growth(log_level + step / 2, middle) * step
        log_level += step
    return variance**0.5


def interval_deviation(code: ModuleType, scale: float, low: float, high: float) -> float:
    model, one = gaussians(WIDE, NARROW), torch.ones(1, 1, dtype=torch.float64)

    def guess(x: Tensor, t: Tensor) -> Tensor:
        return code.guided_eps(model, x, t, levels(0, x), 1, code.interval_scale(t, len(LONG), scale, low, high))

    return through(code, guess, one, LONG, 1000).abs().item()


# -------------------------------------------------------------------------------------------------------------- labels


def classifier_of(world: Labelled, alpha_bar: Tensor = SHORT, clean: bool = False) -> Guess:
    """The best classifier of noised data, or that of clean data, which believes every point to be clean."""

    def classifier(x_t: Tensor, t: Tensor) -> Tensor:
        return world.log_p(x_t, 0 * t, CLEAN) if clean else world.log_p(x_t, t, alpha_bar)

    return classifier


def by_classifier(
    code: ModuleType, world: Labelled, x_T: Tensor, y: Tensor, scale: float, clean: bool = False
) -> Tensor:
    """Samples by classifier guidance, all exact."""
    classifier = classifier_of(world, clean=clean)

    def guess(x: Tensor, t: Tensor) -> Tensor:
        score = code.classifier_score(classifier, x, t, y)
        return code.classifier_guided_eps(world.mixture.eps(x, t, SHORT), score, t, SHORT, scale)

    return through(code, guess, x_T)


def told(points: Tensor, world: Labelled = THREE) -> Tensor:
    """The likeliest label of each clean point."""
    return world.log_p(points.double(), levels(0, points), CLEAN).argmax(dim=1)


def right(points: Tensor, y: Tensor) -> float:
    """The share of points whose likeliest label is theirs."""
    return (told(points) == y).double().mean().item()


def off(points: Tensor) -> float:
    """The share of points where there is hardly any data."""
    return (THREE.mixture.log_density(points.double(), levels(0, points), CLEAN) < RARE).double().mean().item()


def diversity(points: Tensor, y: Tensor) -> float:
    """Root mean square distance of a point to the mean of its label's points."""
    return torch.stack([points[y == k].var(dim=0).sum() for k in range(THREE.null)]).mean().sqrt().item()


def asked(each: int = EACH) -> Tensor:
    return torch.arange(THREE.null).repeat_interleave(each)


@cache
def guided(code: ModuleType, scale: float, each: int = EACH) -> Tensor:
    """Samples of THREE by its best model, as many of each label."""
    y = asked(each)
    return code.guided_sample(model_of(THREE), static(len(y), 2), y, SHORT, THREE.null, scale, STEPS)


def classifier_losses(code: ModuleType, ts: list[int], clean: bool = False, count: int = 20_000) -> list[float]:
    """noisy_classifier_loss of an exact classifier of THREE, by level."""
    y = torch.randint(3, (count,), generator=rng(1))
    x0, noise, classifier = draw(THREE, y, rng(2)), static(count, 2, seed=3), classifier_of(THREE, clean=clean)
    return [code.noisy_classifier_loss(classifier, x0, y, levels(t, x0), noise, SHORT).item() for t in ts]


def floors(code: ModuleType, ts: list[int], p: float, count: int = 20_000) -> list[float]:
    """cfg_loss of the best model of THREE, by level."""
    y = torch.randint(3, (count,), generator=rng(1))
    x0, noise = draw(THREE, y, rng(2)), static(count, 2, seed=3)
    return [
        code.cfg_loss(model_of(THREE), x0, y, levels(t, x0), noise, SHORT, THREE.null, p, rng(4)).item() for t in ts
    ]


@cache
def trained(code: ModuleType, p: float, steps: int = 800) -> tuple[PlaneNet, list[float]]:
    """A small network that learned THREE with labels dropped at this rate, and its losses."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = PlaneNet(len(SHORT), THREE.null + 1)
    schedule = SHORT.float()

    def loss_of(generator: Generator) -> Tensor:
        y = torch.randint(3, (512,), generator=generator)
        x0 = draw(THREE, y, generator).float()
        t = torch.randint(len(SHORT), (512,), generator=generator)
        noise = torch.randn(x0.shape, generator=generator)
        return code.cfg_loss(model, x0, y, t, noise, schedule, THREE.null, p, generator)

    losses = [loss for _, loss in training(model, loss_of, steps, generator=rng(1), lr=5e-3)]
    return model.requires_grad_(False), losses


def asked_of(code: ModuleType, p: float, scale: float) -> Tensor:
    """Guided samples of that network, 1000 of each label."""
    y, model = asked(1000), trained(code, p)[0]
    return code.guided_sample(model, static(3000, 2, dtype=torch.float32), y, SHORT.float(), THREE.null, scale, STEPS)


# -------------------------------------------------------------------------------------------------------------- images


@cache
def glyph_world() -> Labelled:
    """Pictures whose best model is known: a narrow cloud around every glyph of section 2, with its label."""
    images, of = all_glyphs()
    count = len(images)
    spread, share = (torch.full((count,), value, dtype=torch.float64) for value in (0.01, 1 / count))
    return Labelled(Mixture(images.double(), spread, share), of)


def glyph_guesses(code: ModuleType, scale: float, t: int, count: int = 200) -> dict[str, tuple[Tensor, Tensor]]:
    """Of noised glyphs, the guided guess and the conditional, as noise and as the data that goes with it."""
    world = glyph_world()
    y, model, a = torch.arange(count) % world.null, model_of(world), SHORT[t]
    x0 = draw(world, y, rng(1))
    x_t = a.sqrt() * x0 + (1 - a).sqrt() * static(*x0.shape, seed=2)
    guesses = [code.guided_eps(model, x_t, levels(t, x_t), y, world.null, s) for s in (scale, 1.0)]
    return {"eps": tuple(guesses), "x0": tuple((x_t - (1 - a).sqrt() * eps) / a.sqrt() for eps in guesses)}


def contrast(guess: Tensor, conditional: Tensor) -> float:
    """How many times larger the guess's deviation is than the conditional's, on average."""
    return (guess.flatten(1).std(dim=1) / conditional.flatten(1).std(dim=1)).mean().item()


# ------------------------------------------------------------------------------------------------- what the lesson says


def exact(code: ModuleType) -> dict[str, str]:
    one, t, y = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, dtype=torch.int64), torch.zeros(1).long()

    def slope(a: Tensor, x: float) -> float:
        """The score of label 1 on the line, at level ᾱ."""
        return code.classifier_score(lambda x_t, t: LINE.log_p(x_t, t, a), x * one, t, y + 1).item()

    guesses = [code.guided_eps(gaussians(WIDE, NARROW, HALF), one, t, y, 1, s) for s in (0.0, 1.0, 3.0)]
    ends = [((1 - 0.5**0.5 * eps) / 0.5**0.5).item() for eps in guesses]
    bayes = LINE.mixture.eps(0 * one, t, HALF), LINE.eps(0 * one, t, y + 1, HALF)
    both = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    far = code.guided_sample(gaussians((0.0, 0.25), (1.0, 0.25)), both, torch.zeros(2).long(), LONG, 1, 4.0, 50)
    return {
        "score half-way, clean": f"{slope(CLEAN, 0.0):.0f}",
        "score half-way, as much noise as data": f"{slope(HALF, 0.0):.2f}",
        "score on the wrong side, clean": f"{slope(CLEAN, -2.0):.0f}",
        "score on the wrong side, noised": f"{slope(HALF, -2.0):.2f}",
        "eps without a label, half-way": f"{bayes[0].item():.0f}",
        "eps with it": f"{bayes[1].item():.2f}",
        "nats of a guess": f"{math.log(3):.3f}",
        "dropped of 128, p = 0.1": f"{128 * 0.1:.1f}",
        "give or take": f"{(128 * 0.1 * 0.9) ** 0.5:.1f}",
        **{f"guess of x_0 at scale {s}": f"{x:.2f}" for s, x in zip((0, 1, 3), ends, strict=True)},
        **{f"deviation at scale {s}, closed": f"{closed_deviation(s):.3g}" for s in (2, 3)},
        "deviation at scale 7.5, closed": f"{closed_deviation(7.5):.4f}",
        "deviation at scale 3, 1000 steps": f"{end_deviation(code, 3.0):.3f}",
        "deviation at scale 3, 20 steps": f"{end_deviation(code, 3.0, 20):.3f}",
        **{f"deviation at scale {s}, sharpened": f"{tilted_deviation(s):.3f}" for s in (2, 3, 7.5)},
        "deviation at scale 3, fresh noise": f"{stochastic_deviation(3):.3f}",
        "times as wide": f"{tilted_deviation(7.5) / closed_deviation(7.5):.0f}",
        **{f"deviation at scale 3, {n} steps": f"{end_deviation(code, 3.0, n):.3f}" for n in (5, 100)},
        "variance of the product of the noised, scale 3": f"{tilted_deviation(3, 1.0, 0.625) ** 2:.2f}",
        "variance of the noised product": f"{0.5 * tilted_deviation(3) ** 2 + 0.5:.2f}",
        "deviation at scale 3 in 0.2 to 0.7": f"{interval_deviation(code, 3.0, 0.2, 0.7):.2f}",
        "mean at scale 4 of equal variances": f"{far[0].item():.2f}",
        "deviation there": f"{(far[1] - far[0]).abs().item():.2f}",
    }


def measured(code: ModuleType) -> dict[str, str]:
    y, two = asked(), torch.ones(4000, dtype=torch.int64)
    data, quantiles = draw(THREE, y, rng(9)), (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000
    x_T = torch.distributions.Normal(0.0, 1.0).icdf(quantiles)[:, None].double()
    by = {name: by_classifier(code, LINE, x_T, two, 1.0, clean) for name, clean in (("noisy", False), ("clean", True))}
    good, bad = (classifier_losses(code, [25, 99], clean) for clean in (False, True))
    shares = {p: floors(code, [25], p)[0] for p in (0.0, 0.1, 1.0)}
    guesses = glyph_guesses(code, 7.5, 50)
    dropped = code.drop_labels(torch.zeros(1_000_000, dtype=torch.int64), 3, 0.1, rng())
    found = {
        **{f"{name} classifier: mean": f"{x.mean().item():.2f}" for name, x in by.items()},
        **{f"{name} classifier: deviation": f"{x.std().item():.2f}" for name, x in by.items()},
        "best classifier, t = 25": f"{good[0]:.2f}",
        "best classifier, t = 99": f"{good[1]:.2f}",
        "clean classifier, t = 25": f"{bad[0]:.2f}",
        "clean classifier, t = 99": f"{bad[1]:.2f}",
        "share dropped": f"{(dropped == 3).double().mean().item():.3f}",
        **{f"floor of cfg_loss at t = 25, p = {p}": f"{loss:.2f}" for p, loss in shares.items()},
        "data: right": f"{right(data, y):.2f}",
        "data: diversity": f"{diversity(data, y):.2f}",
        "data: off": f"{off(data):.3f}",
        **{f"contrast at scale 7.5, as {name}": f"{contrast(*pair):.1f}" for name, pair in guesses.items()},
    }
    for s in SCALES:
        x = guided(code, s)
        found |= {f"scale {s:g}: right": f"{right(x, y):.2f}", f"scale {s:g}: diversity": f"{diversity(x, y):.2f}"}
        found |= {f"scale {s:g}: off": f"{off(x):.3f}"}
    for p in (0.0, 0.1, 0.5, 1.0):
        for s in (1.0, 3.0):
            x, mine = asked_of(code, p, s), asked(1000)
            found |= {f"trained, p = {p}, scale {s}: right": f"{right(x, mine):.2f}"}
            found |= {f"trained, p = {p}, scale {s}: off": f"{off(x):.2f}"}
    return found
