"""The pictures of lesson 4."""

import math
from itertools import pairwise
from types import ModuleType

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from solutions.numbers.s4_fast_sampling import (
    ALPHA_BAR,
    MOONS,
    NARROW,
    TWO,
    T,
    brightness_kept,
    drawn,
    edm_denoiser,
    edm_error,
    moons_eps,
    off,
    quality,
    rms_errors,
    rng,
    solver2_chain,
    steps_of_lambda,
    z_of,
)
from solutions.pictures.paper import DATA, INK, MODEL, OTHER, STATIC, bare, panels, scatter
from solutions.pictures.paper import MOONS as MOON_COLOURS

NAMES = {"ddim": "DDIM", "dpm_solver2": "DPM-Solver-2", "dpmpp_2m": "DPM-Solver++(2M)"}
COLOURS = {"ddim": INK, "dpm_solver2": DATA, "dpmpp_2m": MODEL}


def cloud(ax: Axes, x: Tensor, title: str, size: float = 1.6) -> None:
    """Samples: blue on the moons and orange off them, with the share of those."""
    away = off(x)
    bare(ax, f"{title}\n{quality(x)[1]:.1%} off")
    ax.set(xlim=(-2.3, 2.3), ylim=(-2.3, 2.3))
    for rows, colour in ((~away, DATA), (away, MODEL)):
        ax.scatter(*x[rows].T.numpy(), s=size, color=colour, linewidths=0, alpha=0.7)


def moon_of(x: Tensor) -> list[str]:
    """A colour for the moon that each point is nearer to."""
    nearest = torch.cdist(x.double(), MOONS.centres).argmin(dim=1)
    return [MOON_COLOURS[int(bead >= len(MOONS.centres) // 2)] for bead in nearest]


def timesteps(code: ModuleType) -> Figure:
    figure, (rows, kept) = panels(2, height=2.5, width_ratios=[1.5, 1])
    n = 8
    spacings = {
        "trailing": code.timesteps(T, n).tolist(),
        "leading": [i * (T // n) for i in reversed(range(n))],
        "linspace": torch.linspace(T - 1, 0, n).round().long().tolist(),
    }
    for height, ((name, levels), colour) in enumerate(zip(spacings.items(), (DATA, MODEL, INK), strict=True)):
        rows.hlines(height, -70, T - 1, color="#d5dae1", linewidth=1)
        rows.plot(levels, [height] * n, "o", color=colour, markersize=5.5)
        rows.plot(-70, height, "D", color=colour, markersize=5.5, markerfacecolor="white")
        rows.annotate(name, (999, height - 0.36), color=colour)
    rows.annotate("clean", (-70, -0.5), ha="center", color=INK)
    rows.set(title="eight calls of the model, T = 1000", xlabel="t, from static on the left", xlim=(1010, -110))
    rows.set(yticks=[], xticks=[999, 750, 500, 250, 0], ylim=(2.4, -0.8))
    rows.spines["left"].set_visible(False)
    counts = list(range(2, 101))
    kept.plot(
        counts, [brightness_kept(int(code.timesteps(T, n)[0])) for n in counts], color=DATA, label="trailing, linspace"
    )
    kept.plot(counts, [brightness_kept((n - 1) * (T // n)) for n in counts], color=MODEL, label="leading")
    kept.set(title="how much of the brightness' spread is left", xlabel="model calls", xlim=(2, 100), ylim=(0, 1))
    kept.legend(loc="upper right")
    return figure


def ddim_step(code: ModuleType) -> Figure:
    figure, (budget, *fans) = panels(4, height=2.5, width_ratios=[1.6, 1, 1, 1])
    t, t_prev = 399, 199
    etas, nothing, one = torch.linspace(0, 1, 60), torch.zeros(1, 1).double(), torch.ones(1, 1).double()
    fresh = [code.ddim_step(nothing, nothing, t, t_prev, ALPHA_BAR, float(eta), one).item() ** 2 for eta in etas]
    signal = [ALPHA_BAR[t_prev].item()] * len(etas)
    along = [1 - s - f for s, f in zip(signal, fresh, strict=True)]
    labels = ("of the data", "of the guessed noise", "of fresh noise")
    budget.stackplot(etas, signal, along, fresh, labels=labels, colors=("#bcd0f7", "#d5dae1", "#f5b994"))
    for height, label in zip((0.3, 0.7, 0.9), labels, strict=True):
        budget.annotate(label, (0.97, height), ha="right", va="center")
    budget.set(title=f"what the variance is made of at t = {t_prev}", xlabel="η", xlim=(0, 1), ylim=(0, 1))
    x_t = torch.tensor([[1.9, 1.5]])
    eps = moons_eps(x_t, torch.tensor([t]))
    a = ALPHA_BAR[t].float()
    x0 = (x_t - (1 - a).sqrt() * eps) / a.sqrt()
    for ax, eta in zip(fans, (0.0, 0.5, 1.0), strict=True):
        noise = torch.randn(400, 2, generator=rng(3))
        ends = code.ddim_step(x_t.expand(400, 2), eps.expand(400, 2), t, t_prev, ALPHA_BAR, eta, noise)
        scatter(ax, MOONS.sample(700, rng(4)).float(), STATIC, f"{t} → {t_prev}, η = {eta:g}", size=1.5)
        ax.scatter(*ends.T, s=3, color=MODEL, linewidths=0, alpha=0.4 if eta else 1.0)
        middle = code.ddim_step(x_t, eps, t, t_prev, ALPHA_BAR, eta, 0 * x_t)
        ax.plot(*torch.cat([x_t, middle]).T, color=INK, linewidth=0.9)
        for point, colour, name, offset in (
            (x_t, INK, "x_t", (-2, -13)),
            (x0, DATA, "x̂0", (6, -3)),
            (middle, MODEL, "", (0, 0)),
        ):
            ax.plot(*point.T, "o", color=colour, markersize=5, zorder=4)
            ax.annotate(name, point[0], xytext=offset, textcoords="offset points", color=colour)
    return figure


def ddim_sample(code: ModuleType) -> Figure:
    figure = Figure(figsize=(9.0, 4.1), layout="constrained")
    axes = figure.subplots(2, 6)
    for row, (sampler, name) in zip(axes, (("ddim", "η = 0"), ("ancestral", "η = 1")), strict=True):
        for ax, n in zip(row, (1, 5, 10, 20, 50, 1000), strict=True):
            cloud(ax, drawn(code, sampler, n), f"{name}, {n} call{'s' if n > 1 else ''}", size=1.0)
    return figure


def ddim_invert(code: ModuleType) -> Figure:
    figure, (before, there, back, error) = panels(4, height=2.5, width_ratios=[1, 1, 1, 1.5])
    x0 = MOONS.sample(2500, rng(3)).float()
    colours, n = moon_of(x0), 50
    found = code.ddim_invert(moons_eps, x0, ALPHA_BAR, n)
    scatter(before, x0, colours, "data", size=1.5)
    scatter(there, found, colours, f"its static, {n} calls up", size=1.5)
    scatter(back, code.ddim_sample(moons_eps, found, ALPHA_BAR, n), colours, f"and {n} calls down", size=1.5)
    counts = (5, 10, 20, 40, 80, 160)
    off_by = []
    for n in counts:
        again = code.ddim_sample(moons_eps, code.ddim_invert(moons_eps, x0[:500], ALPHA_BAR, n), ALPHA_BAR, n)
        off_by.append((again - x0[:500]).square().sum(1).mean().sqrt().item())
    error.loglog(counts, off_by, "o-", color=MODEL, markersize=4)
    plain_log(error, counts, (0.03, 0.1, 0.3))
    error.set(title="there and back: distance from the start", xlabel="calls each way")
    return figure


def plain_log(ax: Axes, xticks: tuple, yticks: tuple = ()) -> None:
    """Logarithmic axes whose ticks are plain numbers at these places."""
    ax.minorticks_off()
    ax.set_xticks(xticks, [f"{tick:g}" for tick in xticks])
    if yticks:
        ax.set_yticks(yticks, [f"{tick:g}" for tick in yticks])


def half_log_snr(code: ModuleType) -> Figure:
    figure, (curve, rows) = panels(2, height=2.5, width_ratios=[1, 1.4])
    lam, levels = code.half_log_snr(ALPHA_BAR), code.timesteps(T, 10)
    curve.plot(lam, color=DATA)
    curve.plot(levels, lam[levels], "o", color=DATA, markersize=4)
    curve.axhline(0, color=STATIC, linewidth=0.8)
    curve.annotate("as much data as noise", (985, 0.25), ha="left", color=INK)
    curve.set(title="λ of DDPM's schedule", xlabel="t, from static on the left", ylabel="λ, nats", xlim=(999, 0))
    for height, (name, times) in zip((1, 0), (("even in t", levels), ("even in λ", None)), strict=True):
        places = lam[times] if times is not None else torch.linspace(lam[-1], lam[0], 10)
        colour = DATA if times is not None else OTHER
        rows.hlines(height, lam[-1], lam[0], color="#d5dae1", linewidth=1)
        rows.plot(places, [height] * 10, "o", color=colour, markersize=5, clip_on=False)
        rows.annotate(name, (lam[-1], height + 0.22), color=colour)
    strides = steps_of_lambda(code, 10)
    rows.annotate(
        f"the last of these goes on to λ = ∞; steps {strides.min():.2f} to {strides.max():.2f}",
        (lam[-1], 0.72),
        color=INK,
    )
    rows.set(title="ten levels, on the solver's clock", xlabel="λ", yticks=[], ylim=(-0.4, 1.6))
    rows.spines["left"].set_visible(False)
    return figure


def exact_path(ax: Axes, code: ModuleType, start: float, t: int, t_prev: int) -> None:
    """The way of one point of `TWO` between two levels, on axes where paths of constant ε are straight: x/α over σ/α."""
    clock = code.half_log_snr(ALPHA_BAR)
    x, points = torch.tensor([[start]], dtype=torch.float64), []
    grid = torch.linspace(clock[t].item(), clock[t_prev].item(), 300, dtype=torch.float64).tolist()
    for low, high in pairwise(grid):
        points.append(z_of(x, low))
        x = solver2_chain(code, x, [low, high], 1, TWO)
    points.append(z_of(x, grid[-1]))
    ax.plot(*zip(*points, strict=True), color=STATIC, linewidth=4, solid_capstyle="round", label="exact")


def dpm_solver2_step(code: ModuleType) -> Figure:
    figure, (path, errors) = panels(2, height=2.9, width_ratios=[1.25, 1])
    lam = code.half_log_snr(ALPHA_BAR)
    t, end, start = 399, 199, 0.42
    exact_path(path, code, start, t, end)
    lam_s, lam_t = lam[t].item(), lam[end].item()
    x = torch.tensor([[start]], dtype=torch.float64)
    seen: list[tuple[float, float]] = []

    def eps_fn(x: Tensor, lam: float | Tensor) -> Tensor:
        level = torch.sigmoid(2 * torch.as_tensor(lam, dtype=torch.float64)).expand(len(x))
        seen.append(z_of(x, float(lam)))
        return TWO.eps(x, torch.arange(len(x)), level)

    arrived = code.dpm_solver2_step(eps_fn, x, lam_s, lam_t)
    first = code.ddim_step(x, TWO.eps(x, torch.tensor([t]), ALPHA_BAR), t, end, ALPHA_BAR)
    begin, ahead, goal = seen[0], seen[1], z_of(arrived, lam_t)
    path.plot(
        *zip(begin, z_of(first, lam_t), strict=True),
        "o-",
        color=INK,
        markersize=5,
        label="DDIM: the slope at the start",
    )
    path.plot(
        *zip(begin, ahead, strict=True), "o:", color=DATA, markersize=5, linewidth=1.2, label="half a step, to look"
    )
    path.plot(
        *zip(begin, goal, strict=True), "o-", color=DATA, markersize=5, label="DPM-Solver-2: the slope seen there"
    )
    path.set(title="one step, from right to left", xlabel="σ/α, noise per signal", ylabel="x/α", ylim=(0.45, 1.2))
    path.legend(loc="upper left")
    order_plot(errors, code, ("ddim", "dpm_solver2"))
    return figure


def order_plot(ax: Axes, code: ModuleType, names: tuple[str, ...]) -> None:
    """How far samplers end from where the exact flow of `TWO` ends, by model calls."""
    counts = (8, 16, 32, 64, 128, 250)
    for name in names:
        ax.loglog(counts, rms_errors(code, name, counts), "o-", color=COLOURS[name], markersize=4, label=NAMES[name])
    plain_log(ax, counts, (0.001, 0.01, 0.1))
    ax.set(title="distance from the exact flow", xlabel="model calls")
    ax.legend(loc="lower left")


def dpmpp_2m_step(code: ModuleType) -> Figure:
    figure, (guesses, errors) = panels(2, height=2.9, width_ratios=[1.25, 1])
    lam = code.half_log_snr(ALPHA_BAR)
    levels, start = (549, 399, 199), 0.45
    places = [lam[level].item() for level in levels]
    fine = torch.linspace(places[0] - 0.3, places[-1] + 0.3, 200, dtype=torch.float64).tolist()
    x, seen = torch.tensor([[start]], dtype=torch.float64), []
    for low, high in pairwise(fine):
        level = torch.sigmoid(2 * torch.tensor([low], dtype=torch.float64))
        seen.append(TWO.x0(x, torch.tensor([0]), level).item())
        x = solver2_chain(code, x, [low, high], 1, TWO)
    guesses.plot(fine[:-1], seen, color=STATIC, linewidth=4, solid_capstyle="round")
    before, now = (seen[min(range(len(seen)), key=lambda k: abs(fine[k] - place))] for place in places[:2])
    middle = (places[1] + places[2]) / 2
    ahead = now + (middle - places[1]) * (now - before) / (places[1] - places[0])
    guesses.axvspan(places[1], places[2], color="#eef1f4", linewidth=0)
    guesses.hlines(now, places[1], places[2], color=INK)
    guesses.hlines(ahead, places[1], places[2], color=MODEL)
    guesses.plot([places[0], middle], [before, ahead], color=MODEL, linewidth=1.2, linestyle=":")
    guesses.plot(places[:2], [before, now], "o", color=INK, markersize=6)
    guesses.plot(middle, ahead, "o", color=MODEL, markersize=6)
    for text, where, colour in (
        ("x̂0 along the exact path", (fine[0], 0.92), "#6b7683"),
        ("first order: what was seen last", (places[1] + 0.03, now - 0.09), INK),
        ("second order: the line at the middle", (places[1] + 0.03, ahead + 0.05), MODEL),
    ):
        guesses.annotate(text, where, color=colour)
    guesses.set(title="which x̂0 stands for the grey step?", xlabel="λ", ylabel="x̂0", ylim=(None, 1.25))
    guesses.set_xticks(places, ["λ_prev", "λ_s", "λ_t"])
    order_plot(errors, code, ("ddim", "dpm_solver2", "dpmpp_2m"))
    return figure


def dpmpp_2m_sample(code: ModuleType) -> Figure:
    figure, axes = panels(6, height=2.1)
    for ax, n in zip(axes, (5, 8, 10, 15, 20), strict=False):
        cloud(ax, drawn(code, "2m", n), f"2M, {n} calls", size=1.0)
    cloud(axes[5], drawn(code, "ancestral", 1000), "ancestral, 1000", size=1.0)
    return figure


def karras_sigmas(code: ModuleType) -> Figure:
    figure, (rows, errors) = panels(2, height=2.6, width_ratios=[1.5, 1])
    for height, (rho, colour) in enumerate(((1.0, INK), (3.0, STATIC), (7.0, MODEL), (20.0, OTHER))):
        levels = code.karras_sigmas(18, rho=rho)[:-1]
        rows.plot(levels, [height] * 18, "o", color=colour, markersize=4.5, clip_on=False)
        rows.annotate(f"ρ = {rho:g}", (120, height), ha="right", va="center", color=colour, annotation_clip=False)
    rows.set(xscale="log", xlim=(100, 0.0015), ylim=(-0.5, 3.5), yticks=[])
    rows.set(title="18 levels; the last step goes on to 0", xlabel="σ, from static on the left")
    rows.spines["left"].set_visible(False)
    rows.tick_params(axis="x", which="minor", length=0)
    places = [1, 1.5, 2, 3, 4, 5, 7, 10, 14, 20, 30]
    for n, colour in ((18, MODEL), (36, DATA)):
        errors.loglog(
            places,
            [edm_error(code, code.karras_sigmas(n, rho=rho)) for rho in places],
            color=colour,
            label=f"{n} levels",
        )
    errors.axvline(7, color=STATIC, linewidth=0.8)
    plain_log(errors, (1, 2, 3, 5, 7, 10, 20), (0.01, 0.1, 1))
    errors.set(title="error of Heun's sampler, data N(0, 0.25)", xlabel="ρ")
    errors.legend(loc="upper right")
    return figure


def edm_precondition(code: ModuleType) -> Figure:
    figure, (parts, target, mistake) = panels(3, height=2.6)
    sigma = torch.logspace(-2.7, 1.9, 200, dtype=torch.float64)
    skip, out, scale, _ = code.edm_precondition(sigma)
    for values, colour, name in ((skip, DATA, "c_skip"), (out, MODEL, "c_out"), (scale, OTHER, "c_in")):
        parts.semilogx(sigma, values, color=colour, label=name)
    parts.set(title="σ_data = 0.5", xlabel="σ", ylim=(0, 2.1))
    parts.legend(loc="upper right")
    # The target (x0 - c_skip x) / c_out is a sum of data and noise: how much of each
    data, noise = (1 - skip) / out * 0.5, skip * sigma / out
    target.stackplot(sigma, data.square(), noise.square(), colors=("#bcd0f7", "#d5dae1"))
    target.set(title="what F must say: variance 1", xlabel="σ", xscale="log", xlim=(0.002, 80), ylim=(0, 1))
    target.annotate("minus the noise", (0.004, 0.5))
    target.annotate("the data", (4, 0.5))
    mistake.loglog(sigma, sigma, color=INK, label="c_skip = 1: F says the noise")
    mistake.loglog(sigma, 0 * sigma + 0.5, color=STATIC, label="c_skip = 0: F says the data")
    mistake.loglog(sigma, out, color=MODEL, label="EDM's")
    mistake.set(title="what F's errors are multiplied by", xlabel="σ", ylim=(1.5e-3, 3e3))
    mistake.legend(loc="upper left")
    return figure


def heun_sample(code: ModuleType) -> Figure:
    figure, (paths, errors) = panels(2, height=2.9, width_ratios=[1.4, 1])
    fine, coarse = (code.karras_sigmas(n, 0.15, 3.0).double() for n in (300, 6))

    def seen(sigmas: Tensor, start: float) -> tuple[list[float], list[float]]:
        """Where a point of `TWO` is at each level."""
        x, found = torch.tensor([[start]], dtype=torch.float64), [start]
        for high, low in pairwise(sigmas.tolist()):
            if low > 0:  # a step by itself: down to `low`, and from there to 0, which is left off
                at_low: list[Tensor] = []
                code.heun_sample(lambda x, s, low=low, at_low=at_low: spy(x, s, low, at_low), x, [high, low, 0.0])
                x = at_low[-1]
            else:
                x = code.heun_sample(lambda x, s: edm_denoiser(x, s, TWO), x, [high, 0.0])
            found.append(x.item())
        return sigmas.tolist(), found

    def spy(x: Tensor, sigma: Tensor, low: float, at_low: list[Tensor]) -> Tensor:
        if sigma[0].item() == low:
            at_low.append(x)
        return edm_denoiser(x, sigma, TWO)

    def euler(sigmas: Tensor, start: float) -> list[float]:
        x, found = torch.tensor([[start]], dtype=torch.float64), [start]
        for high, low in pairwise(sigmas.tolist()):
            x = x + (low - high) * (x - edm_denoiser(x, x.new_full((1,), high), TWO)) / high
            found.append(x.item())
        return found

    for start in (-2.4, -1.4, -0.7, -0.25, 0.25, 0.7, 1.4, 2.4):
        first = start == -2.4
        paths.plot(*seen(fine, start), color="#cfd6dd", linewidth=3.5, label="exact" if first else None)
        paths.plot(
            coarse, euler(coarse, start), "o-", color=INK, markersize=3, linewidth=1, label="Euler" if first else None
        )
        paths.plot(
            *seen(coarse, start), "o-", color=MODEL, markersize=3.5, linewidth=1.4, label="Heun" if first else None
        )
    paths.set(
        title="six steps from σ = 3 to data near ±1", xlabel="σ", ylabel="x", xlim=(3.05, -0.05), ylim=(-2.6, 3.3)
    )
    paths.legend(loc="upper center", ncols=3)
    counts = (6, 9, 18, 36, 72)
    errors.loglog(
        [2 * n - 1 for n in counts],
        [edm_error(code, code.karras_sigmas(2 * n - 1), heun=False) for n in counts],
        "o-",
        color=INK,
        markersize=4,
        label="Euler",
    )
    errors.loglog(
        [2 * n - 1 for n in counts],
        [edm_error(code, code.karras_sigmas(n)) for n in counts],
        "o-",
        color=MODEL,
        markersize=4,
        label="Heun",
    )
    plain_log(errors, tuple(2 * n - 1 for n in counts), (0.01, 0.1, 1))
    errors.set(title="error, data N(0, 0.25), σ from 80", xlabel="denoiser calls")
    errors.legend(loc="lower left")
    return figure


def distillation_target(code: ModuleType) -> Figure:
    figure, (path, levels) = panels(2, height=2.9, width_ratios=[1.5, 1])
    lam, (t, t_mid, t_prev), start = code.half_log_snr(ALPHA_BAR).tolist(), (449, 249, 49), 0.45
    exact_path(path, code, start, t, t_prev)
    x = torch.tensor([[start]], dtype=torch.float64)

    def teacher(x: Tensor, t: Tensor) -> Tensor:
        return TWO.eps(x, t, ALPHA_BAR)

    middle = code.ddim_step(x, teacher(x, torch.tensor([t])), t, t_mid, ALPHA_BAR)
    end = code.ddim_step(middle, teacher(middle, torch.tensor([t_mid])), t_mid, t_prev, ALPHA_BAR)
    target = code.distillation_target(teacher, x, t, t_mid, t_prev, ALPHA_BAR).item()
    alone = TWO.x0(x, torch.tensor([t]), ALPHA_BAR).item()
    walked = [z_of(x, lam[t]), z_of(middle, lam[t_mid]), z_of(end, lam[t_prev])]
    path.plot(*zip(*walked, strict=True), "o-", color=DATA, markersize=5, label="two steps of the teacher")
    path.plot(*zip(walked[0], (0.0, alone), strict=True), ":", color=DATA, linewidth=1.1)
    path.plot(*zip(walked[0], walked[2], strict=True), "-", color=MODEL, label="one step of the student")
    path.plot(*zip(walked[2], (0.0, target), strict=True), ":", color=MODEL, linewidth=1.4)
    for height, colour, name, below in (
        (target, MODEL, "what the student must say", -16),
        (alone, DATA, "what the teacher says here", -13),
    ):
        path.plot(0, height, "s", color=colour, markersize=7, clip_on=False, zorder=5)
        path.annotate(name, (0, height), xytext=(10, below), textcoords="offset points", color=colour)
    path.set(
        title="where a line meets σ = 0 is its x̂0",
        xlabel="σ/α, noise per signal",
        ylabel="x/α",
        xlim=(0, None),
        ylim=(0, None),
    )
    path.legend(loc="lower right")
    for n, colour in ((4, MODEL), (16, OTHER), (64, STATIC)):
        grid = [*code.timesteps(T, 2 * n).tolist(), -1]
        places = grid[: 2 * n : 2]
        one = torch.ones(1, 1, dtype=torch.float64)
        gap = []
        for k, level in enumerate(places):
            spread = math.sqrt(ALPHA_BAR[level] * NARROW.variance + 1 - ALPHA_BAR[level])
            aim = code.distillation_target(
                lambda x, t: NARROW.eps(x, t, ALPHA_BAR), spread * one, *grid[2 * k : 2 * k + 3], ALPHA_BAR
            )
            a = ALPHA_BAR[level]
            own = (spread - (1 - a).sqrt() * NARROW.eps(spread * one, torch.tensor([level]), ALPHA_BAR)) / a.sqrt()
            gap.append((aim - own).item())
        levels.plot(places, gap, "o-", color=colour, markersize=3.5, label=f"{2 * n} steps to {n}")
    levels.set(
        title="target minus the teacher's own x̂0", xlabel="t, from static on the left", xlim=(999, 0), ylim=(0, None)
    )
    levels.legend(loc="upper left")
    return figure


def distill(code: ModuleType) -> Figure:
    figure = Figure(figsize=(9.0, 4.1), layout="constrained")
    axes = figure.subplots(2, 6)
    for column, n in enumerate((32, 16, 8, 4, 2, 1)):
        steps = f"{n} step{'s' if n > 1 else ''}"
        cloud(axes[0, column], drawn(code, "ddim", n, False), f"teacher, {steps}", size=1.0)
        if n < 32:
            cloud(axes[1, column], drawn(code, "student", n), f"student, {steps}", size=1.0)
    axes[1, 0].set_axis_off()
    axes[1, 0].annotate(
        "each is taught\nby the one\non its left", (0.5, 0.5), xycoords="axes fraction", ha="center", va="center"
    )
    return figure
