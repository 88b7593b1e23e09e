"""The pictures of lesson 1."""

from types import ModuleType

import torch
from matplotlib.figure import Figure
from torch import Tensor

from exercises.toolkit import two_moons
from exercises.toolkit.moons import nearer_moon
from solutions.numbers.s1_forward_reverse import (
    LONG,
    SHORT,
    UNSCALED,
    VARIANCE_RULES,
    best_model,
    best_variances,
    bound_weights,
    levels,
    losses_by_level,
    posterior,
    rng,
    snapshots,
    trained,
    variances,
)
from solutions.pictures.paper import DATA, INK, MODEL, MOONS, OTHER, STATIC, bare, panels, scatter


def moon_colours(points: Tensor) -> list[str]:
    """A colour for the moon that each point is nearer to."""
    return [MOONS[int(lower)] for lower in nearer_moon(points)]


def forward_step(code: ModuleType) -> Figure:
    figure, (walk, spread) = panels(2, height=2.8, width_ratios=[1.5, 1])
    x = torch.tensor([-1.0, 1.0], dtype=torch.float64).repeat_interleave(40)
    path, generator = [x], rng()
    for beta in SHORT:
        path.append(code.forward_step(path[-1], beta, torch.randn(x.shape, dtype=x.dtype, generator=generator)))
    for row, start in zip(torch.stack(path, dim=1), x, strict=True):
        walk.plot(row, color=MOONS[int(start > 0)], linewidth=0.6, alpha=0.5)
    walk.set(title="80 points, -1 or 1, walk 100 steps", xlabel="steps", ylabel="x", xlim=(0, 100))
    for (label, rule), colour in zip(VARIANCE_RULES.items(), (OTHER, MODEL, DATA, STATIC), strict=True):
        spread.semilogy(variances(rule), color=colour, label=label)
    spread.set(title="the variance of x, by the rule of the step", xlabel="steps of DDPM's schedule", xlim=(0, 1000))
    spread.set_ylim(0.002, 30)
    spread.legend(loc="lower left")
    return figure


def compute_alpha_bar(code: ModuleType) -> Figure:
    figure, (curves, ends) = panels(2, height=2.6)
    alpha_bar = code.compute_alpha_bar(LONG)
    curves.plot(alpha_bar.sqrt(), color=DATA, label="signal √ᾱ")
    curves.plot((1 - alpha_bar).sqrt(), color=INK, label="noise √(1-ᾱ)")
    curves.plot(alpha_bar, color=DATA, linestyle=":", label="ᾱ")
    crossing = int((alpha_bar > 0.5).sum())
    curves.axvline(crossing, color=STATIC, linewidth=1)
    curves.annotate(f"t = {crossing}", (crossing - 10, 0.04), ha="right")
    curves.set(title="DDPM's schedule, T = 1000", xlabel="t", xlim=(0, 999), ylim=(0, 1.03))
    curves.legend(loc="center right")
    for betas, style, label in ((SHORT, "-", "β from 0.001 to 0.2"), (UNSCALED, "--", "β from 0.0001 to 0.02")):
        ends.plot(code.compute_alpha_bar(betas).sqrt(), color=DATA, linestyle=style, label=f"√ᾱ, {label}")
    ends.set(title="T = 100: scale β up, or the signal survives", xlabel="t", xlim=(0, 99), ylim=(0, 1.03))
    ends.legend(loc="lower left")
    return figure


def q_sample(code: ModuleType) -> Figure:
    figure, axes = panels(5, height=2.2)
    x0, alpha_bar = two_moons(1500, rng()), code.compute_alpha_bar(SHORT).float()
    colours, noise = moon_colours(x0), torch.randn(x0.shape, generator=rng(1))
    for ax, t in zip(axes, (0, 10, 25, 45, 99), strict=True):
        title = f"t = {t}\n{alpha_bar[t].sqrt():.2f} x0 + {(1 - alpha_bar[t]).sqrt():.2f} ε"
        scatter(ax, code.q_sample(x0, levels(t, x0), noise, alpha_bar), colours, title)
    return figure


def predict_x0(code: ModuleType) -> Figure:
    figure, axes = panels(4, height=2.3, width_ratios=[1, 1, 1, 1.15])
    x0, alpha_bar = two_moons(1500, rng()), code.compute_alpha_bar(LONG).float()
    noise, error = torch.randn(x0.shape, generator=rng(1)), torch.randn(x0.shape, generator=rng(2))
    for ax, t in zip(axes, (100, 400, 600), strict=False):
        x_t = code.q_sample(x0, levels(t, x0), noise, alpha_bar)
        guess = code.predict_x0(x_t, levels(t, x0), noise + 0.05 * error, alpha_bar)
        scatter(ax, guess, moon_colours(x0), f"t = {t}, ε off by 0.05")
    axes[3].semilogy(((1 - alpha_bar) / alpha_bar).sqrt(), color=INK)
    axes[3].set(title="error of x0 per error of ε", xlabel="t", xlim=(0, 999))
    return figure


def q_posterior(code: ModuleType) -> Figure:
    figure, (*bells, weights) = panels(3, height=2.6, width_ratios=[1.2, 1.2, 1])
    betas = torch.full((6,), 0.3, dtype=torch.float64)
    x0, x_t = torch.tensor([[1.5]]).double(), torch.tensor([[-0.5]]).double()
    alpha_bar, grid = code.compute_alpha_bar(betas), torch.linspace(-3, 3.2, 400, dtype=torch.float64)
    for ax, t in zip(bells, (1, 5), strict=True):
        forward = normal(grid, alpha_bar[t - 1].sqrt() * x0, 1 - alpha_bar[t - 1])
        backward = normal(grid, x_t / (1 - betas[t]).sqrt(), betas[t] / (1 - betas[t]))
        both = normal(grid, *code.q_posterior(x0, x_t, torch.tensor([t]), betas))
        ax.plot(grid, forward, color=DATA, label="what x0 says")
        ax.plot(grid, backward, color=INK, label="what x_t says")
        ax.fill_between(grid, both, color=MODEL, alpha=0.3, linewidth=0)
        ax.plot(grid, both, color=MODEL, label="both")
        ax.plot(x0, 0, "o", color=DATA, clip_on=False)
        ax.plot(x_t, 0, "o", color=INK, clip_on=False)
        ax.set(title=f"where x_(t-1) was, t = {t}, every β = 0.3", yticks=[], ylim=(0, 1.2))
    bells[0].legend(loc="upper left")
    weight_x0, weight_x_t, _ = posterior(code, SHORT)
    weights.plot(weight_x0, color=DATA, label="weight of x0")
    weights.plot(weight_x_t, color=INK, label="weight of x_t")
    weights.set(title="the mean, T = 100", xlabel="t", xlim=(0, 99), ylim=(0, 1.03))
    weights.legend(loc="center right")
    return figure


def normal(x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """The normal density on a grid."""
    return torch.distributions.Normal(mean.squeeze(), variance.squeeze().sqrt()).log_prob(x).exp()


def timestep_embedding(code: ModuleType) -> Figure:
    figure, (heat, likeness) = panels(2, height=2.6, width_ratios=[1.5, 1])
    embedding = code.timestep_embedding(torch.arange(1000), 64)
    image = heat.imshow(embedding.T, aspect="auto", cmap="RdBu", interpolation="nearest", vmin=-1, vmax=1)
    heat.set(title="timestep_embedding(t, 64): 32 cosines, 32 sines", xlabel="t", ylabel="entry")
    figure.colorbar(image, ax=heat, ticks=[-1, 0, 1])
    apart = torch.arange(-60, 61)
    for t, colour, width, style in ((100, "#bcd0f7", 6, "-"), (500, DATA, 2.5, "-"), (900, INK, 1.2, ":")):
        likeness.plot(
            apart, embedding[t + apart] @ embedding[t] / 32, style, color=colour, linewidth=width, label=f"s = {t}"
        )
    likeness.set(title="likeness of the times t and s", xlabel="t - s", xlim=(-60, 60), ylim=(0.4, 1.02))
    likeness.legend(loc="upper left")
    return figure


def simple_loss(code: ModuleType) -> Figure:
    figure, (by_level, weight) = panels(2, height=2.6)
    losses = losses_by_level(code)
    by_level.plot(losses, color=MODEL)
    by_level.axhline(losses.mean(), color=INK, linestyle=":", linewidth=1.2)
    by_level.annotate("mean", (85, losses.mean() + 0.03))
    by_level.set(title="simple_loss of a trained denoiser, by level", xlabel="t", xlim=(0, 99), ylim=(0, 1.05))
    weight.semilogy(torch.arange(1, 1000), bound_weights(code)[1:], color=DATA, label="the bound")
    weight.axhline(1, color=INK, linestyle=":", label="simple_loss")
    weight.set(title="weight of a level's squared error", xlabel="t, DDPM's schedule", xlim=(0, 999))
    weight.legend(loc="center right", bbox_to_anchor=(1, 0.72))
    return figure


def reverse_step(code: ModuleType) -> Figure:
    figure, (step, ratio) = panels(2, height=3.0, width_ratios=[1, 1.5])
    model, t, x_t = best_model(code), torch.tensor([40]), torch.tensor([[-1.9, -1.7]])
    scatter(step, two_moons(1500, rng()), STATIC, f"one step back from t = {t.item()}")
    with torch.no_grad():
        x0 = code.predict_x0(x_t, t, model(x_t, t), code.compute_alpha_bar(SHORT).float())
    mean, variance = code.q_posterior(x0, x_t, t, SHORT)
    cloud = mean + variance.sqrt() * torch.randn(300, 2, generator=rng(4))
    step.scatter(*cloud.T, s=3, color=MODEL, alpha=0.35, linewidths=0)
    step.plot(*torch.cat([x_t, x0]).T, color=INK, linewidth=0.8, linestyle=":")
    labels = ((x_t, INK, "x_t", (-6, -14)), (mean, MODEL, "mean", (-3, 9)), (x0, DATA, "guess of x0", (8, -4)))
    for point, colour, name, offset in labels:
        step.plot(*point.T, "o", color=colour, markersize=5)
        step.annotate(name, point[0], xytext=offset, textcoords="offset points")
    for std, colour in zip((1.0, 0.3, 0.1, 0.03, 0.0), (INK, OTHER, DATA, STATIC, MODEL), strict=True):
        share = (best_variances(code, std) / LONG)[1:]
        ratio.semilogx(torch.arange(1, 1000), share, color=colour, label=f"data of std {std:g}")
    ratio.set(title="the best variance of a step back, as a share of β", xlabel="t, DDPM's schedule", xlim=(1, 999))
    ratio.legend(loc="lower right")
    return figure


def sample(code: ModuleType) -> Figure:
    figure, axes = panels(6, height=1.9)
    path = snapshots(code, best_model(code), n=1500)
    for ax, left in zip(axes, (100, 50, 30, 20, 10, 0), strict=True):
        title = "static" if left == 100 else f"{100 - left} steps back"
        scatter(ax, path[left], moon_colours(path[0]), title, size=1.5)
    return figure


def TinyDenoiser(code: ModuleType) -> Figure:
    figure, axes = panels(4, height=2.5)
    model, x0, alpha_bar = best_model(code), two_moons(160, rng()), code.compute_alpha_bar(SHORT).float()
    noise = torch.randn(x0.shape, generator=rng(1))
    for ax, level in zip(axes, (3, 12, 25, 45), strict=True):
        t = levels(level, x0)
        x_t = code.q_sample(x0, t, noise, alpha_bar)
        with torch.no_grad():
            guess = code.predict_x0(x_t, t, model(x_t, t), alpha_bar)
        ax.plot(*torch.stack([x_t, guess]).unbind(dim=2), color=STATIC, linewidth=0.5)
        ax.scatter(*x_t.T, s=4, color=INK, linewidths=0)
        ax.scatter(*guess.T, s=7, color=MODEL, linewidths=0, zorder=3)
        bare(ax, f"t = {level}")
    return figure


def train_denoiser(code: ModuleType) -> Figure:
    figure, (curve, *clouds) = panels(4, height=2.3, width_ratios=[1.5, 1, 1, 1])
    stages, losses = trained(code)
    smooth = torch.tensor(losses).unfold(0, 30, 1).mean(dim=1)
    curve.semilogx(torch.arange(1, len(losses) + 1), losses, color=STATIC, linewidth=0.4)
    curve.plot(torch.arange(len(smooth)) + 15, smooth, color=MODEL)
    curve.set(title="loss, and its mean over 30 steps", xlabel="step", xlim=(1, len(losses)), ylim=(0, 1.1))
    for ax, (step, model) in zip(clouds, stages.items(), strict=True):
        samples = snapshots(code, model, n=1500)[0]
        scatter(ax, samples, moon_colours(samples), f"after {step} steps", size=1.5)
    return figure
