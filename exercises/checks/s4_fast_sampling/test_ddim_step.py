"""The checks of ddim_step."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from exercises.checks import cases, expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.rules import FLOW, KEEP
from exercises.checks.s4_fast_sampling.formulas import clean, ddim, fresh, level
from exercises.checks.s4_fast_sampling.inputs import BODIES, COSINE_END, falling, seeds, shapes, table
from exercises.checks.s4_fast_sampling.rules import CLEAN, MIX, SIGMA, SINGLE, close
from exercises.toolkit.worlds import Gaussian

MIXED = f"{MIX}, {SIGMA}"
STEPS = ((11, 10), (11, 3), (8, 2), (5, 4), (3, 0), (1, 0))
"""From where to where on `table`: neighbours and leaps, the ends among them."""


def pair(shape: tuple[int, ...], rng: Generator) -> list[Tensor]:
    """x_t, eps and noise."""
    return [cases.normal(shape, rng) for _ in range(3)]


def test_ddim_step_by_hand_without_fresh_noise(code):
    """By hand, eta = 0: from ᾱ = 0.36 to 0.64."""
    x, eps = numbers(1.0, 0.0, 2.0)[None], numbers(0.5, 1.0, -1.0)[None]
    got = code.ddim_step(x, eps, 1, 0, numbers(0.64, 0.36))
    why = "√ᾱ goes from 0.6 to 0.8 and √(1-ᾱ) from 0.8 to 0.6: 0.8 (x - 0.8 eps) / 0.6 + 0.6 eps; " + MIX
    close(got, 0.8 * (x - 0.8 * eps) / 0.6 + 0.6 * eps, why)


def test_ddim_step_by_hand_with_eta_one_half(code):
    """By hand, eta = 0.5: fresh noise in place of a part of eps."""
    x, eps, noise = numbers(1.0, 0.0, 0.0)[None], numbers(0.5, 1.0, 0.0)[None], numbers(1.0, 0.0, 1.0)[None]
    got = code.ddim_step(x, eps, 1, 0, numbers(0.64, 0.36), 0.5, noise)
    sigma = 0.5 * 0.75 * math.sqrt(0.4375)
    why = "√((1-0.64)/(1-0.36)) = 0.75 and 1 - 0.36/0.64 = 0.4375, so σ = 0.5 · 0.75 · √0.4375; " + MIXED
    close(got, 0.8 * (x - 0.8 * eps) / 0.6 + math.sqrt(0.36 - sigma**2) * eps + sigma * noise, why)


@given(shape=shapes, seed=seeds, places=st.lists(st.integers(0, 9), min_size=2, max_size=2, unique=True))
def test_ddim_step_mixes_predicted_data_and_noise_again(code, shape, seed, places):
    """Without fresh noise: predicted data and predicted noise, mixed again at the new level."""
    rng = Generator().manual_seed(seed)
    (x, eps, _), alpha_bar = pair(shape, rng), falling(10, rng)
    t_prev, t = sorted(places)
    got = code.ddim_step(x, eps, t, t_prev, alpha_bar)
    close(got, ddim(x, eps, level(alpha_bar, t), level(alpha_bar, t_prev)), MIX)


@given(shape=shapes, seed=seeds, eta=st.floats(0.05, 1.0))
def test_ddim_step_takes_in_fresh_noise_as_eta_says(code, shape, seed, eta):
    """With eta between 0 and 1: σ fresh noise, and that much less of eps."""
    rng = Generator().manual_seed(seed)
    (x, eps, noise), alpha_bar = pair(shape, rng), falling(6, rng)
    for t, t_prev in ((5, 4), (5, 1), (3, 0)):
        got = code.ddim_step(x, eps, t, t_prev, alpha_bar, eta=eta, noise=noise)
        close(got, ddim(x, eps, level(alpha_bar, t), level(alpha_bar, t_prev), eta, noise), MIXED)


def test_ddim_step_with_eta_1_to_the_next_level_is_the_ancestral_step(code, rng):
    """Eta = 1 and one level down is DDPM's step: posterior mean, and the posterior deviation times noise."""
    betas = cases.schedule(6, rng)
    alpha_bar = cases.alpha_bar_of(betas)
    x, eps, noise = pair((3, 2), rng)
    for t in range(1, 6):
        a, b, beta = level(alpha_bar, t), level(alpha_bar, t - 1), betas[t].item()
        mean = (math.sqrt(b) * beta * clean(x, eps, a) + math.sqrt(1 - beta) * (1 - b) * x) / (1 - a)
        deviation = math.sqrt((1 - b) / (1 - a) * beta)
        got = code.ddim_step(x, eps, t, t - 1, alpha_bar, 1.0, noise)
        close(got, mean + deviation * noise, "eta = 1 is ancestral sampling, with the posterior variance; " + MIXED)


def test_ddim_step_keeps_the_variance_of_the_level_for_every_eta(code):
    """For every eta the parts of x_prev that are noise have the variance 1-ᾱ_prev together."""
    alpha_bar, one, nil = table(), numbers(1.0)[None], numbers(0.0)[None]
    found, want = [], []
    for eta in (0.0, 0.3, 0.7, 1.0):
        for t, t_prev in STEPS:
            a, b = level(alpha_bar, t), level(alpha_bar, t_prev)
            x = one * math.sqrt(1 - a)  # x_t that is nothing but noise: x̂_0 is 0
            found.append([code.ddim_step(x, one, t, t_prev, alpha_bar, eta, nil)])
            found[-1].append(code.ddim_step(nil, nil, t, t_prev, alpha_bar, eta, one))
            want.append(1 - b)
    for got in found:
        for part in got:
            expect.tensor(part, KEEP, shape=(1, 1), dtype=torch.float64)
    parts = torch.tensor([[part.item() for part in got] for got in found], dtype=torch.float64)
    why = "x_prev is noised as its level says: the squares of what multiplies eps and noise add up to 1-ᾱ_prev"
    room = torch.isclose(parts.square().sum(1), numbers(*want), rtol=1e-7, atol=1e-7)
    expect.holds(bool(room.all()), why, got=parts, want="squares that add up to 1-ᾱ_prev")


def test_ddim_step_to_minus_1_is_the_predicted_data(code, rng):
    """A step to t = -1 ends at clean data, whatever eta is."""
    x, eps, noise = pair((2, 3), rng)
    alpha_bar = table()
    for t in (0, 4, 11):
        want = clean(x, eps, level(alpha_bar, t))
        close(code.ddim_step(x, eps, t, -1, alpha_bar), want, f"{CLEAN}, and nothing but x̂_0 is left")
    for eta in (0.4, 1.0):
        got = code.ddim_step(x, eps, 4, -1, alpha_bar, eta, noise)
        close(got, clean(x, eps, level(alpha_bar, 4)), f"{CLEAN}: σ is 0 there, and nothing but x̂_0 is left")


def test_ddim_step_does_not_look_at_noise_where_eta_is_0(code, rng):
    """With eta = 0 the noise that is given changes nothing."""
    x, eps, noise = pair((2, 3), rng)
    alpha_bar = table()
    want = ddim(x, eps, level(alpha_bar, 8), level(alpha_bar, 2))
    close(code.ddim_step(x, eps, 8, 2, alpha_bar, 0.0, noise), want, "eta = 0 takes no fresh noise")
    close(code.ddim_step(x, eps, 8, 2, alpha_bar, noise=noise), want, "eta is 0 where nothing else is said")


def test_ddim_step_on_gaussian_data_is_its_closed_form(code, rng):
    """On Gaussian data with the exact eps, a step shrinks the offset from the mean by a known factor."""
    world, alpha_bar, x = Gaussian(0.7, 0.25), table(), cases.normal((4, 2), rng)
    for t, t_prev in (*STEPS, (7, -1)):
        a, b = level(alpha_bar, t), level(alpha_bar, t_prev)
        eps = world.eps(x, torch.full((4,), t), alpha_bar)
        factor = (math.sqrt(a * b) * 0.25 + math.sqrt((1 - a) * (1 - b))) / (a * 0.25 + 1 - a)
        got = code.ddim_step(x, eps, t, t_prev, alpha_bar)
        why = "with the exact eps of data N(m, v): x_prev = α_prev m + (α_t α_prev v + σ_t σ_prev) / (α_t² v + σ_t²) (x_t - α_t m)"
        close(got, math.sqrt(b) * 0.7 + factor * (x - math.sqrt(a) * 0.7), why)


def test_ddim_step_at_the_ends_of_a_schedule(code, rng):
    """From an ᾱ of 2e-9, as the cosine schedule ends, and to an ᾱ of nearly 1."""
    x, eps, noise = pair((2, 3), rng)
    alpha_bar = numbers(1 - 1e-9, 0.9999, 0.999, 0.5, COSINE_END)
    why = "ᾱ is taken as it is, nothing added, clamped or clipped; "
    for t, t_prev in ((4, 3), (4, 2), (4, 1), (4, 0), (4, -1), (3, 1), (3, 0)):
        a, b = level(alpha_bar, t), level(alpha_bar, t_prev)
        close(code.ddim_step(x, eps, t, t_prev, alpha_bar), ddim(x, eps, a, b), why + MIX)
        if t == 3:
            got = code.ddim_step(x, eps, t, t_prev, alpha_bar, 0.6, noise)
            close(got, ddim(x, eps, a, b, 0.6, noise), why + MIXED)


def test_ddim_step_works_on_any_shape_and_layout(code, rng):
    """Vectors, images and videos, a batch of one, strided and expanded."""
    alpha_bar = table()
    a, b = level(alpha_bar, 8), level(alpha_bar, 5)
    for shape in BODIES:
        for layout in cases.LAYOUTS:
            x, eps, noise = (cases.normal(shape, rng, layout) for _ in range(3))
            got = code.ddim_step(x, eps, 8, 5, alpha_bar, 0.5, noise)
            close(got, ddim(x, eps, a, b, 0.5, noise), "data is (B, *S) for any S; " + MIXED)


def test_ddim_step_keeps_the_dtype_and_its_arguments(code, rng):
    """The result has x's dtype, and no argument is changed in place."""
    for data in (torch.float32, torch.float64):
        for tables in (torch.float32, torch.float64):
            x, eps, noise = (batch.to(data) for batch in pair((3, 2, 2), rng))
            alpha_bar = table().to(tables)
            a, b = level(alpha_bar, 9), level(alpha_bar, 3)
            for eta, t_prev in ((0.0, 3), (0.5, 3), (0.0, -1)):
                got = expect.untouched(
                    lambda x, eps, alpha_bar, noise, eta=eta, t=t_prev: code.ddim_step(
                        x, eps, 9, t, alpha_bar, eta, noise
                    ),
                    KEEP,
                    x_t=x,
                    eps=eps,
                    alpha_bar=alpha_bar,
                    noise=noise,
                )
                want = ddim(x, eps, a, 1.0 if t_prev < 0 else b, eta, noise)
                expect.close(got, want.to(data), KEEP, **({"rtol": 1e-3, "atol": 1e-3} if t_prev < 0 else SINGLE))


def test_ddim_step_lets_gradients_through(code, rng):
    """Gradients reach x_t, eps and noise."""
    alpha_bar = table()
    a, b = level(alpha_bar, 8), level(alpha_bar, 2)
    for eta in (0.0, 0.6):
        (x, eps, noise), pull = tracked(*pair((2, 3), rng)), cases.normal((2, 3), rng)
        got = code.ddim_step(x, eps, 8, 2, alpha_bar, eta, noise if eta else None)
        sigma, share = fresh(a, b, eta), math.sqrt(b / a)
        to_eps = math.sqrt(1 - b - sigma**2) - share * math.sqrt(1 - a)
        inputs = {"x_t": (x, share * pull), "eps": (eps, to_eps * pull)}
        expect.gradients(got, pull, FLOW, **inputs, **({"noise": (noise, sigma * pull)} if eta else {}))
