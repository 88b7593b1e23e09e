"""The pictures of lesson 6."""

from types import ModuleType

import matplotlib
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from exercises.toolkit.labelled import THREE, draw
from solutions.numbers.s6_guidance import (
    EACH,
    LINE,
    SCALES,
    SHORT,
    STEPS,
    asked,
    by_classifier,
    classifier_losses,
    classifier_of,
    closed_deviation,
    contrast,
    end_deviation,
    floors,
    glyph_guesses,
    guided,
    levels,
    model_of,
    off,
    rng,
    static,
    through,
    tilted_deviation,
    trained,
)
from solutions.pictures.paper import DATA, INK, MODEL, OTHER, STATIC, bare, panels, scatter

KINDS = (DATA, MODEL, OTHER)
"""The colours of the labels 0, 1 and 2."""
PALE = "#e4e8ee"
FEW = 500


def colours(y: Tensor) -> list[str]:
    return [KINDS[int(label)] for label in y]


def backdrop(axes: Axes, t: int | None = None, seed: int = 3, count: int = 1200) -> None:
    """All data in pale grey, clean or at a level."""
    x = THREE.mixture.sample(count, rng(seed))
    if t is not None:
        x = SHORT[t].sqrt() * x + (1 - SHORT[t]).sqrt() * static(count, 2, seed=seed + 1)
    axes.scatter(*x.T.numpy(), s=2, color=PALE, linewidths=0)


def arrows(axes: Axes, field: Tensor, places: Tensor, colour: str, longest: float = 8.0) -> None:
    """Arrows at places, those beyond `longest` shortened to it."""
    field = field / (field.norm(dim=1, keepdim=True) / longest).clamp(min=1)
    axes.quiver(*places.T, *field.T, color=colour, scale=9 * longest, width=0.007)


def grid(side: int = 11, limit: float = 2.6) -> Tensor:
    line = torch.linspace(-limit, limit, side, dtype=torch.float64)
    return torch.cartesian_prod(line, line)


def classifier_score(code: ModuleType) -> Figure:
    figure, axes = panels(3, height=3.0)
    places = grid(13)
    y = torch.ones(len(places), dtype=torch.int64)
    side = torch.linspace(-3, 3, 90, dtype=torch.float64)
    for ax, t in zip(axes, (3, 20, 35), strict=True):
        fine = torch.cartesian_prod(side, side)
        likely = classifier_of(THREE)(fine, levels(t, fine))[:, 1].exp().reshape(90, 90)
        for least in (0.1, 0.5, 0.9):
            ax.contourf(side, side, likely.T, levels=[least, 1.01], colors=MODEL, alpha=0.14)
        found = code.classifier_score(classifier_of(THREE), places, levels(t, places), y)
        arrows(ax, found, places, INK, longest=4.0)
        ax.scatter(*(SHORT[t].sqrt() * THREE.of(1).centres).T, s=30, color=MODEL, zorder=4)
        bare(ax, f"t = {t}: noise's share of the variance {1 - SHORT[t]:.2f}")
    return figure


def classifier_guided_eps(code: ModuleType) -> Figure:
    figure, axes = panels(4, height=2.6)
    t, places = 15, grid()
    ts, y = levels(t, places), torch.ones(len(places), dtype=torch.int64)
    eps, deviation = THREE.mixture.eps(places, ts, SHORT), (1 - SHORT[t]).sqrt()
    score = code.classifier_score(classifier_of(THREE), places, ts, y)
    fields = [-eps / deviation, score]
    fields += [-code.classifier_guided_eps(eps, score, ts, SHORT, s) / deviation for s in (1.0, 4.0)]
    names = ("all data's score", "the classifier's", "s = 1: their sum", "s = 4")
    for number, (ax, field, name) in enumerate(zip(axes, fields, names, strict=True)):
        backdrop(ax, t)
        if number:
            x0 = draw(THREE, torch.ones(FEW, dtype=torch.int64), rng(5))
            x = SHORT[t].sqrt() * x0 + (1 - SHORT[t]).sqrt() * static(FEW, 2, seed=6)
            ax.scatter(*x.T.numpy(), s=2, color=MODEL, alpha=0.4, linewidths=0)
        arrows(ax, field, places, INK)
        bare(ax, name)
    return figure


def noisy_classifier_loss(code: ModuleType) -> Figure:
    figure, (curve, line) = panels(2, height=2.8, width_ratios=[1.2, 1])
    ts = [*range(0, 100, 4), 99]
    curve.plot(ts, classifier_losses(code, ts, True, 4000), color=STATIC, label="perfect, for clean data")
    curve.plot(ts, classifier_losses(code, ts, False, 4000), color=MODEL, label="perfect, at every level")
    curve.axhline(torch.tensor(3.0).log(), color=INK, linestyle=":", linewidth=1)
    curve.annotate("ln 3: a guess", (99, 1.2), ha="right", fontsize=8.5)
    curve.set(title="loss of two classifiers, three labels", xlabel="t", ylabel="nats", xlim=(0, 99), ylim=(0, 8))
    curve.legend(loc="upper left")
    x_T, bins = static(4000, 1), torch.linspace(-2, 4.2, 125).numpy()
    y = torch.ones(4000, dtype=torch.int64)
    data = draw(LINE, y, rng(2))
    line.hist(data[:, 0].numpy(), bins=bins, density=True, color=PALE, label="data of label 1")
    for clean, colour, name in ((False, MODEL, "guided by the right one"), (True, STATIC, "by the clean one")):
        x = by_classifier(code, LINE, x_T, y, 1.0, clean)
        line.hist(x[:, 0].numpy(), bins=bins, density=True, color=colour, histtype="step", linewidth=1.6, label=name)
    line.set(title="samples, s = 1, label 1 of a line", xlabel="x", ylabel="density", xlim=(-2.6, 3.6), ylim=(0, 3.1))
    line.legend(loc="upper left")
    return figure


def drop_labels(code: ModuleType) -> Figure:
    figure, axes = panels(3, height=2.6, width_ratios=[1, 1, 1.15])
    y, generator = torch.randint(3, (24, 40), generator=rng(2)), rng(3)
    for ax, p in zip(axes, (0.1, 0.5), strict=False):
        rows = torch.stack([code.drop_labels(row, 3, p, generator) for row in y])
        of = [[_rgb(("#8fb0f3", "#f3b08f", "#8fcdb4", INK)[int(label)]) for label in row] for row in rows]
        ax.imshow(of, interpolation="nearest", aspect="auto")
        ax.set(title=f"p = {p}", xlabel="40 samples", xticks=[], yticks=[])
        for x in range(1, 40):
            ax.axvline(x - 0.5, color="white", linewidth=0.8)
        for row in range(1, 24):
            ax.axhline(row - 0.5, color="white", linewidth=0.8)
    axes[0].set_ylabel("24 batches; dark: dropped")
    batch = torch.zeros(128, dtype=torch.int64)
    counts = [(code.drop_labels(batch, 3, 0.1, generator) == 3).sum().item() for _ in range(5000)]
    ks = torch.arange(0, 31, dtype=torch.float64)
    axes[2].hist(counts, bins=torch.arange(-0.5, 31).numpy(), density=True, color=STATIC, alpha=0.6)
    binomial = torch.distributions.Binomial(128, torch.tensor(0.1, dtype=torch.float64)).log_prob(ks).exp()
    axes[2].plot(ks, binomial, "o", color=MODEL, markersize=3.5, label="Binomial(128, 0.1)")
    axes[2].set(title="dropped in a batch of 128, p = 0.1", xlabel="labels", ylabel="share of batches", xlim=(-0.5, 30))
    axes[2].legend(loc="upper right")
    return figure


def _rgb(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))


def cfg_loss(code: ModuleType) -> Figure:
    figure, (by_level, training) = panels(2, height=2.8)
    ts = list(range(0, 100, 3))
    found = {p: floors(code, ts, p, 4000) for p in (1.0, 0.1, 0.0)}
    for p, name, colour in (
        (1.0, "never told the label", STATIC),
        (0.1, "p = 0.1", MODEL),
        (0.0, "always told it", DATA),
    ):
        by_level.plot(ts, found[p], color=colour, label=name, linestyle="--" if p == 0.1 else "-")
    by_level.fill_between(ts, found[0.0], found[1.0], color=PALE, label="what guidance works with")
    by_level.set(title="cfg_loss of the best model, by level", xlabel="t", ylabel="mean square", xlim=(0, 99))
    by_level.set_ylim(0, 1.1)
    by_level.legend(loc="upper right")
    _, losses = trained(code, 0.1)
    smooth = torch.tensor(losses).unfold(0, 30, 1).mean(dim=1)
    training.semilogy(torch.arange(len(smooth)) + 30, smooth, color=MODEL, label="a network, p = 0.1")
    best = torch.tensor(floors(code, list(range(100)), 0.1, 2000)).mean()
    training.axhline(best, color=INK, linestyle=":", linewidth=1)
    training.annotate("the best model's", (790, best * 0.97), ha="right", va="top", fontsize=8.5)
    training.set(title="in training, mean of 30 steps", xlabel="step", ylabel="mean square", xlim=(0, 800))
    training.set_ylim(0.12, 1.1)
    training.set_yticks([0.2, 0.5, 1.0], ["0.2", "0.5", "1"])
    training.minorticks_off()
    training.legend(loc="upper right")
    return figure


def guided_eps(code: ModuleType) -> Figure:
    figure, (where, *fields) = panels(4, height=2.6)
    t, x_t = 18, torch.tensor([[-0.1, -0.35]], dtype=torch.float64)
    label, places = torch.ones(1, dtype=torch.int64), grid()
    a, model = SHORT[t], model_of(THREE)
    backdrop(where)
    where.scatter(*THREE.of(1).sample(FEW, rng(4)).T.numpy(), s=2, color=MODEL, alpha=0.3, linewidths=0)
    scales = (0.0, 1.0, 2.0, 3.0)
    ends = [
        (x_t - (1 - a).sqrt() * code.guided_eps(model, x_t, levels(t, x_t), label, THREE.null, s))[0] / a.sqrt()
        for s in scales
    ]
    where.plot(*torch.stack(ends).T, "o-", color=INK, markersize=4, linewidth=1, zorder=4)
    where.plot(*(x_t[0] / a.sqrt()), "x", color=STATIC, markersize=6, markeredgewidth=2, zorder=4)
    where.annotate("x_t / √ᾱ", (x_t[0] / a.sqrt()).tolist(), (5, -12), textcoords="offset points", fontsize=8)
    for s, end in zip(scales, ends, strict=True):
        where.annotate(f"s = {s:g}", end.tolist(), (-4, 6), textcoords="offset points", fontsize=8, ha="right")
    bare(where, f"the guess of x_0, t = {t}")
    ts, y = levels(t, places), torch.ones(len(places), dtype=torch.int64)
    for ax, s in zip(fields, (0.0, 1.0, 4.0), strict=True):
        backdrop(ax, t)
        eps = code.guided_eps(model, places, ts, y, THREE.null, s)
        arrows(ax, -eps / (1 - a).sqrt(), places, INK)
        ax.scatter(*(a.sqrt() * THREE.of(1).centres).T, s=25, color=MODEL, zorder=4)
        bare(ax, f"scores, s = {s:g}")
    return figure


def negative_guided_eps(code: ModuleType) -> Figure:
    figure, axes = panels(4, height=2.6)
    y, x_T = torch.ones(800, dtype=torch.int64), static(800, 2)
    model = model_of(THREE)

    def away(label: int) -> Tensor:
        return through(
            code,
            lambda x, t: code.negative_guided_eps(model, x, t, y, torch.full_like(y, label), 1.5),
            x_T,
        )

    drawn = {
        "scale 1: orange": code.guided_sample(model, x_T, y, SHORT, THREE.null, 1.0, STEPS),
        "scale 3, away from all": code.guided_sample(model, x_T, y, SHORT, THREE.null, 3.0, STEPS),
        "scale 1.5, away from blue": away(0),
        "scale 1.5, away from green": away(2),
    }
    for ax, (name, x) in zip(axes, drawn.items(), strict=True):
        for label, colour in ((0, "#cfdcf8"), (2, "#cbe9dd")):
            ax.scatter(*THREE.of(label).sample(600, rng(label)).T.numpy(), s=2, color=colour, linewidths=0)
        ax.scatter(*x.T.numpy(), s=2.5, color=MODEL, linewidths=0, alpha=0.8)
        bare(ax, name)
    return figure


def rescale_guidance(code: ModuleType) -> Figure:
    figure, (*shown, curve) = panels(5, height=2.3, width_ratios=[1, 1, 1, 1, 1.9])
    full, cond = glyph_guesses(code, 7.5, 36)["x0"]
    which = 18  # a cross, half of it guessed
    pictures = {"scale 1": cond, "scale 7.5": full}
    pictures |= {f"φ = {phi}": code.rescale_guidance(full, cond, phi) for phi in (0.7, 1.0)}
    greys = matplotlib.colormaps["gray"].resampled(24)  # a picture has 64 colours in all
    for ax, (name, images) in zip(shown, pictures.items(), strict=True):
        image = images[which, 0]
        ax.imshow(image, cmap=greys, vmin=-2, vmax=2)
        ax.set(title=f"{name}\ndeviation {image.std():.2f}", xticks=[], yticks=[])
    ts = list(range(4, 100, 5))
    for kind, colour, name in (("x0", MODEL, "as data x_0"), ("eps", STATIC, "as noise ε")):
        curve.semilogy(ts, [contrast(*glyph_guesses(code, 7.5, t)[kind]) for t in ts], color=colour, label=name)
    curve.set(title="deviation, scale 7.5 over scale 1", xlabel="t", xlim=(0, 99), ylim=(0.9, 9))
    curve.set_yticks([1, 2, 5], ["1", "2", "5"])
    curve.minorticks_off()
    curve.legend(loc="upper left")
    return figure


def interval_scale(code: ModuleType) -> Figure:
    figure, (curve, *drawn) = panels(4, height=2.6, width_ratios=[1.25, 1, 1, 1])
    t = torch.arange(100)
    curve.step(t / 100, code.interval_scale(t, 100, 4.0, 0.05, 0.25), color=MODEL, where="mid")
    curve.set(title="interval_scale, scale 4, 0.05 to 0.25", xlabel="t/T: 0 data, 1 static", xlim=(0, 1), ylim=(0, 4.4))
    curve.set_ylabel("scale")
    y, x_T, model = asked(700), static(2100, 2), model_of(THREE)

    def within(low: float, high: float) -> Tensor:
        def guess(x: Tensor, t: Tensor) -> Tensor:
            scale = code.interval_scale(t, len(SHORT), 4.0, low, high)
            return code.guided_eps(model, x, t, y, THREE.null, scale)

        return through(code, guess, x_T)

    for ax, (name, x) in zip(
        drawn,
        {
            "no guidance": within(2.0, 3.0),
            "scale 4 all the way": within(0.0, 1.0),
            "in the interval": within(0.05, 0.25),
        }.items(),
        strict=True,
    ):
        backdrop(ax)
        scatter(ax, x, colours(y), f"{name}: {off(x):.0%} off")
    return figure


def guided_sample(code: ModuleType) -> Figure:
    figure, (*drawn, curve) = panels(5, height=2.6, width_ratios=[1, 1, 1, 1, 1.5])
    y = asked()
    order = torch.randperm(len(y), generator=rng(0))[:1500]
    for ax, s in zip(drawn, SCALES[1:], strict=True):
        backdrop(ax)
        scatter(ax, guided(code, s, EACH)[order], colours(y[order]), f"scale {s:g}", size=1.8)
    scales = torch.linspace(1, 8, 29).tolist()
    curve.semilogy(scales, [tilted_deviation(s) for s in scales], color=STATIC, label="sharpened density")
    curve.semilogy(scales, [closed_deviation(s) for s in scales], color=INK, linewidth=1, label="closed form")
    few = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0)
    curve.semilogy(few, [end_deviation(code, s) for s in few], "o", color=MODEL, markersize=4, label="guided_sample")
    curve.set(title="Gaussian: deviation by scale", xlabel="scale", xlim=(0.8, 8.2), ylim=(0.0006, 0.9))
    curve.set_yticks([0.001, 0.01, 0.1, 0.5], ["0.001", "0.01", "0.1", "0.5"])
    curve.minorticks_off()
    curve.legend(loc="lower left")
    return figure
