"""The pictures of lesson 5."""

import math
from types import ModuleType

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from exercises.toolkit import two_moons
from exercises.toolkit.flows import Velocity, gaussian_flow, mixture_denoiser, mixture_flow
from solutions.numbers.s5_flow_matching import (
    CLOUDS,
    NARROW,
    SIGMA_MAX,
    SIGMA_MIN,
    TWO,
    at,
    errors,
    floor,
    jump,
    off,
    paired_distance,
    path_of,
    quantile_map,
    reflowed,
    rng,
    static,
    trained,
)
from solutions.pictures.paper import DATA, INK, MODEL, OTHER, STATIC, bare, panels, scatter
from solutions.pictures.s1_forward_reverse import moon_colours

GRID = "#d5dae1"


def strip(axes: Axes, title: str, ends: bool = True) -> None:
    """Axes of a line over time: t to the right from noise to data, x upwards."""
    axes.set(title=title, xlabel="t", xlim=(0, 1), ylim=(-2.6, 2.6))
    if ends:
        axes.set_xticks([0, 0.5, 1], ["0\nnoise", "½", "1\ndata"])


def lines(axes: Axes, path: Tensor, width: float = 0.7) -> None:
    """Paths (n, B, 1) of a line over time, coloured by where they end."""
    times = torch.linspace(0, 1, len(path))
    for row in path[:, :, 0].T:
        axes.plot(times, row, color=DATA if row[-1] < 0 else MODEL, linewidth=width, alpha=0.75)


def interpolate(code: ModuleType) -> Figure:
    figure, axes = panels(5, height=2.2)
    data, noise = two_moons(1500, rng()), static(1500, 2, 1, torch.float32)
    colours = moon_colours(data)
    for ax, t in zip(axes, (0.0, 0.25, 0.5, 0.75, 1.0), strict=True):
        name = {0.0: ": noise", 1.0: ": data"}.get(t, "")
        scatter(ax, code.interpolate(noise, data, at(t, data)), colours, f"t = {t:g}{name}")
    return figure


def target_velocity(code: ModuleType) -> Figure:
    figure, (single, average) = panels(2, height=2.9)
    noise, data = static(60, 1, 1), TWO.sample(60, rng(2))
    times = torch.linspace(0, 1, 2, dtype=torch.float64)
    lines(single, torch.stack([noise + t * code.target_velocity(noise, data) for t in times]), 0.6)
    lines(average, path_of(code, mixture_flow(TWO), noise, 400), 0.6)
    strip(single, "each sample's own line: they cross")
    strip(average, "the flow of their average velocity: paths never do")
    single.set_ylabel("x")
    return figure


def gaussian_path(code: ModuleType) -> Figure:
    figure, (cone, plane) = panels(2, height=2.9, width_ratios=[1.5, 1])
    times = torch.linspace(0, 1, 101, dtype=torch.float64)
    for point, colour in ((-1.2, DATA), (1.4, MODEL)):
        data, one = torch.full((101, 1), point, dtype=torch.float64), torch.ones(101, 1, dtype=torch.float64)
        edges = [code.gaussian_path(k * one, data, times, 0.1)[0].flatten() for k in (-2, -1, 0, 1, 2)]
        cone.fill_between(times, edges[0], edges[-1], color=colour, alpha=0.15, linewidth=0)
        cone.fill_between(times, edges[1], edges[-2], color=colour, alpha=0.2, linewidth=0)
        cone.plot(times, edges[2], color=colour)
    strip(cone, "1 and 2 deviations around t · data, σ_min = 0.1")
    cone.set_ylabel("x")
    noise, data = static(14, 2, 5), torch.tensor([[1.6, 1.2]], dtype=torch.float64).expand(14, 2)
    straight = torch.stack([code.gaussian_path(noise, data, at(float(t), noise), 0.1)[0] for t in times])
    angle = math.pi / 2 * times[:, None, None]
    curved = angle.sin() * data + angle.cos() * noise
    plane.plot(*curved.unbind(2), color=STATIC, linewidth=0.8)
    plane.plot(*straight.unbind(2), color=MODEL, linewidth=0.9)
    plane.scatter(*noise.T, s=9, color=INK, linewidths=0, zorder=3)
    plane.plot(*data[0], "o", color=DATA, markersize=6, zorder=3)
    plane.plot([], color=MODEL, label="this path")
    plane.plot([], color=STATIC, label="diffusion's")
    plane.legend(loc="upper left")
    bare(plane, "to one data point, from the same noise")
    return figure


def cfm_loss(code: ModuleType) -> Figure:
    figure, (by_time, training) = panels(2, height=2.7)
    data = NARROW * static(400_000, 1, 1)
    noise, model = static(400_000, 1, 2), gaussian_flow(NARROW)
    grid = torch.linspace(0, 1, 41, dtype=torch.float64)
    found = [code.cfm_loss(model, noise, data, at(float(t), data)) for t in grid]
    nothing = [code.cfm_loss(lambda x, t: 0 * x, noise, data, at(float(t), data)) for t in grid]
    by_time.plot(grid, nothing, color=STATIC, label="a model that says 0")
    by_time.plot(grid, found, "o", color=MODEL, markersize=3.5, label="the exact velocity")
    by_time.plot(grid, floor(grid), color=INK, linewidth=1, label="a² / (t² a² + (1-t)²)")
    by_time.set(title="cfm_loss by time, data N(0, a²), a = ½", xlabel="t", xlim=(0, 1), ylim=(0, 1.6))
    by_time.legend(loc="lower right")
    _, _, before, after = trained(code)
    for losses, name, colour in ((before, "independent pairs", MODEL), (after, "reflow's pairs", OTHER)):
        smooth = torch.tensor(losses).unfold(0, 40, 1).mean(dim=1)
        training.semilogy(torch.arange(len(smooth)) + 40, smooth, color=colour, label=name)
    training.set(title="in training, two moons, mean of 40 steps", xlabel="step", xlim=(0, 2000), ylim=(1e-4, 3))
    training.legend(loc="center right", bbox_to_anchor=(1, 0.62))
    return figure


def euler_sample(code: ModuleType) -> Figure:
    figure, axes = panels(5, height=2.2)
    noise, velocity = static(1500, 2, 1), mixture_flow(CLOUDS)
    for ax, steps in zip(axes, (1, 2, 4, 8, 64), strict=True):
        scatter(ax, CLOUDS.sample(1500, rng(2)), GRID, f"{steps} step" + "s" * (steps > 1), size=1.5)
        ax.scatter(*code.euler_sample(velocity, noise, steps).T, s=2, color=MODEL, linewidths=0)
    return figure


def midpoint_sample(code: ModuleType) -> Figure:
    figure, (step, order) = panels(2, height=2.9, width_ratios=[1.1, 1.3])
    velocity, start = mixture_flow(TWO), torch.tensor([[0.45]], dtype=torch.float64)
    true = path_of(code, velocity, start, 2000)[:, 0, 0]
    step.plot(torch.linspace(0, 1, 2001), true, color=INK, linewidth=1.2, label="the flow")
    euler = [start, start + velocity(start, at(0.0, start))]
    step.plot([0, 1], [x.item() for x in euler], color=STATIC, label="Euler, one step", marker="o", markersize=4)
    seen: list[float] = []

    def spy(x: Tensor, t: Tensor) -> Tensor:
        seen.append(x.item())
        return velocity(x, t)

    end = code.midpoint_sample(spy, start, 1).item()
    step.plot([0, 0.5], seen, color=MODEL, linestyle=":")
    step.plot([0, 1], [start.item(), end], color=MODEL, label="midpoint, one step", marker="o", markersize=4)
    slope = (end - start.item()) / 2
    step.plot([0.3, 0.7], [seen[1] - 0.4 * slope, seen[1] + 0.4 * slope], color=MODEL, linewidth=3, alpha=0.4)
    step.plot(0.5, seen[1], "o", color=MODEL, markersize=4)
    step.set(xlabel="t", ylabel="x", xlim=(-0.02, 1.03), title="one step: the slope in the middle is taken")
    step.legend(loc="upper left")
    steps = [4, 8, 16, 32, 64, 128]
    found = [errors(code, count) for count in steps]
    for k, (name, colour) in enumerate((("Euler", STATIC), ("midpoint", MODEL))):
        calls = [count * (k + 1) for count in steps]
        order.loglog(calls, [pair[k] for pair in found], "o-", color=colour, label=name, markersize=4)
    order.set(title="distance from the exact end, three clouds", xlabel="calls of the velocity model")
    order.set_ylabel("in the data's units")
    order.legend(loc="lower left")
    return figure


def logit_normal_times(code: ModuleType) -> Figure:
    figure, axes = panels(3, height=2.4)
    grid = torch.linspace(0.002, 0.998, 300, dtype=torch.float64)
    for ax, (mean, std, title) in zip(
        axes, ((0.0, 1.0, "mean 0, std 1"), (-1.0, 1.0, "mean -1: nearer to noise"), (0.0, 2.0, "std 2")), strict=True
    ):
        drawn = code.logit_normal_times(100_000, mean, std, generator=rng(1))
        ax.hist(drawn.numpy(), bins=60, range=(0, 1), density=True, color=DATA, alpha=0.35)
        density = torch.distributions.Normal(mean, std).log_prob(grid.logit()).exp() / (grid * (1 - grid))
        ax.plot(grid, density, color=DATA)
        ax.axhline(1, color=INK, linestyle=":", linewidth=1)
        ax.set(title=title, xlabel="t", xlim=(0, 1), ylim=(0, 2.6), xticks=[0, 0.5, 1])
    axes[0].annotate("uniform", (0.02, 1.06), color=INK, fontsize=8)
    axes[0].set_ylabel("density of t")
    return figure


def shift_times(code: ModuleType) -> Figure:
    figure, (curve, ticks) = panels(2, height=2.6, width_ratios=[1, 1.6])
    grid, steps = torch.linspace(0, 1, 200, dtype=torch.float64), torch.linspace(0, 1, 11, dtype=torch.float64)
    for row, (shift, colour) in enumerate(((1.0, STATIC), (3.0, DATA), (6.0, MODEL))):
        curve.plot(grid, code.shift_times(grid, shift), color=colour, label=f"shift {shift:g}")
        times = code.shift_times(steps, shift)
        ticks.plot(times, [2 - row] * 11, color=colour, marker="|", markersize=16, markeredgewidth=2, linewidth=0.8)
    curve.set(title="shift_times(t, shift)", xlabel="t", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    curve.set(xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    curve.legend(loc="upper left")
    ticks.set(title="eleven times, 0 to 1, after the shift", xlim=(-0.03, 1.03), ylim=(-0.6, 2.6))
    ticks.set_yticks([2, 1, 0], ["shift 1", "shift 3", "shift 6"])
    ticks.set_xticks([0, 0.5, 1], ["0\nnoise", "½", "1\ndata"])
    return figure


def views(code: ModuleType, convert: str, times: tuple[float, ...], colour: str) -> Figure:
    """Noised points and, at the end of a grey line, what the exact velocity makes of each at four times."""
    figure, axes = panels(4, height=2.5)
    data, noise, velocity = CLOUDS.sample(140, rng()), static(140, 2, 1), mixture_flow(CLOUDS)
    for ax, time in zip(axes, times, strict=True):
        t = at(time, data)
        x_t = code.interpolate(noise, data, t)
        guess = getattr(code, convert)(velocity(x_t, t), x_t, t)
        ax.plot(*torch.stack([x_t, guess]).unbind(dim=2), color=STATIC, linewidth=0.5)
        ax.scatter(*x_t.T, s=4, color=INK, linewidths=0)
        ax.scatter(*guess.T, s=8, color=colour, linewidths=0, zorder=3)
        bare(ax, f"t = {time}")
    return figure


def velocity_to_data(code: ModuleType) -> Figure:
    return views(code, "velocity_to_data", (0.2, 0.4, 0.6, 0.8), MODEL)


def velocity_to_eps(code: ModuleType) -> Figure:
    return views(code, "velocity_to_eps", (0.2, 0.5, 0.8, 0.95), OTHER)


def velocity_to_score(code: ModuleType) -> Figure:
    figure, (*planes, growth) = panels(4, height=2.5, width_ratios=[1, 1, 1, 1.35])
    side = torch.linspace(-2.8, 2.8, 13, dtype=torch.float64)
    places, velocity = torch.cartesian_prod(side, side), mixture_flow(CLOUDS)
    for ax, time in zip(planes, (0.2, 0.5, 0.8), strict=True):
        t = at(time, places)
        arrows = code.velocity_to_score(velocity(places, t), places, t)
        arrows = arrows / (1 + arrows.norm(dim=1, keepdim=True))  # the longest are 1, or they would hide the rest
        x_t = code.interpolate(static(400, 2, 1), CLOUDS.sample(400, rng()), at(time, static(400, 2)))
        scatter(ax, x_t, STATIC, f"t = {time}")
        ax.quiver(*places.T, *arrows.T, color=MODEL, scale=14, width=0.007)
    times, zero = torch.linspace(0.01, 0.99, 99, dtype=torch.float64), torch.zeros(99, 1, dtype=torch.float64)
    for name, label, colour in (
        ("velocity_to_score", "score", MODEL),
        ("velocity_to_data", "data", DATA),
        ("velocity_to_eps", "noise", OTHER),
    ):
        growth.semilogy(times, getattr(code, name)(zero + 1, zero, times).abs(), color=colour, label=label)
    growth.set(title="error per error of the velocity", xlabel="t", xlim=(0, 1), ylim=(0.01, 100))
    growth.legend(loc="upper left")
    return figure


def ot_pairing(code: ModuleType) -> Figure:
    figure, (before, after, cost) = panels(3, height=2.7, width_ratios=[1, 1, 1.3])
    noise, data = static(128, 2, 3, torch.float32), two_moons(128, rng(5))
    for ax, partner, title in (
        (before, data, "128 pairs, as they were drawn"),
        (after, code.ot_pairing(noise, data), "the same, paired by ot_pairing"),
    ):
        ax.plot(*torch.stack([noise, partner]).unbind(2), color=STATIC, linewidth=0.6)
        ax.scatter(*noise.T, s=5, color=INK, linewidths=0, zorder=3)
        ax.scatter(*partner.T, s=6, c=moon_colours(partner), linewidths=0, zorder=3)
        bare(ax, title)
    sizes = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
    cost.semilogx(sizes, [paired_distance(code, size, 8192 // size) for size in sizes], "o-", color=MODEL, markersize=4)
    cost.set(title="mean squared distance of partners", xlabel="size of the batch", ylim=(0, 4.4), xticks=[1, 10, 100])
    return figure


def reflow_pairs(code: ModuleType) -> Figure:
    figure, (curved, pairs, once) = panels(3, height=2.8)
    noise, velocity = torch.linspace(-2.2, 2.2, 34, dtype=torch.float64)[:, None], mixture_flow(TWO)
    lines(curved, path_of(code, velocity, noise, 400))
    lines(pairs, torch.stack(code.reflow_pairs(velocity, noise, 400)))
    strip(curved, "a flow: curved paths")
    strip(pairs, "reflow_pairs: its ends, joined")
    curved.set_ylabel("x")
    many, bins = static(20_000, 1, 4), torch.linspace(-2.6, 2.6, 105).numpy()
    place = code.euler_sample(velocity, many, 1).mean().item()
    once.vlines(place, 0, 1.35, color=STATIC, linewidth=3, label="the flow: all at one place")
    drawn = code.euler_sample(reflowed(code, velocity), many, 1).flatten().numpy()
    once.hist(drawn, bins=bins, density=True, color=MODEL, alpha=0.85, label="after reflow")
    once.set(title="one Euler step", ylabel="density", xlabel="x", ylim=(0, 1.9), xlim=(-2.6, 2.6))
    once.legend(loc="upper left")
    return figure


def straightness(code: ModuleType) -> Figure:
    figure, axes = panels(4, height=2.6)
    first, second, _, _ = trained(code)
    noise, some = static(1500, 2, 6, torch.float32), static(70, 2, 7, torch.float32)
    for (paths, ends), model, name in zip((axes[:2], axes[2:]), (first, second), ("flow", "reflowed"), strict=True):
        path = path_of(code, model, some, 50)
        for track, colour in zip(path.unbind(1), moon_colours(path[-1]), strict=True):
            paths.plot(*track.T, color=colour, linewidth=0.6, alpha=0.8)
        paths.scatter(*some.T, s=5, color=INK, linewidths=0, zorder=3)
        found = code.straightness(model, noise, 50).item()
        bare(paths, f"{name}: S = {found:.2g}")
        landed = code.euler_sample(model, noise, 1)
        scatter(ends, landed, moon_colours(code.euler_sample(model, noise, 50)), f"{name}: one step", size=1.5)
    return figure


def consistency_coefficients(code: ModuleType) -> Figure:
    figure, (mix, edge) = panels(2, height=2.6)
    sigma = torch.logspace(math.log10(0.002), math.log10(80), 400, dtype=torch.float64)
    c_skip, c_out = code.consistency_coefficients(sigma)
    mix.semilogx(sigma, c_skip, color=DATA, label="c_skip, of the input")
    mix.semilogx(sigma, c_out, color=MODEL, label="c_out, of the network")
    mix.set(title="σ_data = ½, σ_min = 0.002", xlabel="σ", xlim=(0.002, 80), ylim=(0, 1.05))
    mix.legend(loc="center left")
    low = torch.linspace(0.002, 0.008, 100, dtype=torch.float64)
    edge.plot(low, code.consistency_coefficients(low)[1], color=MODEL, label="shifted by σ_min: 0 at σ_min")
    edge.plot(low, 0.5 * low / (low**2 + 0.25).sqrt(), color=STATIC, label="EDM's: 0 at σ = 0")
    edge.plot([0.002], [0], "o", color=MODEL, clip_on=False)
    edge.set(
        title="c_out where σ is small",
        xlabel="σ",
        xlim=(0, 0.008),
        ylim=(0, 0.009),
        xticks=[0, 0.002, 0.004, 0.006, 0.008],
    )
    edge.legend(loc="upper left")
    return figure


def exact_network(code: ModuleType, sigma_min: float) -> Velocity:
    """The network with which consistency_function is the exact map of `TWO`."""

    def network(x: Tensor, c_noise: Tensor) -> Tensor:
        sigma = (4 * c_noise).exp()
        c_skip, c_out = code.consistency_coefficients(sigma, 1.0, sigma_min)
        whole = x * (sigma**2 + 1).sqrt()[:, None]
        end = torch.cat(
            [quantile_map(row[None], level.item(), sigma_min) for row, level in zip(whole, sigma, strict=True)]
        )
        return (end - c_skip[:, None] * whole) / c_out[:, None]

    return network


def consistency_function(code: ModuleType) -> Figure:
    figure, (paths, maps) = panels(2, height=3.0, width_ratios=[1.5, 1])
    low, network = 0.02, exact_network(code, 0.02)
    sigmas = torch.logspace(math.log10(low), math.log10(4), 70, dtype=torch.float64)
    starts = torch.linspace(-7.5, 7.5, 26, dtype=torch.float64)[:, None]
    tracks = torch.cat([quantile_map(starts, 4.0, level.item()) for level in sigmas], dim=1)
    for track in tracks:
        paths.semilogx(sigmas, track, color=DATA if track[0] < 0 else MODEL, linewidth=0.7, alpha=0.6)
    for level, place in ((0.5, 20), (1.5, 10), (3.0, 15)):
        index = int((sigmas - level).abs().argmin())
        x, sigma = tracks[place, index].reshape(1, 1), sigmas[index].reshape(1)
        end = code.consistency_function(network, x, sigma, 1.0, low).item()
        arrow = {"arrowstyle": "-|>", "color": INK, "linewidth": 1.3, "connectionstyle": "arc3,rad=0.12", "shrinkB": 0}
        paths.annotate("", (low, end), (sigma.item(), x.item()), arrowprops=arrow, zorder=5)
        paths.plot(sigma, x[0], "o", color=INK, markersize=5, zorder=6)
    paths.set(title="paths of the ODE, and f: to their beginning in one jump", xlabel="σ", ylabel="x", ylim=(-4, 4))
    paths.set_xlim(low, 4)
    paths.set_xticks([0.02, 0.1, 1, 4], ["σ_min", "0.1", "1", "4"])
    places = torch.linspace(-4, 4, 161, dtype=torch.float64)[:, None]
    for level, colour in ((0.1, STATIC), (0.5, DATA), (2.0, MODEL)):
        found = code.consistency_function(network, places, at(level, places), 1.0, low)
        maps.plot(places, found, color=colour, label=f"σ = {level}")
    maps.set(title="the jump, by where it begins", xlabel="x", ylabel="f(x, σ)", xlim=(-4, 4), ylim=(-2, 2))
    maps.legend(loc="upper left")
    return figure


def consistency_training_loss(code: ModuleType) -> Figure:
    figure, (same, fresh, bias) = panels(3, height=2.7, width_ratios=[1, 1, 1.2])
    high, low = 0.8, 0.5
    data, noise, other = TWO.sample(700, rng(1)), static(700, 1, 2), static(700, 1, 3)
    x_hi = data + high * noise
    curve = torch.linspace(-3.4, 3.4, 200, dtype=torch.float64)[:, None]
    for ax, z, title in (
        (same, noise, "the same noise at both levels"),
        (fresh, other, "fresh noise at the lower level"),
    ):
        ax.scatter(x_hi, data + low * z, s=3, color=STATIC, linewidths=0)
        ax.plot(curve, quantile_map(curve, high, low), color=MODEL, label="the ODE")
        ax.set(title=title, xlabel=f"x at σ = {high}", xlim=(-3.4, 3.4), ylim=(-3, 3))
        ax.legend(loc="upper left")
    same.set_ylabel(f"x at σ = {low}")
    gaps = torch.logspace(-2, math.log10(0.9), 40, dtype=torch.float64)
    lower, variance = 1 - gaps, NARROW**2
    way = ((variance + lower**2) / (variance + 1)).sqrt()
    bias.loglog(gaps, (1 - variance / (variance + 1) / way).abs(), color=STATIC, label="fresh noise")
    bias.loglog(gaps, (1 - (variance + lower) / (variance + 1) / way).abs(), color=MODEL, label="the same noise")
    bias.set(title="off the ODE on average, data N(0, ¼)", xlabel="gap below σ = 1", ylabel="relative", ylim=(1e-6, 2))
    bias.legend(loc="lower right")
    return figure


def consistency_distillation_loss(code: ModuleType) -> Figure:
    figure, (spread, order) = panels(2, height=2.9, width_ratios=[1.3, 1])
    high, low, x = 1.0, 0.3, 0.6
    teacher = mixture_denoiser(TWO)
    sigmas = torch.linspace(low, high, 100, dtype=torch.float64)
    start = torch.full((1, 1), x, dtype=torch.float64)
    true = torch.tensor([quantile_map(start, high, level.item()).item() for level in sigmas])
    data = TWO.sample(400_000, rng(1))
    noise = static(400_000, 1, 2)
    near = ((data + high * noise - x).abs() < 0.01).flatten()
    ends = (data + low * noise)[near][:150].flatten()
    for end in ends[:60]:
        spread.plot([high, low], [x, end], color=STATIC, linewidth=0.4, alpha=0.6)
    spread.scatter([low] * len(ends), ends, s=4, color=STATIC, linewidths=0, label="the same noise, 150 draws")
    spread.plot(sigmas, true, color=INK, label="the ODE")
    slope = ((start - teacher(start, at(high, start))) / high).item()
    spread.plot([high, low], [x, x + (low - high) * slope], color=DATA, marker="o", markersize=4, label="Euler")
    spread.plot(low, landing(code, x, high, low), "o", color=MODEL, markersize=6, label="Heun, the teacher's step")
    spread.set(title="where x = 0.6 goes from σ = 1 to 0.3", xlabel="σ", ylabel="x", xlim=(1.02, 0.28))
    spread.legend(loc="lower left")
    gaps = torch.logspace(-2, math.log10(0.7), 12, dtype=torch.float64)
    wants = [quantile_map(start, high, high - gap.item()).item() for gap in gaps]
    euler = [abs(x - gap.item() * slope - want) for gap, want in zip(gaps, wants, strict=True)]
    heun = [abs(landing(code, x, high, high - gap.item()) - want) for gap, want in zip(gaps, wants, strict=True)]
    order.loglog(gaps, euler, "o-", color=DATA, markersize=3.5, label="Euler")
    order.loglog(gaps, heun, "o-", color=MODEL, markersize=3.5, label="Heun")
    order.set(title="error of one step", xlabel="σ_hi - σ_lo")
    order.legend(loc="upper left")
    return figure


def landing(code: ModuleType, x: float, high: float, low: float) -> float:
    """Where the step of consistency_distillation_loss lands, data `TWO`: what the low side's network is shown, c_in x."""
    seen: list[Tensor] = []

    def spy(x: Tensor, c_noise: Tensor) -> Tensor:
        seen.append(x)
        return 0 * x

    data = torch.full((1, 1), x, dtype=torch.float64)
    levels = (torch.tensor([level], dtype=torch.float64) for level in (low, high))
    code.consistency_distillation_loss(lambda x, c: 0 * x, spy, mixture_denoiser(TWO), data, 0 * data, *levels)
    return seen[0].item() * math.hypot(low, 0.5)


def consistency_sample(code: ModuleType) -> Figure:
    figure, axes = panels(4, height=2.5)
    f, noise, seen = jump(code), static(1500, 2, 6, torch.float32), []

    def spy(x: Tensor, sigma: Tensor) -> Tensor:
        seen.extend([x, f(x, sigma)])
        return seen[-1]

    code.consistency_sample(spy, SIGMA_MAX * noise, (SIGMA_MAX, 1.0), SIGMA_MIN, rng(1))
    colours = moon_colours(seen[1])
    titles = (
        "static, drawn 1/20 as large",
        f"one jump: {off(seen[1]):.0%} off",
        "noised again, σ = 1",
        f"two jumps: {off(seen[3]):.0%} off",
    )
    for ax, points, title in zip(axes, (seen[0] / SIGMA_MAX, *seen[1:]), titles, strict=True):
        scatter(ax, points, colours, title, size=1.5)
    return figure
