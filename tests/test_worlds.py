"""The toy worlds say what is true of them: exact denoisers, scores, densities and chains."""

import pytest
import torch

from exercises.toolkit.worlds import Gaussian, Labelled, Mixture

BETAS = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
ALPHA_BAR = torch.cumprod(1 - BETAS, 0)
MIXTURE = Mixture(
    centres=torch.tensor([[1.0, 0.0], [-1.0, 0.5], [0.0, -2.0]], dtype=torch.float64),
    variances=torch.tensor([0.1, 0.25, 0.02], dtype=torch.float64),
    weights=torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64),
)


def batch(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x_t = torch.randn(shape, dtype=torch.float64, generator=generator)
    return x_t, torch.randint(len(BETAS), shape[:1], generator=generator)


@pytest.mark.parametrize(("variance", "small"), [(1.0, 0.99107), (0.25, 0.24613)])
def test_the_ancestral_chain_of_a_gaussian_loses_a_little_variance(variance, small):
    mean, got = Gaussian(0.7, variance).ancestral(BETAS)
    assert got == pytest.approx(small, abs=1e-5)
    assert mean == pytest.approx(0.7, abs=1e-2)


def test_the_ancestral_chain_of_a_gaussian_is_what_steps_with_its_denoiser_make():
    world, betas = Gaussian(0.7, 0.25), torch.tensor([0.1, 0.3, 0.6], dtype=torch.float64)
    alpha_bar, points = torch.cumprod(1 - betas, 0), torch.tensor([[-1.0], [2.0]], dtype=torch.float64)
    mean, variance = points[:, 0], torch.zeros((), dtype=torch.float64)
    for level in (2, 1, 0):
        a, before, beta = alpha_bar[level], alpha_bar[level - 1] if level else torch.ones(()), betas[level]
        eps = world.eps(mean[:, None], torch.full((2,), level), alpha_bar)[:, 0]
        after = (mean - beta / (1 - a).sqrt() * eps) / (1 - beta).sqrt()
        slope = (after[1] - after[0]) / (mean[1] - mean[0])
        mean, variance = after, slope**2 * variance + beta * (1 - before) / (1 - a)
    for start, end in zip(points[:, 0], mean, strict=True):
        assert world.ancestral(betas, mean=float(start), variance=0.0) == pytest.approx((float(end), float(variance)))


def test_a_mixture_of_one_is_a_gaussian():
    x_t, t = batch(5, 2, 3)
    one = Mixture(torch.full((1, 2, 3), 0.7, dtype=x_t.dtype), torch.tensor([0.25]), torch.tensor([1.0]))
    gaussian = Gaussian(0.7, 0.25)
    torch.testing.assert_close(one.eps(x_t, t, ALPHA_BAR), gaussian.eps(x_t, t, ALPHA_BAR))
    torch.testing.assert_close(one.score(x_t, t, ALPHA_BAR), gaussian.score(x_t, t, ALPHA_BAR))


def test_the_score_of_a_mixture_is_the_gradient_of_its_log_density():
    x_t, t = batch(7, 2)
    x_t.requires_grad_()
    (want,) = torch.autograd.grad(MIXTURE.log_density(x_t, t, ALPHA_BAR).sum(), x_t)
    torch.testing.assert_close(MIXTURE.score(x_t, t, ALPHA_BAR), want)


def test_the_density_of_a_mixture_has_mass_one():
    line = torch.linspace(-6, 6, 241, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line)
    t = torch.full((len(grid),), 400)
    mass = MIXTURE.log_density(grid, t, ALPHA_BAR).exp().sum() * (line[1] - line[0]) ** 2
    assert float(mass) == pytest.approx(1, abs=1e-6)


def test_samples_have_the_mean_of_the_world():
    generator = torch.Generator().manual_seed(0)
    mixture, gaussian = MIXTURE.sample(20_000, generator), Gaussian(0.7, 0.25).sample(20_000, generator=generator)
    want = (MIXTURE.weights[:, None] * MIXTURE.centres).sum(0)
    assert (mixture.mean(0) - want).abs().max() < 6.5 * 1.2 / 20_000**0.5  # standard deviations up to 1.2
    assert abs(float(gaussian.mean()) - 0.7) < 6.5 * 0.5 / 20_000**0.5
    assert float(gaussian.var()) == pytest.approx(0.25, rel=6.5 * (2 / 20_000) ** 0.5)


def test_the_guess_of_the_data_and_of_the_noise_make_up_the_sample():
    x_t, t = batch(6, 2)
    a = ALPHA_BAR[t][:, None]
    made = a.sqrt() * MIXTURE.x0(x_t, t, ALPHA_BAR) + (1 - a).sqrt() * MIXTURE.eps(x_t, t, ALPHA_BAR)
    torch.testing.assert_close(made, x_t)


def test_the_guess_of_the_data_in_pure_static_is_its_mean():
    x_t, t = batch(6, 2)
    mean = (MIXTURE.weights[:, None] * MIXTURE.centres).sum(0)
    torch.testing.assert_close(MIXTURE.x0(x_t, 0 * t, torch.zeros(1, dtype=x_t.dtype)), mean.expand(6, 2))


def labelled() -> Labelled:
    """`MIXTURE`, its first centre and all the others having a label."""
    return Labelled(MIXTURE, (torch.arange(len(MIXTURE.weights)) > 0).long())


def test_the_best_guess_without_a_label_is_the_mean_of_those_with_one():
    world, (x_t, t) = labelled(), batch(7, 2)
    shares = world.log_p(x_t, t, ALPHA_BAR).exp()
    torch.testing.assert_close(shares.sum(1), torch.ones_like(shares[:, 0]))
    guesses = [world.eps(x_t, t, torch.full_like(t, label), ALPHA_BAR) for label in range(world.null + 1)]
    mean = sum(shares[:, label, None] * guesses[label] for label in range(world.null))
    torch.testing.assert_close(guesses[world.null], mean)
    torch.testing.assert_close(guesses[world.null], MIXTURE.eps(x_t, t, ALPHA_BAR))


def test_the_scores_of_labelled_data_obey_bayes_rule():
    world, (x_t, t) = labelled(), batch(7, 2)
    y = torch.arange(len(t)) % 2
    x_t.requires_grad_()
    chosen = world.log_p(x_t, t, ALPHA_BAR).gather(1, y[:, None])
    (slope,) = torch.autograd.grad(chosen.sum(), x_t)
    std = (1 - ALPHA_BAR[t]).sqrt()[:, None]
    want = (world.eps(x_t, t, torch.full_like(y, world.null), ALPHA_BAR) - world.eps(x_t, t, y, ALPHA_BAR)) / std
    torch.testing.assert_close(slope, want)
