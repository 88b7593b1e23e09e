"""The toolkit's data, metric and plots."""

import dataclasses
import importlib
import subprocess
import sys
import time

import pytest
import torch
from torch import Generator

from exercises.toolkit import beaded_moons, latents, plots, sliced_wasserstein, two_moons, two_moons_log_density
from exercises.toolkit.worlds import Correlated


def seeded(seed: int) -> Generator:
    return Generator().manual_seed(seed)


def test_the_moons_have_mean_0_and_variance_1() -> None:
    n = 100_000
    points = two_moons(n, seeded(0))
    assert points.dtype == torch.float32
    assert points.shape == (n, 2)
    assert points.mean(dim=0).abs().max() < 6 / n**0.5  # six standard errors, as for the variance
    assert (points.var(dim=0) - 1).abs().max() < 6 * (2 / n) ** 0.5


def test_the_same_generator_draws_the_same_moons() -> None:
    assert torch.equal(two_moons(7, seeded(1)), two_moons(7, seeded(1)))


def test_beaded_moons_have_mean_0_and_variance_1_and_look_like_the_moons() -> None:
    beads, n = beaded_moons(), 20_000
    second = beads.centres.square().mean(0) + beads.variances[0]
    torch.testing.assert_close(beads.centres.mean(0), torch.zeros(2).double())
    torch.testing.assert_close(second, torch.ones(2).double())
    near = sliced_wasserstein(beads.sample(n, seeded(0)), two_moons(n, seeded(1)).double(), generator=seeded(2))
    assert near < 0.04  # two sets of 20,000 of one distribution are 0.01 to 0.02 apart, and the beads' width is another


def test_the_moons_density_has_mass_1_and_is_highest_on_the_moons() -> None:
    side = torch.linspace(-3, 3, 120, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side)
    mass = two_moons_log_density(grid).exp().sum() * (side[1] - side[0]) ** 2
    assert mass.item() == pytest.approx(1, abs=1e-6)
    on_them, elsewhere = (two_moons_log_density(x).mean() for x in (two_moons(500, seeded(0)), torch.zeros(1, 2)))
    assert on_them > elsewhere + 2


def test_correlated_data_knows_its_density_score_and_flow() -> None:
    axes, _ = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=seeded(0)))
    variances = torch.tensor([0.2, 1.0, 3.0], dtype=torch.float64)
    world = Correlated(torch.tensor([1.0, 0.0, -1.0], dtype=torch.float64), axes, variances)
    mean_coef, std = torch.full((4, 1), 0.6, dtype=torch.float64), torch.full((4, 1), 0.5, dtype=torch.float64)
    covariance = 0.36 * axes @ variances.diag() @ axes.T + 0.25 * torch.eye(3, dtype=torch.float64)
    exact = torch.distributions.MultivariateNormal(0.6 * world.mean, covariance)
    x = torch.randn(4, 3, dtype=torch.float64, generator=seeded(1)).requires_grad_()
    torch.testing.assert_close(world.log_density(x, mean_coef, std), exact.log_prob(x))
    (slope,) = torch.autograd.grad(exact.log_prob(x).sum(), x)
    torch.testing.assert_close(world.score(x, mean_coef, std), slope)

    clean = torch.ones_like(std), torch.zeros_like(std)
    carried = world.flow(x, clean, (mean_coef, std))  # of the same probability, but for the change of volume
    volume = sum(world.expansion(probe.expand(4, 3), clean, (mean_coef, std)) for probe in torch.eye(3).double())
    torch.testing.assert_close(world.log_density(x, *clean), world.log_density(carried, mean_coef, std) + volume)


def test_sliced_wasserstein_of_a_shift_is_the_shift_s_mean_projection() -> None:
    x = torch.randn(500, 2, dtype=torch.float64, generator=seeded(0))
    shift = torch.tensor([3.0, 4.0], dtype=torch.float64)
    got = sliced_wasserstein(x, x + shift, projections=20_000, generator=seeded(1))
    # SW2² = E ⟨shift, θ⟩² = |shift|² / 2 in the plane; its relative standard error is 1 / √(2 * 20000) = 0.005
    assert got == pytest.approx(5 / 2**0.5, rel=0.03)


def test_sliced_wasserstein_pairs_by_rank_and_not_by_row() -> None:
    x = torch.randn(50, 3, generator=seeded(0))
    assert sliced_wasserstein(x, x.flip(0), generator=seeded(1)) == 0


def test_sliced_wasserstein_wants_sets_of_one_size() -> None:
    with pytest.raises(ValueError, match="same shape"):
        sliced_wasserstein(torch.zeros(3, 2), torch.zeros(4, 2))


def test_the_plots_draw(tmp_path) -> None:
    figure, (first, second, third) = plots.rows(3)
    plots.points({"moons": two_moons(50), "again": two_moons(50)}, "points", first)
    lines = plots.Lines("lines", {"a": [1.0, 2.0], "b": torch.ones(3, requires_grad=True)}, "t")
    plots.draw(plots.Drawing("", [lines]), on=second)
    plots.draw(plots.Drawing("", [plots.Heat("a matrix", torch.randn(4, 5), "x", "y")]), on=third)
    assert plots.save(figure, tmp_path / "deep" / "picture.png").stat().st_size > 1000
    assert plots.save(plots.points({"moons": two_moons(50)}), tmp_path / "one.png").is_file()
    assert plots.save(plots.paths({"a walk": torch.randn(4, 50, 2)}), tmp_path / "two.png").is_file()


def test_the_toolkit_imports_no_matplotlib() -> None:
    code = "import sys, exercises.toolkit; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_latent_training_that_would_take_too_long_says_so() -> None:
    code = importlib.import_module("solutions.s7_latent_diffusion")
    plan = dataclasses.replace(latents.SMALL, side=8, width=8, first=10_000, patience=0)
    model = code.Autoencoder(1, plan.latent_channels, plan.width)
    with pytest.raises(latents.TooSlowError, match=r"training would take \d+ seconds .* with this Autoencoder"):
        latents.learn_to_compress(
            code, model, plan, lambda _: (torch.zeros(2, 1, 8, 8), torch.zeros(2)), seeded(0), time.process_time()
        )
