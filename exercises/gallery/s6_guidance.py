"""Pictures of section 6: the way to a label, what the scale does, and what guidance is not."""

from typing import Any

import torch
from torch import Generator, Tensor

from exercises.gallery import Picture
from exercises.toolkit import extract
from exercises.toolkit.glyphs import all_glyphs
from exercises.toolkit.labelled import THREE, PlaneNet, draw
from exercises.toolkit.plots import Arrows, Cloud, Drawing, Images, Lines
from exercises.toolkit.training import training
from exercises.toolkit.worlds import Labelled, Mixture

ALPHA_BAR = torch.cumprod(1 - torch.linspace(1e-3, 0.2, 100), dim=0)
EACH, STEPS = 600, 50
"""Of each label, and from static to them."""


def to_the_label(code: Any) -> Drawing:
    line = torch.linspace(-2.6, 2.6, 13)
    places = torch.cartesian_prod(line, line)
    y = torch.ones(len(places), dtype=torch.int64)

    def classifier(x_t: Tensor, t: Tensor) -> Tensor:
        return THREE.log_p(x_t, t, ALPHA_BAR.to(x_t))

    panels = []
    for t in (3, 20, 35):
        arrows = code.classifier_score(classifier, places, torch.full_like(y, t), y)
        arrows = arrows / (arrows.norm(dim=1, keepdim=True) / 4).clamp(min=1)  # or the longest would hide the rest
        panels.append(Arrows(f"t = {t}", places, arrows, ALPHA_BAR[t].sqrt() * THREE.of(1).centres))
    return Drawing("classifier_score: which way orange lies, in more and more static", panels)


def by_scale(code: Any) -> Drawing:
    y = _labels()
    panels = {f"scale {scale:g}": _guided(code, _exact, scale) for scale in (0.0, 1.0, 2.0, 4.0, 8.0)}
    return _coloured(panels, y, "guided_sample with the best model there is; pale: the data")


def learned(code: Any) -> Drawing:
    model, y = _learned(code), _labels()
    panels = {f"scale {scale:g}": _guided(code, model, scale) for scale in (0.0, 1.0, 2.0, 4.0)}
    return _coloured(panels, y, "the same with a network that learned for some seconds, a tenth of its labels dropped")


def away(code: Any) -> Drawing:
    y = torch.ones(EACH, dtype=torch.int64)

    def from_label(label: int, scale: float) -> Tensor:
        other = torch.full_like(y, label)
        return _through(code, lambda x, t: code.negative_guided_eps(_exact, x, t, y, other, scale), EACH)

    panels = {
        "orange, scale 1": from_label(THREE.null, 1.0),
        "away from all, 3": from_label(THREE.null, 3.0),
        "away from blue, 1.5": from_label(0, 1.5),
        "away from green, 1.5": from_label(2, 1.5),
    }
    return _coloured(panels, y, "negative_guided_eps: where one comes from matters")


def interval(code: Any) -> Drawing:
    y = _labels()

    def within(low: float, high: float) -> Tensor:
        def guess(x: Tensor, t: Tensor) -> Tensor:
            return code.guided_eps(_exact, x, t, y, THREE.null, code.interval_scale(t, len(ALPHA_BAR), 4.0, low, high))

        return _through(code, guess, len(y))

    panels = {"all the way": within(0.0, 1.0), "0.05 to 0.25": within(0.05, 0.25), "0.25 to 1": within(0.25, 1.0)}
    return _coloured(panels, y, "interval_scale: scale 4, and 1 outside of the interval of t/T")


def contrast(code: Any) -> Drawing:
    images, labels = all_glyphs()
    spread, share = torch.full((len(images),), 0.01), torch.full((len(images),), 1 / len(images))
    world = Labelled(Mixture(images, spread, share), labels)
    y, a, t = torch.arange(40) % world.null, ALPHA_BAR[36], torch.full((40,), 36)
    x_t = a.sqrt() * draw(world, y, _rng(1)) + (1 - a).sqrt() * torch.randn(40, 1, 8, 8, generator=_rng(2))
    cond, uncond = (world.eps(x_t, t, label, ALPHA_BAR) for label in (y, torch.full_like(y, world.null)))
    guesses = [(x_t - (1 - a).sqrt() * eps) / a.sqrt() for eps in (cond, uncond + 7.5 * (cond - uncond))]
    plain, loud = (guess[:12] for guess in guesses)
    rows = {"scale 1": plain, "scale 7.5": loud}
    rows |= {f"rescaled, phi = {phi}": code.rescale_guidance(loud, plain, phi) for phi in (0.7, 1.0)}
    return Drawing("guesses of glyphs in static", Images({name: batch / 2 for name, batch in rows.items()}))


def sharpened(code: Any) -> Drawing:
    alpha_bar = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), dim=0)
    one, y = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, dtype=torch.int64)

    def model(x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """Label 0 is N(0, 1/4), and 1, none, is N(0, 1)."""
        a = extract(alpha_bar, t, x_t)
        return (1 - a).sqrt() * x_t / (a * (0.25 + 0.75 * y[:, None]) + 1 - a)

    scales = [1.0, 2.0, 3.0, 4.0, 6.0, 8.0]
    lines = {
        "the sharpened density": [(1 - s + 4 * s) ** -0.5 for s in scales],
        "the closed form, ½ to the power of the scale": [0.5**s for s in scales],
        "your samples": [float(code.guided_sample(model, one, y, alpha_bar, 1, s, 500).abs()) for s in scales],
    }
    title = "one number: all data is N(0, 1), the label's N(0, ¼)"
    kept = {"ylabel": "deviation of samples", "scale": "y", "dots": ("your samples",)}
    return Drawing("", [Lines(title, lines, "scale", x=scales, **kept)])


def _exact(x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
    """The best guess of the noise, with a label and without."""
    return THREE.eps(x_t, t, y, ALPHA_BAR)


def _guided(code: Any, model: Any, scale: float) -> Tensor:
    y = _labels()
    static = torch.randn(len(y), 2, generator=_rng(1))
    return code.guided_sample(model, static, y, ALPHA_BAR, THREE.null, scale, STEPS)


def _through(code: Any, guess: Any, count: int) -> Tensor:
    """Samples of a guess that is guided already: both halves of guided_sample's batch say the same."""

    def model(x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        return guess(x[:count], t[:count]).repeat(2, 1)

    static, nothing = torch.randn(count, 2, generator=_rng(1)), torch.zeros(count, dtype=torch.int64)
    return code.guided_sample(model, static, nothing, ALPHA_BAR, THREE.null, 1.0, STEPS)


def _learned(code: Any) -> PlaneNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = PlaneNet(len(ALPHA_BAR), THREE.null + 1)

    def loss_of(generator: Generator) -> Tensor:
        y, t = (torch.randint(top, (512,), generator=generator) for top in (THREE.null, len(ALPHA_BAR)))
        x0, noise = draw(THREE, y, generator).float(), torch.randn(512, 2, generator=generator)
        return code.cfg_loss(model, x0, y, t, noise, ALPHA_BAR, THREE.null, 0.1, generator)

    for _ in training(model, loss_of, 800, generator=_rng(5), lr=5e-3):
        pass
    return model.requires_grad_(False)


def _labels() -> Tensor:
    return torch.arange(THREE.null).repeat_interleave(EACH)


def _coloured(panels: dict[str, Tensor], y: Tensor, title: str) -> Drawing:
    data = THREE.mixture.sample(1200, _rng(3))
    return Drawing(title, [Cloud(name, x, labels=y, data=data) for name, x in panels.items()])


def _rng(seed: int) -> Generator:
    return Generator().manual_seed(seed)


PICTURES = (
    Picture("the way to a label", ("classifier_score",), to_the_label),
    Picture("what the scale does", ("guided_sample",), by_scale),
    Picture("a network that was told some labels", ("cfg_loss", "guided_sample"), learned),
    Picture("away from a label", ("negative_guided_eps", "guided_sample"), away),
    Picture("contrast, and back", ("rescale_guidance",), contrast),
    Picture("guidance in the middle only", ("guided_eps", "interval_scale", "guided_sample"), interval),
    Picture("what guidance is not", ("guided_sample",), sharpened),
)
"""The rewards: what was written in a section, trained and put to work. They give no points and are never graded."""
