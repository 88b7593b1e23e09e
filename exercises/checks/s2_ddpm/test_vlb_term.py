"""The checks of vlb_term."""

import torch
from hypothesis import given
from torch import Tensor

from exercises.checks import cases, expect
from exercises.checks.cases import Case, numbers, tracked
from exercises.checks.rules import AS_IT_IS, FLOW, FREE, KEEP
from exercises.checks.s2_ddpm.formulas import (
    BITS,
    all_bytes,
    byte_nll,
    byte_slopes,
    jump,
    per_sample,
    posterior,
    roots,
    small_variance,
)
from exercises.checks.s2_ddpm.slopes import slopes_in
from exercises.toolkit.worlds import Gaussian

TERM = "KL(q(x_{t-1} | x_t, x_0) to p) = (μ̃(x_0) - μ̃(x̂_0))² / (2 β̃_t), the mean over each sample's elements, over ln 2"
LAST = "at t = 0: decoder_nll of x0 under the predicted mean, which is x̂_0, with the posterior variance of t = 1: its own is 0 there, of which there is no logarithm"
AT_0 = "at t = 0 the posterior's variance is 0: neither its logarithm nor a division by it may be on the way, chosen or not"


def of_bytes(case: Case) -> Case:
    """The case with 8-bit data, noised to its levels."""
    x0 = all_bytes()[(60 * case.x0 + 128).round().long().clamp(0, 255)]
    there = Case(x0, case.x_t, case.eps, case.noise, case.t, case.betas, case.alpha_bar)
    return Case(x0, jump(there), case.eps, case.noise, case.t, case.betas, case.alpha_bar)


def guess_of(case: Case) -> Tensor:
    signal, static = roots(case)
    return (case.x_t - static * case.eps) / signal


def term(case: Case) -> Tensor:
    of_x0, _, _ = posterior(case)
    variance, guess = case.at(small_variance(case.betas)), guess_of(case)
    between = (of_x0 * (case.x0 - guess)) ** 2 / (2 * variance)
    last = byte_nll(case.x0, guess, variance.log().expand_as(guess))
    at_0 = (case.t == 0).reshape(-1, *[1] * (case.x0.ndim - 1))
    return per_sample(torch.where(at_0, last, between)) / BITS


TERMS = {"rtol": 1e-7, "atol": 1.5e-3}
"""At t = 0, the contract's 1e-3 nats in bits."""


def test_vlb_term_by_hand(code):
    """Numbers that can be worked out by hand."""
    x0, x_t, eps = numbers(0.0)[None], numbers(0.4)[None], numbers(0.0)[None]
    got = code.vlb_term(x0, x_t, torch.tensor([1]), eps, numbers(0.36, 0.75))
    why = "β = (0.36, 0.75): x̂_0 = 0.4 / √0.16 = 1, its weight in the mean 0.6 / 0.84, β̃_1 = 0.27 / 0.84: 0.36 / (0.84 * 0.54) nats"
    expect.close(got, numbers(0.36 / (0.84 * 0.54) / BITS), why)


@given(case=cases.batches())
def test_vlb_term_is_the_distance_of_the_true_step_from_the_models(code, case):
    """It is the distance between the true step back and the model's."""
    if len(case.betas) < 2:
        return
    case = Case(case.x0, case.x_t, case.eps, case.noise, case.t.clamp(min=1), case.betas, case.alpha_bar)
    got = code.vlb_term(case.x0, case.x_t, case.t, case.eps, case.betas)
    expect.close(got, term(case), TERM)


def test_vlb_term_at_the_end_of_a_schedule(code, rng):
    """It holds where next to nothing of the data is left, too."""
    case = of_bytes(cases.faded(rng))
    got = code.vlb_term(case.x0, case.x_t, case.t, case.eps, case.betas)
    expect.close(got, term(case), f"{AS_IT_IS}; {TERM}", rtol=FREE["rtol"], atol=TERMS["atol"])


def test_vlb_term_at_t_0_is_the_price_of_the_bytes(code, rng):
    """At t = 0 it is the price of the bytes."""
    for levels in (2, 5):
        for shape in ((4, 6), (3, 2, 2, 3)):
            case = of_bytes(cases.make(shape, cases.schedule(levels, rng), rng))
            case.t.zero_()
            case = of_bytes(case)
            for eps in (case.noise + 0.1 * case.eps, case.eps, 5 * case.eps):
                case = Case(case.x0, case.x_t, eps, case.noise, case.t, case.betas, case.alpha_bar)
                got = code.vlb_term(case.x0, case.x_t, case.t, eps, case.betas)
                expect.close(got, term(case), LAST, **TERMS)


def test_vlb_term_of_a_perfect_guess_is_zero_but_for_the_bytes(code, rng):
    """A perfect guess costs nothing but the bytes."""
    case = of_bytes(cases.make((6, 5), cases.schedule(4, rng), rng))
    got = code.vlb_term(case.x0, case.x_t, case.t, case.noise, case.betas)
    perfect = Case(case.x0, case.x_t, case.noise, case.noise, case.t, case.betas, case.alpha_bar)
    expect.close(
        got, term(perfect), "who guesses the noise steps back as q does, at no cost; at t = 0 bytes cost", **TERMS
    )


def test_vlb_term_works_on_any_shape_and_layout_and_mixes_levels(code, rng):
    """It works on data of any shape, however it lies in memory, with levels mixed in a batch."""
    for plain in cases.corners(rng):
        case = of_bytes(plain)
        got = code.vlb_term(case.x0, case.x_t, case.t, case.eps, case.betas)
        expect.close(got, term(case), "one number a sample, (B,), each at its own level: " + TERM, **TERMS)


def test_vlb_term_summed_over_the_levels_is_the_bound_of_gaussian_data(code):
    """Summed over the levels it is the bound that is known for Gaussian data."""
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    alpha_bar = cases.alpha_bar_of(betas)
    # The terms are quadratic in data and noise, so that ±1 for each gives their exact mean over N(0, 1)
    t = torch.arange(1, 1000).repeat_interleave(4)
    x0 = numbers(1.0, 1.0, -1.0, -1.0).repeat(999)[:, None]
    noise = numbers(1.0, -1.0, 1.0, -1.0).repeat(999)[:, None]
    a = alpha_bar[t][:, None]
    x_t = a.sqrt() * x0 + (1 - a).sqrt() * noise
    got = code.vlb_term(x0, x_t, t, Gaussian(0.0, 1.0).eps(x_t, t, alpha_bar), betas)
    expect.tensor(got, "one number a sample", shape=(3996,))
    total = got.detach().sum() / 4 * BITS
    why = "with the best guess of N(0, 1) data, DDPM's terms from t = 1 to 999 add up to 5.070042 nats"
    expect.close(total, numbers(5.070042)[0], why, rtol=1e-6, atol=0.0)


def test_vlb_term_keeps_the_dtype_and_its_arguments(code, rng):
    """The result has the data's dtype, and the arguments stay as they are."""
    for plain in cases.precisions(rng):
        case = of_bytes(plain.exactly()).cast(plain.x0.dtype, plain.betas.dtype)
        got = expect.untouched(
            code.vlb_term, KEEP, x0=case.x0, x_t=case.x_t, t=case.t, eps=case.eps, betas=case.betas
        )  # fmt: skip
        # In float32 the terms are sums of squares up to 100, each known to 1e-5 of itself
        expect.close(got, term(case.exactly()).to(case.x0.dtype), KEEP, rtol=1e-3, atol=5e-3)


def test_vlb_term_lets_gradients_through(code, rng):
    """Gradients flow back through it, and they are the exact ones."""
    case = of_bytes(cases.make((5, 2, 2), cases.schedule(4, rng), rng))
    (eps,) = tracked(case.eps)
    pull, why = numbers(1.0, -2.0, 0.5, 3.0, 1.5), f"{FLOW} (the gradient with respect to eps; {AT_0})"
    (found,) = slopes_in(code.vlb_term(case.x0, case.x_t, case.t, eps, case.betas), pull, why, eps)
    (signal, static), guess = roots(case), guess_of(case)
    of_x0, _, _ = posterior(case)
    variance = case.at(small_variance(case.betas))
    last, _ = byte_slopes(case.x0, guess, variance.log().expand_as(guess))
    at_0 = (case.t == 0).reshape(-1, 1, 1)
    in_guess = torch.where(at_0, last, of_x0**2 * (guess - case.x0) / variance)
    want = in_guess * -static / signal * pull[:, None, None] / (4 * BITS)
    expect.close(found[case.t > 0], want[case.t > 0], why)
    expect.close(found[case.t == 0], want[case.t == 0], why, rtol=0.2, atol=0.1)


def test_vlb_term_lets_gradients_through_to_the_data(code, rng):
    """The term moves with x_0 and with x_t as its formula says."""
    case = of_bytes(cases.make((5, 2, 2), cases.schedule(4, rng), rng))
    x0, x_t = tracked(case.x0, case.x_t)
    pull = numbers(1.0, -2.0, 0.5, 3.0, 1.5)
    in_x0, in_x_t = slopes_in(code.vlb_term(x0, x_t, case.t, case.eps, case.betas), pull, f"{FLOW}; {AT_0}", x0, x_t)
    (signal, _), guess = roots(case), guess_of(case)
    of_x0, _, _ = posterior(case)
    later = case.t > 0  # there the term is of_x0² (x_0 - x̂_0)² / (2 β̃), and x̂_0 moves with x_t / √ᾱ
    slope = of_x0**2 * (case.x0 - guess) / case.at(small_variance(case.betas)) * pull[:, None, None] / (4 * BITS)
    found, want = torch.stack([in_x0, in_x_t])[:, later], torch.stack([slope, -slope / signal])[:, later]
    expect.close(found, want, FLOW + " (the gradients with respect to x0, then x_t)")
