"""The pictures of lesson 2."""

import math
from copy import deepcopy
from types import ModuleType

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

from exercises.toolkit.glyphs import glyphs
from exercises.toolkit.worlds import Mixture
from solutions.numbers.s2_ddpm import T, alpha_bar_of, bound, rng, schedules
from solutions.pictures.paper import DATA, INK, MODEL, OTHER, STATIC, panels

COLOURS = {"linear": DATA, "linear, mended": OTHER, "cosine": MODEL}


def lines(ax: Axes, code: ModuleType, quantity, names=("linear", "cosine"), **settings) -> None:
    """A quantity of betas, for some of the schedules."""
    for name in names:
        ax.plot(quantity(schedules(code)[name]), color=COLOURS[name], label=name)
    ax.set(xlabel="t", xlim=(0, T - 1), **settings)
    ax.legend()


def picture(ax: Axes, image: Tensor, title: str) -> None:
    ax.imshow(image.reshape(8, 8), cmap="gray", vmin=-1.5, vmax=1.5)
    ax.set(title=title, xticks=[], yticks=[])


def linear_schedule(code: ModuleType) -> Figure:
    figure, (betas, kept) = panels(2, height=2.4)
    lines(betas, code, lambda table: table, names=("linear",), title="β")
    lines(
        kept,
        code,
        lambda table: alpha_bar_of(table).sqrt(),
        names=("linear",),
        title="√ᾱ, what is left",
        ylim=(0, 1.03),
    )
    for T_, style in ((100, "--"), (250, ":")):
        root = alpha_bar_of(code.linear_schedule(T_)).sqrt()
        kept.plot(torch.arange(T_) * (T - 1) / (T_ - 1), root, style, color=INK, label=f"the same ends, T = {T_}")
    kept.set(xlabel="t, stretched")
    kept.legend()
    return figure


def cosine_schedule(code: ModuleType) -> Figure:
    figure, (betas, kept) = panels(2, height=2.4)
    lines(betas, code, lambda table: table, title="β", yscale="log")
    lines(kept, code, lambda table: alpha_bar_of(table), title="ᾱ", ylim=(0, 1.03))
    return figure


def snr(code: ModuleType) -> Figure:
    figure, (ratio, pace) = panels(2, height=2.4)
    lines(ratio, code, lambda table: code.snr(alpha_bar_of(table)), title="SNR", yscale="log", ylim=(1e-5, 2e4))
    ratio.axhline(1, color=STATIC, linewidth=1)
    lines(
        pace,
        code,
        lambda table: -code.snr(alpha_bar_of(table)).log().diff(),
        title="how much log SNR falls in a step",
        ylim=(0, 0.05),
    )
    return figure


def zero_terminal_snr(code: ModuleType) -> Figure:
    figure, (whole, end) = panels(2, height=2.4)
    names = ("linear", "linear, mended")
    lines(whole, code, lambda table: alpha_bar_of(table).sqrt(), names=names, title="√ᾱ", ylim=(0, 1.03))
    lines(end, code, lambda table: alpha_bar_of(table).sqrt(), names=names, title="the same, near the end")
    end.set(xlim=(900, 999), ylim=(0, 0.03))
    return figure


def velocity(code: ModuleType) -> Figure:
    figure, axes = panels(12, height=1.6)
    x0, _ = glyphs(1, rng(3))
    eps, alpha_bar = torch.randn(x0.shape, generator=rng(4)), alpha_bar_of(code.cosine_schedule(T))
    for first, level in ((0, 50), (4, 500), (8, 950)):
        t, a = torch.tensor([level]), float(alpha_bar[level])
        shown = {
            f"t = {level}: x_t": a**0.5 * x0 + (1 - a) ** 0.5 * eps,
            "ε": eps,
            "x0": x0,
            "v": code.velocity(x0, eps, t, alpha_bar),
        }
        for ax, (title, image) in zip(axes[first:], shown.items(), strict=False):
            picture(ax, image, title)
    return figure


def to_x0(code: ModuleType) -> Figure:
    figure, (circle, errors) = panels(2, height=2.8, width_ratios=[1, 1.5])
    angle = torch.linspace(0, math.pi / 2, 100)
    circle.plot(angle.cos(), angle.sin(), color=STATIC)
    phi = 0.9
    for x, y, colour, name in (
        (1, 0, DATA, "x0"),
        (0, 1, INK, "ε"),
        (math.cos(phi), math.sin(phi), MODEL, "x_t"),
        (-math.sin(phi), math.cos(phi), OTHER, "v"),
    ):
        circle.annotate(
            "", (x, y), (0, 0), arrowprops={"arrowstyle": "-|>", "color": colour, "shrinkA": 0, "shrinkB": 0}
        )
        circle.annotate(name, (1.08 * x, 1.08 * y), color=colour, ha="center", va="center")
    circle.set(
        xlim=(-1, 1.25), ylim=(-0.1, 1.25), aspect="equal", xticks=[], yticks=[], title="a turn by φ, cos φ = √ᾱ"
    )
    error_of(code.to_x0, code, errors, "error of x0 per error of the prediction")
    return figure


def error_of(convert, code: ModuleType, ax: Axes, title: str) -> None:
    """By how much a small error of each kind of prediction is multiplied."""
    alpha_bar, levels = alpha_bar_of(code.cosine_schedule(T))[:-1], torch.arange(T - 1)
    one, zero = torch.ones(T - 1, 1, dtype=torch.float64), torch.zeros(T - 1, 1, dtype=torch.float64)
    for kind, colour in (("eps", INK), ("x0", DATA), ("v", OTHER)):
        ax.semilogy(convert(one, zero, levels, alpha_bar, kind).abs().clamp(min=1e-3), color=colour, label=kind)
    ax.set(title=title, xlabel="t, cosine schedule", xlim=(0, T - 1), ylim=(1e-2, 1e2))
    ax.legend(loc="best")


def to_eps(code: ModuleType) -> Figure:
    figure, (errors,) = panels(1, height=2.6, width=5.0)
    error_of(code.to_eps, code, errors, "error of ε per error of the prediction")
    return figure


def prediction_loss(code: ModuleType) -> Figure:
    figure, axes = panels(2, height=2.6)
    alpha_bar = alpha_bar_of(code.linear_schedule(T))
    for ax, gamma in zip(axes, (None, 5.0), strict=True):
        for kind, colour in (("eps", INK), ("x0", DATA), ("v", OTHER)):
            ax.loglog(code.snr(alpha_bar), weights_of_x0(code, alpha_bar, kind, gamma), color=colour, label=kind)
        ax.set(title="no weights" if gamma is None else "min-SNR-γ, γ = 5", xlabel="SNR", ylim=(1e-5, 2e4))
        ax.set_ylabel("weight of an error of x0")
        ax.legend()
    return figure


def weights_of_x0(code: ModuleType, alpha_bar: Tensor, kind: str, gamma: float | None) -> Tensor:
    """The loss, at each level, of a model whose guess of x0 = 0 is off by 1."""
    found = []
    for level in range(0, T, 1):
        t, zero = torch.tensor([level]), torch.zeros(1, 1, dtype=torch.float64)
        a = alpha_bar[level]
        wrong = {"eps": -(a / (1 - a)).sqrt(), "x0": torch.ones(()), "v": -1 / (1 - a).sqrt()}[kind].reshape(1, 1)
        found.append(
            code.prediction_loss(lambda x_t, t, wrong=wrong: wrong.double(), zero, t, zero, alpha_bar, kind, gamma)
        )
    return torch.stack(found)


def gaussian_kl(code: ModuleType) -> Figure:
    figure, (apart, spread) = panels(2, height=2.4)
    x = torch.linspace(-3, 3, 200, dtype=torch.float64)
    zero = torch.zeros_like(x)
    apart.plot(x, code.gaussian_kl(x, zero, zero, zero), color=DATA)
    apart.set(title="N(m, 1) to N(0, 1), in nats", xlabel="m")
    spread.plot(x.exp(), code.gaussian_kl(zero, 2 * x, zero, zero), color=DATA, label="N(0, σ²) to N(0, 1)")
    spread.plot(x.exp(), code.gaussian_kl(zero, zero, zero, 2 * x), color=MODEL, label="N(0, 1) to N(0, σ²)")
    spread.set(title="the two directions", xlabel="σ", xlim=(0.1, 4), ylim=(0, 3))
    spread.legend()
    return figure


def decoder_nll(code: ModuleType) -> Figure:
    figure, (bins, tails) = panels(2, height=2.6)
    levels = torch.arange(256, dtype=torch.float64) / 127.5 - 1
    for std, colour in ((0.05, DATA), (0.2, MODEL), (1.0, OTHER)):
        logvar = torch.full_like(levels, 2 * math.log(std))
        nats = code.decoder_nll(levels, torch.full_like(levels, 0.6), logvar)
        bins.plot(levels, torch.exp(-nats), color=colour, label=f"σ = {std:g}", drawstyle="steps-mid")
    bins.set(title="masses of the 256 bytes, mean 0.6", xlabel="x0", yscale="log", ylim=(1e-5, 0.2))
    bins.legend(loc="lower left")
    away = torch.linspace(0, 1, 300, dtype=torch.float64)
    x0, logvar = levels[128].expand(300), torch.full((300,), 2 * math.log(0.05), dtype=torch.float64)
    tails.plot(away / 0.05, code.decoder_nll(x0, x0 - away, logvar), color=DATA, label="exact")
    tails.axhline(-math.log(1e-12), color=MODEL, linestyle="--", label="where a clamp at 1e-12 stops")
    tails.set(title="the price, in nats", xlabel="σ between byte and mean", xlim=(0, 20), ylim=(0, 210))
    tails.legend(loc="upper left")
    return figure


def prior_kl(code: ModuleType) -> Figure:
    figure, (ax,) = panels(1, height=2.4, width=5.0)
    x0 = torch.ones(1, 1, dtype=torch.float64)
    for levels, colour in ((100, STATIC), (250, OTHER), (1000, DATA)):
        alpha_bar = alpha_bar_of(code.linear_schedule(levels))
        bits = [code.prior_kl(x0, alpha_bar[: t + 1]).item() for t in range(levels)]
        ax.semilogy(bits, color=colour, label=f"linear, T = {levels}")
    ax.set(title="bits per dimension left if the chain ended at t", xlabel="t", xlim=(0, 999), ylim=(1e-5, 10))
    ax.legend()
    return figure


def vlb_term(code: ModuleType) -> Figure:
    figure, (terms, total) = panels(2, height=2.6)
    for name in ("linear", "cosine"):
        bits = bound(code, schedules(code)[name])
        terms.loglog(torch.arange(1, T), bits, color=COLOURS[name], label=name)
        total.plot(torch.arange(1, T), bits.cumsum(0), color=COLOURS[name], label=name)
    terms.set(title="terms of unit normal data, bits per dimension", xlabel="t", xlim=(1, T - 1))
    total.set(title="their sum up to t", xlabel="t", xlim=(0, T - 1), ylim=(0, 9))
    terms.legend()
    return figure


def learned_log_variance(code: ModuleType) -> Figure:
    figure, (ax,) = panels(1, height=2.5, width=5.5)
    betas, levels = schedules(code)["linear"], torch.arange(T)
    for v, colour in ((1.0, MODEL), (0.0, OTHER), (-1.0, DATA)):
        logvar = code.learned_log_variance(torch.full((T, 1), v, dtype=torch.float64), levels, betas)
        ax.loglog(levels + 1, logvar.exp(), color=colour, label=f"v = {v:g}")
    ax.set(title="σ² between β̃ and β", xlabel="t + 1", xlim=(1, 100), ylim=(3e-5, 3e-3))
    ax.legend()
    return figure


def ancestral_sample(code: ModuleType) -> Figure:
    figure, axes = panels(3, height=2.3)
    centres = torch.tensor([[-0.8], [0.0], [0.8]], dtype=torch.float64)
    world = Mixture(centres, torch.full((3,), 0.003, dtype=torch.float64), torch.full((3,), 1 / 3, dtype=torch.float64))
    betas = code.cosine_schedule(12).double()
    alpha_bar, x_T = alpha_bar_of(betas), torch.randn(20_000, 1, dtype=torch.float64, generator=rng(1))
    edges = torch.linspace(-1.6, 1.6, 120)
    for ax, variance in zip(axes, ("small", "large"), strict=False):
        drawn = code.ancestral_sample(
            lambda x, t: world.eps(x, t, alpha_bar), x_T, betas, variance=variance, generator=rng(2)
        )
        ax.hist(drawn.flatten().numpy(), bins=edges.numpy(), color=DATA)
        ax.set(title=f"12 steps, variance {variance!r}", yticks=[], ylim=(0, 2600))
    axes[2].hist(world.sample(20_000, generator=rng(3)).flatten().numpy(), bins=edges.numpy(), color=STATIC)
    axes[2].set(title="data", yticks=[], ylim=(0, 2600))
    return figure


def ema_update(code: ModuleType) -> Figure:
    figure, (ax,) = panels(1, height=2.4, width=6.5)
    model, generator = nn.Linear(1, 1, bias=False), rng(0)
    paths: dict[float, list[float]] = {0.9: [], 0.99: []}
    slow = {decay: deepcopy(model) for decay in paths}
    fast = []
    for step in range(600):
        with torch.no_grad():
            model.weight.fill_(1 - math.exp(-step / 80) + 0.15 * torch.randn((), generator=generator).item())
        fast.append(model.weight.item())
        for decay, copied in slow.items():
            code.ema_update(copied, model, decay if step else 0.0)
            paths[decay].append(copied.weight.item())
    ax.plot(fast, color=STATIC, linewidth=0.6, label="the model")
    for (decay, path), colour in zip(paths.items(), (DATA, MODEL), strict=True):
        ax.plot(path, color=colour, label=f"decay {decay}")
    ax.set(title="a weight in training, and its slow copies", xlabel="step", xlim=(0, 600))
    ax.legend(loc="lower right")
    return figure


def UNet(code: ModuleType) -> Figure:
    figure, axes = panels(3, height=2.6)
    torch.manual_seed(0)
    network = code.UNet(1, 16, (1, 2, 2)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=rng(6)))
    x = torch.randn(1, 1, 32, 32, generator=rng(7)).requires_grad_()
    for ax, (row, column) in zip(axes, ((16, 16), (4, 4), (28, 10)), strict=True):
        (pull,) = torch.autograd.grad(network(x, torch.tensor([100]))[0, 0, row, column], x)
        strength = pull[0, 0].abs().log10()
        ax.imshow(strength, cmap="magma", vmin=strength.max() - 4, vmax=strength.max())
        ax.set(title=f"what pixel ({row}, {column}) listens to", xticks=[], yticks=[])
    return figure
