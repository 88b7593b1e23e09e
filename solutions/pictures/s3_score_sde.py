"""The pictures of lesson 3."""

from types import ModuleType
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from solutions.numbers.s3_score_sde import (
    CLOUDS,
    TWO,
    at,
    corrected,
    end_variance,
    estimates,
    flow_errors,
    rng,
    score_of,
)
from solutions.pictures.paper import DATA, INK, MODEL, STATIC, bare, panels, scatter


def lattice(count: int, reach: float = 2.8) -> Tensor:
    """Places (count², 2) on a square."""
    side = torch.linspace(-reach, reach, count, dtype=torch.float64)
    return torch.cartesian_prod(side, side)


def score_from_eps(code: ModuleType) -> Figure:
    figure, axes = panels(4, height=2.5)
    places, sde = lattice(13), code.VPSDE()
    for ax, t in zip(axes, (0.05, 0.15, 0.3, 0.6), strict=True):
        mean_coef, std = sde.marginal(at(t, places), places)
        eps = CLOUDS.eps(places, torch.arange(len(places)), mean_coef.flatten().square())
        arrows = code.score_from_eps(eps, std)
        arrows = arrows / (1 + arrows.norm(dim=1, keepdim=True))  # the longest are 1, or they would hide the rest
        x0 = CLOUDS.sample(400, rng())
        noise = torch.randn(x0.shape, dtype=x0.dtype, generator=rng(1))
        scatter(ax, mean_coef[0] * x0 + std[0] * noise, STATIC, f"t = {t}")
        ax.quiver(*places.T, *arrows.T, color=MODEL, scale=14, width=0.007)
    return figure


def score_from_x0(code: ModuleType) -> Figure:
    figure, axes = panels(4, height=2.5)
    sde, x0 = code.VPSDE(), CLOUDS.sample(120, rng())
    noise = torch.randn(x0.shape, dtype=x0.dtype, generator=rng(1))
    for ax, t in zip(axes, (0.05, 0.15, 0.3, 0.6), strict=True):
        mean_coef, std = sde.marginal(at(t, x0), x0)
        x_t = mean_coef * x0 + std * noise
        eps = CLOUDS.eps(x_t, torch.arange(len(x_t)), mean_coef.flatten().square())
        guess = (x_t - std * eps) / mean_coef
        ends = mean_coef * guess  # where the score points, and std² times as far
        ax.plot(*torch.stack([x_t, ends]).unbind(dim=2), color=STATIC, linewidth=0.5)
        ax.scatter(*x_t.T, s=4, color=INK, linewidths=0)
        ax.scatter(*ends.T, s=7, color=MODEL, linewidths=0, zorder=3)
        bare(ax, f"t = {t}")
    return figure


def process(sde: Any, title: str) -> Figure:
    """Sixty points of `TWO` on their way forward, and the marginal's two curves."""
    figure, (paths, curves) = panels(2, height=2.6, width_ratios=[1.5, 1])
    x = torch.tensor([[-1.0], [1.0]], dtype=torch.float64).repeat(30, 1)
    steps, generator, path = 400, rng(), [x]
    for step in range(steps):
        drift, diffusion = sde.coefficients(path[-1], at((step + 0.5) / steps, x))
        noise = torch.randn(x.shape, dtype=x.dtype, generator=generator)
        path.append(path[-1] + drift / steps + diffusion / steps**0.5 * noise)
    grid = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    for row, start in zip(torch.cat(path, dim=1), x.flatten(), strict=True):
        paths.plot(grid, row, color=DATA if start < 0 else MODEL, linewidth=0.4, alpha=0.6)
    paths.set(title=title, xlabel="t", ylabel="x", xlim=(0, 1))
    mean_coef, std = sde.marginal(grid, grid[:, None])
    curves.plot(grid, mean_coef.flatten(), color=DATA, label="mean_coef")
    curves.plot(grid, std.flatten(), color=INK, label="std")
    curves.set(title="its marginal", xlabel="t", xlim=(0, 1), ylim=(0, None))
    curves.legend(loc="best")
    return figure


def VPSDE(code: ModuleType) -> Figure:
    return process(code.VPSDE(), "60 points, -1 or 1, under the variance-preserving SDE")


def VESDE(code: ModuleType) -> Figure:
    return process(code.VESDE(0.01, 5.0), "the same under the variance-exploding SDE, σ up to 5")


def dsm_loss(code: ModuleType) -> Figure:
    figure, (weighted, bare_loss) = panels(2, height=2.6)
    sde, x0, generator = code.VPSDE(), CLOUDS.sample(4000, rng()), rng(1)
    noise = torch.randn(x0.shape, dtype=x0.dtype, generator=generator)
    times, models = torch.linspace(0.005, 1, 60).tolist(), {"best": score_of(CLOUDS, sde), "says 0": lambda x, t: 0 * x}
    for (name, model), colour in zip(models.items(), (MODEL, STATIC), strict=True):
        losses = torch.stack([code.dsm_loss(model, x0, at(t, x0), noise, sde) for t in times])
        std = torch.stack([sde.marginal(at(t, x0), x0)[1][0].squeeze() for t in times])
        weighted.plot(times, losses, color=colour, label=f"a model that {name}" if " " in name else "the exact score")
        bare_loss.semilogy(times, losses / std**2, color=colour)
    weighted.set(title="dsm_loss, weighted by std²", xlabel="t", xlim=(0, 1), ylim=(0, 1.1))
    bare_loss.set(title="without the weight", xlabel="t", xlim=(0, 1))
    weighted.legend(loc="center right")
    return figure


def reverse_coefficients(code: ModuleType) -> Figure:
    figure, axes = panels(3, height=2.5)
    sde, x = code.VPSDE(), torch.linspace(-2.5, 2.5, 200, dtype=torch.float64)[:, None]
    for ax, t in zip(axes, (0.05, 0.2, 0.5), strict=True):
        times = at(t, x)
        score, (forward, _) = score_of(TWO, sde)(x, times), sde.coefficients(x, times)
        backward, _ = code.reverse_coefficients(sde, score, x, times)
        level = sde.marginal(times, x)[0].flatten().square()
        density = TWO.log_density(x, torch.arange(len(x)), level).exp()
        ax.fill_between(x.flatten(), 12 * density, color=STATIC, alpha=0.4, linewidth=0)
        ax.plot(x, forward, color=DATA, label="forward drift f")
        ax.plot(x, -backward, color=MODEL, label="backward velocity g²s - f")
        ax.axhline(0, color=INK, linewidth=0.6)
        ax.set(title=f"t = {t}, grey: the density", xlabel="x", xlim=(-2.5, 2.5), ylim=(-25, 25))
    axes[0].legend(loc="lower left")
    return figure


def paths_back(code: ModuleType, noisy: bool, ax: Axes) -> None:
    """Twenty-four static points of a line on their way back to `TWO`, by the reverse SDE or by the ODE."""
    sde, x = code.VPSDE(), torch.linspace(-1.8, 1.8, 24, dtype=torch.float64)[:, None]
    score, seen = score_of(TWO, sde), []

    def spy(x: Tensor, t: Tensor) -> Tensor:
        seen.append((t[0].item(), x.flatten()))
        return score(x, t)

    end = code.euler_maruyama(sde, spy, x, 200, generator=rng(2)) if noisy else code.ode_sample(sde, spy, x, 100)
    taken = seen if noisy else seen[::2]
    grid = [t for t, _ in taken] + [1e-3]
    rows = torch.stack([x for _, x in taken] + [end.flatten()])
    for row, last in zip(rows.T, end.flatten(), strict=True):
        ax.plot(grid, row, color=DATA if last < 0 else MODEL, linewidth=0.7, alpha=0.7)
    ax.set(xlabel="t", ylabel="x", xlim=(1, 0), ylim=(-2.6, 2.6))


def euler_maruyama(code: ModuleType) -> Figure:
    figure, (paths, ends) = panels(2, height=2.8, width_ratios=[1.5, 1])
    paths_back(code, True, paths)
    paths.set_title("static to data by the reverse SDE")
    steps = [10, 14, 20, 28, 40, 56, 80, 113, 160, 226, 320, 640]
    ends.semilogx(steps, [end_variance(code, n) for n in steps], "o-", color=MODEL, markersize=3)
    ends.axhline(0.25, color=INK, linestyle=":")
    ends.set(title="variance at the end, data of 0.25", xlabel="steps")
    return figure


def probability_flow_drift(code: ModuleType) -> Figure:
    figure, (by_sde, by_ode) = panels(2, height=2.8)
    paths_back(code, True, by_sde)
    paths_back(code, False, by_ode)
    by_sde.set_title("reverse SDE")
    by_ode.set_title("probability-flow ODE, from the same static")
    return figure


def ode_sample(code: ModuleType) -> Figure:
    figure, (cloud, errors) = panels(2, height=2.8, width_ratios=[1, 1.5])
    sde, static = code.VPSDE(), torch.randn(1500, 2, dtype=torch.float64, generator=rng())
    drawn = code.ode_sample(sde, score_of(CLOUDS, sde), static, 30)
    scatter(cloud, static, STATIC, "30 steps, from grey to orange", size=1.5)
    cloud.scatter(*drawn.T, s=2, color=MODEL, linewidths=0)
    steps = [10, 20, 40, 80, 160]
    found = [flow_errors(code, n) for n in steps]
    for k, (name, colour) in enumerate((("Euler: half the step, half the error", INK), ("Heun: a quarter", MODEL))):
        errors.loglog(steps, [pair[k] for pair in found], "o-", color=colour, label=name, markersize=4)
    errors.set(title="how far from the exact flow, data N(0, 0.25)", xlabel="steps")
    errors.legend(loc="lower left")
    return figure


def langevin_correct(code: ModuleType) -> Figure:
    figure, axes = panels(4, height=2.5)
    for ax, steps in zip(axes, (0, 10, 40, 100), strict=True):
        scatter(ax, corrected(code, steps), MODEL, "a wrong spread" if steps == 0 else f"{steps} corrector steps")
    return figure


def hutchinson_divergence(code: ModuleType) -> Figure:
    figure, (single, mean) = panels(2, height=2.6)
    signs = torch.randint(0, 2, (4000, 2), generator=rng()).double() * 2 - 1
    normal = torch.randn(4000, 2, dtype=torch.float64, generator=rng(1))
    for probes, name, colour in ((normal, "normal probes", STATIC), (signs, "signs", MODEL)):
        found = estimates(code, probes)
        single.hist(found, bins=60, range=(-10, 40), color=colour, alpha=0.8, label=name)
        average = found.cumsum(0) / torch.arange(1, 4001)
        mean.semilogx(torch.arange(1, 4001), average, color=colour)
    mean.axhline(5, color=INK, linestyle=":")
    single.set(title="estimates of tr J = 5", xlabel="probe · J probe", yticks=[])
    mean.set(title="their mean", xlabel="probes", ylim=(0, 12))
    single.legend(loc="upper right")
    return figure


def log_likelihood(code: ModuleType) -> Figure:
    figure, axes = panels(3, height=2.9)
    sde, places = code.VPSDE(), lattice(60)
    maps = [
        code.log_likelihood(
            sde, score_of(CLOUDS, sde), places, 100, torch.tensor(probe).double().expand(places.shape), 1e-3
        )
        for probe in ((1, -1), (1, 1))
    ]
    level = sde.marginal(at(1e-3, places), places)[0].flatten().square()
    exact = CLOUDS.log_density(places, torch.arange(len(places)), level)
    titles = ("exact log density", "one probe", "mean of two probes")
    for ax, values, title in zip(axes, (exact, maps[0], (maps[0] + maps[1]) / 2), titles, strict=True):
        image = ax.imshow(
            values.reshape(60, 60).T, origin="lower", extent=(-2.8, 2.8) * 2, vmin=-12, vmax=2, cmap="Blues"
        )
        ax.set(title=title, xticks=[], yticks=[])
    figure.colorbar(image, ax=axes[2], label="nats")
    return figure
