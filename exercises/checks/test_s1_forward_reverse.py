"""The graded checks of section 1, forward and reverse.

What is expected is computed here from the papers' formulas, in float64. `cases` says what goes in, `spies` are the models
that the loops are given, and `chance` judges what is random.
"""

import math
from itertools import pairwise

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor, nn

from exercises.checks import cases, chance, expect
from exercises.checks.spies import Slopes, Spy
from exercises.toolkit.worlds import Gaussian

KEEP = "results keep the data's dtype and device, whatever the tables come in"
FREE = "arguments are never changed in place: the caller still needs them"
FLOW = "the result is differentiable in data, noise and predictions"
EACH = "each sample has its own level: a value (B,) must become (B, 1, ..., 1) before it multiplies (B, *S)"

SINGLE = {"rtol": 1e-4, "atol": 1e-4}
"""For float32 in data or tables. With betas from 0.1 an honest coefficient is off by some 10 ulp, 10 * 6e-8 / 0.1 = 6e-6
after the cancellation in 1 - ᾱ, and it multiplies numbers up to 5."""


def numbers(*values: float, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.tensor(values, dtype=dtype)


def tracked(*batches: Tensor) -> list[Tensor]:
    """Copies that gradients are taken with respect to."""
    return [batch.detach().clone().requires_grad_() for batch in batches]


# ------------------------------------------------------------------------------------------------------- forward_step


def test_forward_step_by_hand_with_beta_0_36(code):
    got = code.forward_step(numbers(1.0, 0.0, 2.0)[None], 0.36, numbers(0.0, 1.0, -1.0)[None])
    expect.close(
        got, numbers(0.8, 0.6, 1.0)[None], "√(1-0.36) = 0.8 of the signal and √0.36 = 0.6 of the noise", **SINGLE
    )


@given(case=cases.batches(), beta=st.floats(1e-4, 0.999))
def test_forward_step_mixes_signal_and_noise_by_the_roots_of_their_variances(code, case, beta):
    want = math.sqrt(1 - beta) * case.x0 + math.sqrt(beta) * case.noise
    why = "x_t = √(1-β) x_{t-1} + √β ε: the roots keep the variance at 1"
    expect.close(
        code.forward_step(case.x0, beta, case.noise), want, why, **SINGLE
    )  # a float may become a float32 tensor
    expect.close(code.forward_step(case.x0, torch.tensor(beta, dtype=torch.float64), case.noise), want, why)


def test_forward_step_works_on_any_shape_and_layout(code, rng):
    for case in cases.corners(rng):
        want = math.sqrt(0.7) * case.x0 + math.sqrt(0.3) * case.noise
        got = code.forward_step(case.x0, numbers(0.3)[0], case.noise)
        expect.close(got, want, "data is (B, *S) for any S, however it lies in memory")


def test_forward_step_keeps_the_dtype_and_its_arguments(code, rng):
    for case in cases.precisions(rng):
        for beta in (case.betas[1], case.betas[1].item()):
            x, noise = case.x0.clone(), case.noise.clone()
            got = code.forward_step(x, beta, noise)
            want = (1 - case.betas[1]).double().sqrt() * case.x0 + case.betas[1].double().sqrt() * case.noise
            expect.close(got, want.to(case.x0.dtype), KEEP, **SINGLE)
            expect.unchanged(FREE, x=(case.x0, x), noise=(case.noise, noise))
    beta = numbers(0.3)[0]
    code.forward_step(x, beta, noise)
    expect.unchanged(FREE, beta=(numbers(0.3)[0], beta))


def test_forward_step_lets_gradients_through(code, rng):
    case = cases.make((2, 3), 1, rng)
    x, noise = tracked(case.x0, case.noise)
    got = code.forward_step(x, numbers(0.36)[0], noise)
    expect.tensor(got, FLOW, shape=(2, 3))
    expect.gradients(got, case.eps, FLOW, x=(x, 0.8 * case.eps), noise=(noise, 0.6 * case.eps))


# -------------------------------------------------------------------------------------------------- compute_alpha_bar


def test_compute_alpha_bar_by_hand(code):
    got = code.compute_alpha_bar(numbers(0.5, 0.2, 0.75))
    expect.close(got, numbers(0.5, 0.4, 0.1), "ᾱ = (0.5, 0.5 * 0.8, 0.5 * 0.8 * 0.25)")


@given(levels=st.integers(1, 30), seed=st.integers(0, 2**32 - 1))
def test_compute_alpha_bar_is_the_running_product_of_what_each_step_keeps(code, levels, seed):
    betas = cases.schedule(levels, Generator().manual_seed(seed), smallest=1e-4)
    expect.close(code.compute_alpha_bar(betas), cases.alpha_bar_of(betas), "ᾱ_t = Π_{s ≤ t} (1 - β_s), s = t included")


def test_compute_alpha_bar_of_the_schedule_of_ddpm(code):
    got = code.compute_alpha_bar(torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64))
    expect.tensor(got, "one value for each level", shape=(1000,), dtype=torch.float64)
    want = numbers(0.9999, 0.07858724, 4.0358298e-5)  # eight digits are written
    expect.close(got[[0, 499, 999]], want, "DDPM's linear schedule leaves 4e-5 of the variance", rtol=1e-7, atol=1e-9)


def test_compute_alpha_bar_keeps_the_dtype_and_its_argument(code, rng):
    betas = cases.schedule(8, rng, smallest=0.1)
    for given_betas in (betas, betas.float(), betas[::2], betas[:1].expand(5)):
        now = given_betas.clone() if given_betas.is_contiguous() else given_betas
        before = given_betas.clone()
        got = code.compute_alpha_bar(now)
        want = cases.alpha_bar_of(before.double()).to(before.dtype)
        expect.close(got, want, KEEP, rtol=1e-5, atol=1e-6)  # in float32, eight roundings of 6e-8, or a logarithm's
        expect.unchanged(FREE, betas=(before, now))


# ----------------------------------------------------------------------------------------------------------- q_sample


def jump(case: cases.Case) -> Tensor:
    a = case.at(case.alpha_bar)
    return a.sqrt() * case.x0 + (1 - a).sqrt() * case.noise


def test_q_sample_by_hand(code):
    x0, noise = numbers(1.0, 0.0)[None].expand(2, 2), numbers(0.0, 1.0)[None].expand(2, 2)
    got = code.q_sample(x0, torch.tensor([1, 0]), noise, numbers(0.64, 0.36))
    want = torch.stack([numbers(0.6, 0.8), numbers(0.8, 0.6)])
    expect.close(got, want, "ᾱ = 0.36 keeps √0.36 = 0.6 of the data and adds √0.64 = 0.8 of the noise")


@given(case=cases.batches())
def test_q_sample_jumps_to_the_level_of_each_sample(code, case):
    got = code.q_sample(case.x0, case.t, case.noise, case.alpha_bar)
    expect.close(got, jump(case), "x_t = √ᾱ_t x_0 + √(1-ᾱ_t) ε")


def test_q_sample_works_on_any_shape_and_layout(code, rng):
    for case in cases.corners(rng):
        expect.close(code.q_sample(case.x0, case.t, case.noise, case.alpha_bar), jump(case), EACH)


def test_q_sample_keeps_the_dtype_and_its_arguments(code, rng):
    for case in cases.precisions(rng):
        x0, t, noise, alpha_bar = (value.clone() for value in (case.x0, case.t, case.noise, case.alpha_bar))
        got = code.q_sample(x0, t, noise, alpha_bar)
        expect.close(got, jump(case.cast(torch.float64, torch.float64)).to(case.x0.dtype), KEEP, **SINGLE)
        pairs = {"x0": (case.x0, x0), "t": (case.t, t), "noise": (case.noise, noise)}
        expect.unchanged(FREE, **pairs, alpha_bar=(case.alpha_bar, alpha_bar))


def test_q_sample_lets_gradients_through(code, rng):
    case = cases.make((3, 2, 2), 4, rng)
    x0, noise = tracked(case.x0, case.noise)
    got = code.q_sample(x0, case.t, noise, case.alpha_bar)
    expect.tensor(got, FLOW, shape=(3, 2, 2))
    a = case.at(case.alpha_bar)
    expect.gradients(got, case.eps, FLOW, x0=(x0, a.sqrt() * case.eps), noise=(noise, (1 - a).sqrt() * case.eps))


# --------------------------------------------------------------------------------------------------------- predict_x0


def unjump(case: cases.Case) -> Tensor:
    a = case.at(case.alpha_bar)
    return (case.x_t - (1 - a).sqrt() * case.eps) / a.sqrt()


def test_predict_x0_by_hand(code):
    got = code.predict_x0(numbers(1.4)[None], torch.tensor([1]), numbers(1.0)[None], numbers(0.64, 0.36))
    expect.close(got, numbers(1.0)[None], "(1.4 - √0.64 * 1) / √0.36 = 1: the jump of x_0 = 1 undone")


@given(case=cases.batches())
def test_predict_x0_solves_the_jump_for_the_data(code, case):
    got = code.predict_x0(case.x_t, case.t, case.eps, case.alpha_bar)
    expect.close(got, unjump(case), "x_0 = (x_t - √(1-ᾱ_t) ε) / √ᾱ_t")


def test_predict_x0_works_on_any_shape_and_layout(code, rng):
    for case in cases.corners(rng):
        expect.close(code.predict_x0(case.x_t, case.t, case.eps, case.alpha_bar), unjump(case), EACH)


def test_predict_x0_keeps_the_dtype_and_its_arguments(code, rng):
    for case in cases.precisions(rng):
        x_t, t, eps, alpha_bar = (value.clone() for value in (case.x_t, case.t, case.eps, case.alpha_bar))
        got = code.predict_x0(x_t, t, eps, alpha_bar)
        expect.close(got, unjump(case.cast(torch.float64, torch.float64)).to(case.x_t.dtype), KEEP, **SINGLE)
        pairs = {"x_t": (case.x_t, x_t), "t": (case.t, t), "eps": (case.eps, eps)}
        expect.unchanged(FREE, **pairs, alpha_bar=(case.alpha_bar, alpha_bar))


def test_predict_x0_lets_gradients_through(code, rng):
    case = cases.make((3, 2, 2), 4, rng)
    x_t, eps = tracked(case.x_t, case.eps)
    got = code.predict_x0(x_t, case.t, eps, case.alpha_bar)
    expect.tensor(got, FLOW, shape=(3, 2, 2))
    a = case.at(case.alpha_bar)
    slope_x, slope_eps = case.noise / a.sqrt(), -((1 - a) / a).sqrt() * case.noise
    expect.gradients(got, case.noise, FLOW, x_t=(x_t, slope_x), eps=(eps, slope_eps))


# -------------------------------------------------------------------------------------------------------- q_posterior


def posterior(case: cases.Case) -> tuple[Tensor, Tensor, Tensor]:
    """Both coefficients and the variance, (B, 1, ..., 1), from Bayes' rule.

    x_{t-1} is N(√ᾱ_{t-1} x_0, 1-ᾱ_{t-1}) before x_t = √α_t x_{t-1} + √β_t ε is seen: precisions add, and the mean is
    the average weighted by them. Before t = 0 the variance is 0 and x_{t-1} is x_0.
    """
    beta = case.at(case.betas)
    before = torch.cat([numbers(1.0), case.alpha_bar[:-1]])
    before, alpha = case.at(before), 1 - beta
    spread = torch.where(before < 1, 1 - before, 1.0)
    variance = torch.where(before < 1, 1 / (1 / spread + alpha / beta), 0.0)
    of_x0 = torch.where(before < 1, variance * before.sqrt() / spread, 1.0)
    return of_x0, variance * alpha.sqrt() / beta, variance


BAYES = "μ̃_t = (√ᾱ_{t-1} β_t x_0 + √α_t (1-ᾱ_{t-1}) x_t) / (1-ᾱ_t)"
SPREAD = "β̃_t = (1-ᾱ_{t-1}) / (1-ᾱ_t) β_t is the variance, of shape (B, 1, ..., 1)"
PAIR = "the answer is a pair (mean, variance)"


def test_q_posterior_by_hand(code):
    x0, x_t = numbers(1.0, 0.0)[None].expand(2, 2), numbers(0.0, 1.0)[None].expand(2, 2)
    got = code.q_posterior(x0, x_t, torch.tensor([1, 0]), numbers(0.36, 0.75))
    mean, variance = expect.tensors(got, 2, PAIR)
    want = torch.stack([numbers(0.8 * 0.75 / 0.84, 0.5 * 0.36 / 0.84), numbers(1.0, 0.0)])
    expect.close(mean, want, "β = (0.36, 0.75) makes ᾱ = (0.64, 0.16); " + BAYES)
    expect.close(variance, numbers(0.36 / 0.84 * 0.75, 0.0)[:, None], "ᾱ = (0.64, 0.16), 1 before; " + SPREAD)


@given(case=cases.batches())
def test_q_posterior_is_what_bayes_rule_says(code, case):
    mean, variance = expect.tensors(code.q_posterior(case.x0, case.x_t, case.t, case.betas), 2, PAIR)
    of_x0, of_x_t, want = posterior(case)
    expect.close(variance, want, SPREAD)
    expect.close(mean, of_x0 * case.x0 + of_x_t * case.x_t, BAYES)


def test_q_posterior_at_t_0_is_the_data_without_doubt(code, rng):
    for levels in (1, 3):
        case = cases.make((3, 2), levels, rng)
        t = torch.zeros(3, dtype=torch.int64)
        mean, variance = expect.tensors(code.q_posterior(case.x0, case.x_t, t, case.betas), 2, PAIR)
        expect.close(mean, case.x0, "before t = 0 nothing is noised, ᾱ_{-1} = 1: x_{t-1} is x_0")
        expect.close(variance, torch.zeros(3, 1, dtype=torch.float64), "before t = 0, ᾱ_{-1} = 1: the variance is 0")


def test_q_posterior_works_on_any_shape_and_layout(code, rng):
    for case in cases.corners(rng):
        mean, variance = expect.tensors(code.q_posterior(case.x0, case.x_t, case.t, case.betas), 2, PAIR)
        of_x0, of_x_t, want = posterior(case)
        expect.close(mean, of_x0 * case.x0 + of_x_t * case.x_t, EACH)
        expect.close(variance, want, SPREAD)


def test_q_posterior_keeps_the_dtype_and_its_arguments(code, rng):
    for case in cases.precisions(rng):
        x0, x_t, t, betas = (value.clone() for value in (case.x0, case.x_t, case.t, case.betas))
        mean, variance = expect.tensors(code.q_posterior(x0, x_t, t, betas), 2, PAIR)
        exact = case.cast(torch.float64, torch.float64)
        of_x0, of_x_t, want = posterior(exact)
        expect.close(mean, (of_x0 * exact.x0 + of_x_t * exact.x_t).to(x0.dtype), KEEP, **SINGLE)
        expect.close(variance, want.to(x0.dtype), KEEP, **SINGLE)
        expect.unchanged(FREE, x0=(case.x0, x0), x_t=(case.x_t, x_t), t=(case.t, t), betas=(case.betas, betas))


def test_q_posterior_lets_gradients_through(code, rng):
    case = cases.make((3, 2, 2), 4, rng)
    x0, x_t = tracked(case.x0, case.x_t)
    mean, _ = expect.tensors(code.q_posterior(x0, x_t, case.t, case.betas), 2, PAIR)
    expect.tensor(mean, FLOW, shape=(3, 2, 2))
    of_x0, of_x_t, _ = posterior(case)
    expect.gradients(mean, case.eps, FLOW, x0=(x0, of_x0 * case.eps), x_t=(x_t, of_x_t * case.eps))


# ------------------------------------------------------------------------------------------------- timestep_embedding

CLOCKS = "[cos(t ω_0), cos(t ω_1), ..., sin(t ω_0), sin(t ω_1), ...] with ω_i = max_period ** (-i / (dim / 2))"


def clocks(t: Tensor, dim: int, max_period: float) -> Tensor:
    angles = t.double()[:, None] * numbers(*(max_period ** (-i / (dim // 2)) for i in range(dim // 2)))
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def embedded(code, t: Tensor, dim: int, why: str = CLOCKS, **max_period: float) -> None:
    """Compare with the formula, of which an honest float32 version differs by the roundings of the angle.

    The angle is t ω, and ω = exp(-u) is off by some (1 + u) 6e-8 ω, which is 6e-8 at the most: 1e-6 t leaves room for
    ten such roundings, and 2e-6 for the cosine's own.
    """
    want = clocks(t, dim, **{"max_period": 10000.0} | max_period)
    dtype = t.dtype if t.is_floating_point() else torch.float32
    atol = 1e-6 * float(t.abs().max()) + 2e-6
    expect.close(code.timestep_embedding(t, dim, **max_period), want.to(dtype), why, rtol=0.0, atol=atol)


def test_timestep_embedding_at_t_0_shows_twelve_o_clock(code):
    got = code.timestep_embedding(torch.tensor([0, 0, 0]), 4)
    want = numbers(1, 1, 0, 0, dtype=torch.float32).expand(3, 4)
    expect.close(got, want, "cos 0 = 1 fills the first half, sin 0 = 0 the second; integer t gives float32")


def test_timestep_embedding_by_hand_with_two_clocks(code):
    angle, slow = 1.0, 0.1  # dim = 4: ω = (1, 100 ** -0.5)
    want = numbers(math.cos(angle), math.cos(slow), math.sin(angle), math.sin(slow))[None]
    got = code.timestep_embedding(numbers(1.0), 4, max_period=100.0)
    expect.close(got, want, "max_period = 100 and dim = 4: the clocks run at ω = (1, 0.1)", rtol=0.0, atol=3e-6)


@given(
    t=st.lists(st.floats(0, 10, width=32), min_size=1, max_size=5),
    half=st.integers(1, 8),
    max_period=st.floats(10, 20_000),
)
def test_timestep_embedding_shows_dim_clocks_from_fast_to_slow(code, t, half, max_period):
    embedded(code, numbers(*t), 2 * half, max_period=max_period)
    embedded(code, numbers(*t, dtype=torch.float32), 2 * half)


@given(t=st.lists(st.integers(0, 10_000), min_size=1, max_size=5), half=st.integers(1, 16))
def test_timestep_embedding_of_integer_t_of_any_size_is_float32(code, t, half):
    embedded(code, torch.tensor(t), 2 * half)


def test_timestep_embedding_gives_each_t_its_own_row_and_leaves_t_alone(code, rng):
    t = torch.randint(0, 20, (6,), generator=rng)
    for given_t in (t, t.double() / 3, t.float() / 3, t[::2], t[:1].expand(6)):
        now = given_t.clone() if given_t.is_contiguous() else given_t
        before = given_t.clone()
        embedded(code, now, 6, "row i is the embedding of t[i], in t's own dtype, or float32 for integers")
        expect.unchanged(FREE, t=(before, now))


# -------------------------------------------------------------------------------------------------------- simple_loss

MEAN = "the loss is the mean over every element of (ε - ε_θ(x_t, t))²"


class Perfect(nn.Module):
    """A model that knows the noise."""

    def __init__(self, noise: Tensor) -> None:
        super().__init__()
        self.noise, self.gain = noise, nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        return self.gain * self.noise


@given(case=cases.batches())
def test_simple_loss_is_the_mean_squared_error_of_the_guessed_noise(code, case):
    model = Spy()
    want = (case.noise - (0.75 * jump(case) + 0.25)).square().mean()
    expect.close(code.simple_loss(model, case.x0, case.t, case.noise, case.alpha_bar), want, MEAN)


def test_simple_loss_calls_the_model_once_with_the_noised_data_and_its_levels(code, rng):
    for case in cases.corners(rng):
        model = Spy()
        code.simple_loss(model, case.x0, case.t, case.noise, case.alpha_bar)
        expect.equal(len(model.seen), 1, "one call of the model is enough")
        expect.close(model.seen[0].x_t, jump(case), "the model sees x_t = √ᾱ_t x_0 + √(1-ᾱ_t) ε")
        expect.close(model.seen[0].t, case.t, "the model is told the level of each sample, t itself")


def test_simple_loss_of_a_perfect_model_is_zero(code, rng):
    for case in cases.corners(rng):
        got = code.simple_loss(Perfect(case.noise), case.x0, case.t, case.noise, case.alpha_bar)
        expect.close(got, numbers(0.0)[0], "a model that answers the noise has nothing left to learn")


def test_simple_loss_lets_gradients_through_to_model_and_data(code, rng):
    case = cases.make((3, 2, 2), 4, rng)
    model = Spy()
    x0, noise = tracked(case.x0, case.noise)
    got = code.simple_loss(model, x0, case.t, noise, case.alpha_bar)
    expect.tensor(got, "a loss is a scalar", shape=())
    a, x_t = case.at(case.alpha_bar), jump(case)
    error = 2 * (0.75 * x_t + 0.25 - case.noise) / x_t.numel()
    expect.gradients(
        got,
        torch.ones_like(got),
        "the loss is differentiable in the model's parameters, data and noise",
        weight=(model.weight, (error * x_t).sum()),
        bias=(model.bias, error.sum()),
        x0=(x0, error * 0.75 * a.sqrt()),
        noise=(noise, error * (0.75 * (1 - a).sqrt() - 1)),
    )


def test_simple_loss_keeps_the_dtype_its_arguments_and_the_model(code, rng):
    for case in cases.precisions(rng):
        model = Spy().eval()
        x0, t, noise, alpha_bar = (value.clone() for value in (case.x0, case.t, case.noise, case.alpha_bar))
        got = code.simple_loss(model, x0, t, noise, alpha_bar)
        exact = case.cast(torch.float64, torch.float64)
        want = (exact.noise - (0.75 * jump(exact) + 0.25)).square().mean()
        expect.close(got, want.to(x0.dtype), KEEP, **SINGLE)
        expect.equal(str(model.seen[0].x_t.dtype), str(x0.dtype), "the model works in the data's dtype: x_t keeps it")
        pairs = {"x0": (case.x0, x0), "t": (case.t, t), "noise": (case.noise, noise)}
        expect.unchanged(FREE, **pairs, alpha_bar=(case.alpha_bar, alpha_bar))
        expect.equal(model.training, False, "a loss leaves the model in the mode in which it found it")
        left = model.weight.grad is not None or model.bias.grad is not None
        expect.equal(left, False, "a loss is only computed: the caller says when to go backward")


# ------------------------------------------------------------------------------------------------------- reverse_step


def ancestral(case: cases.Case) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of p(x_{t-1} | x_t)."""
    of_x0, of_x_t, variance = posterior(case)
    return of_x0 * unjump(case) + of_x_t * case.x_t, variance.sqrt()


STEP = "x_{t-1} = μ̃_t(x_t, x̂_0) + √β̃_t z with x̂_0 = (x_t - √(1-ᾱ_t) ε) / √ᾱ_t"


@given(case=cases.batches())
def test_reverse_step_is_the_posterior_mean_of_the_guessed_data_plus_scaled_noise(code, case):
    mean, std = ancestral(case)
    got = code.reverse_step(case.x_t, case.t, case.eps, case.betas, torch.zeros_like(case.noise))
    expect.close(got, mean, "without noise the step is the mean: " + STEP)
    got = code.reverse_step(case.x_t, case.t, case.eps, case.betas, case.noise)
    expect.close(got, mean + std * case.noise, "√β̃_t multiplies z, and β̃_t is the posterior variance: " + STEP)


def test_reverse_step_adds_no_noise_where_t_is_0(code, rng):
    for levels in (1, 4):
        case = cases.make((4, 3), levels, rng)
        got = code.reverse_step(case.x_t, case.t, case.eps, case.betas, 1000 * case.noise)
        expect.tensor(got, STEP, shape=(4, 3), dtype=torch.float64)
        last = case.t == 0
        expect.close(got[last], unjump(case)[last], "the step from t = 0 ends at x̂_0 itself, however large z is")


def test_reverse_step_works_on_any_shape_and_layout(code, rng):
    for case in cases.corners(rng):
        mean, std = ancestral(case)
        got = code.reverse_step(case.x_t, case.t, case.eps, case.betas, case.noise)
        expect.close(got, mean + std * case.noise, EACH)


def test_reverse_step_keeps_the_dtype_and_its_arguments(code, rng):
    for case in cases.precisions(rng):
        given_values = case.x_t, case.t, case.eps, case.betas, case.noise
        x_t, t, eps, betas, noise = (value.clone() for value in given_values)
        got = code.reverse_step(x_t, t, eps, betas, noise)
        exact = case.cast(torch.float64, torch.float64)
        mean, std = ancestral(exact)
        expect.close(got, (mean + std * exact.noise).to(x_t.dtype), KEEP, **SINGLE)
        pairs = {"x_t": (case.x_t, x_t), "t": (case.t, t), "eps": (case.eps, eps)}
        expect.unchanged(FREE, **pairs, betas=(case.betas, betas), noise=(case.noise, noise))


def test_reverse_step_lets_gradients_through(code, rng):
    case = cases.make((3, 2, 2), 4, rng)
    x_t, eps, noise = tracked(case.x_t, case.eps, case.noise)
    got = code.reverse_step(x_t, case.t, eps, case.betas, noise)
    expect.tensor(got, FLOW, shape=(3, 2, 2))
    of_x0, of_x_t, variance = posterior(case)
    a, pull = case.at(case.alpha_bar), case.x0
    expect.gradients(
        got,
        pull,
        FLOW,
        x_t=(x_t, (of_x0 / a.sqrt() + of_x_t) * pull),
        eps=(eps, -of_x0 * ((1 - a) / a).sqrt() * pull),
        noise=(noise, variance.sqrt() * pull),
    )


# ------------------------------------------------------------------------------------------------------------- sample

ONCE = "the model is called once for each level, T times in all, t = 0 included"
DOWN = "t counts down from T-1 to 0, as int64 of shape (B,): every sample of the batch is at the same level"


class Exact(nn.Module):
    """The best possible denoiser of a toy world."""

    def __init__(self, world: Gaussian, betas: Tensor) -> None:
        super().__init__()
        self.world, self.alpha_bar = world, cases.alpha_bar_of(betas)
        self.gain = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        return self.gain * self.world.eps(x_t, t, self.alpha_bar)


def walk(code, model: Spy, x_T: Tensor, betas: Tensor, generator: Generator | None = None) -> list[Tensor]:
    """The states of a chain: what the model was called with, and the result."""
    result = code.sample(model, x_T, betas, generator=generator)
    expect.tensor(result, KEEP, shape=x_T.shape, dtype=x_T.dtype, device=x_T.device)
    expect.finite(result, "samples are finite")
    expect.equal(len(model.seen), len(betas), ONCE)
    for seen in model.seen:
        expect.tensor(seen.x_t, "the model sees x_t, in x_T's shape and dtype", shape=x_T.shape, dtype=x_T.dtype)
    return [*(seen.x_t for seen in model.seen), result]


def surprises(model: Spy, states: list[Tensor], betas: Tensor) -> Tensor:
    """What the chain added to the mean of each step but the last, in standard deviations: (T-1, B, elements)."""
    added = []
    for step, (seen, after) in enumerate(zip(model.seen[:-1], states[1:-1], strict=True)):
        mean, std = ancestral(cases.of_step(seen.x_t, seen.answer, len(betas) - 1 - step, betas))
        added.append(((after - mean) / std).flatten(1))
    return torch.stack(added)


@settings(max_examples=10)
@given(shape=cases.shapes(3), levels=st.integers(1, 6), seed=st.integers(0, 2**32 - 1))
def test_sample_calls_the_model_once_for_each_level_counting_down(code, shape, levels, seed):
    generator = Generator().manual_seed(seed)
    betas, x_T, model = cases.schedule(levels, generator), cases.normal(shape, generator), Spy()
    states = walk(code, model, x_T, betas)
    for step, seen in enumerate(model.seen):
        expect.close(seen.t, torch.full((shape[0],), levels - 1 - step), DOWN)
    expect.close(states[0], x_T, "the chain starts at x_T, with t = T-1")


def test_sample_adds_fresh_standard_normal_noise_to_the_mean_of_each_step(code, rng):
    betas = torch.linspace(0.1, 0.5, 5, dtype=torch.float64)[[3, 0, 4, 1, 2]]
    for layout in ("contiguous", "expanded"):
        # x_T of size 1000 shows an error of 1e-4 in a coefficient of the mean as loudly as the noise
        x_T, model = 1000 * cases.normal((32, 2, 4, 4), rng, layout), Spy()
        states = walk(code, model, x_T, betas, generator=rng)
        chance.standard_normal(surprises(model, states, betas), "x_{t-1} - μ̃_t, over √β̃_t, is z ~ N(0, 1), fresh for each step, sample and element", ("steps", "samples", "elements"))  # fmt: skip


@settings(max_examples=10)
@given(shape=cases.shapes(3), levels=st.integers(1, 4), seed=st.integers(0, 2**32 - 1))
def test_sample_ends_with_the_mean_itself(code, shape, levels, seed):
    generator = Generator().manual_seed(seed)
    betas, x_T, model = cases.schedule(levels, generator, smallest=0.05), cases.normal(shape, generator), Spy()
    states = walk(code, model, x_T, betas)
    mean, _ = ancestral(cases.of_step(model.seen[-1].x_t, model.seen[-1].answer, 0, betas))
    expect.close(states[-1], mean, "the step from t = 0 adds no noise, and its result is the sample")


def test_sample_of_a_gaussian_world_has_the_mean_and_variance_of_the_exact_chain(code, rng):
    betas = torch.linspace(0.02, 0.4, 16, dtype=torch.float64)
    world = Gaussian(mean=0.7, variance=0.25)
    result = code.sample(Exact(world, betas), cases.normal((4096, 2), rng), betas, generator=rng)
    expect.tensor(result, KEEP, shape=(4096, 2), dtype=torch.float64)
    mean, variance = world.ancestral(betas)
    why = f"with the exact denoiser of N(0.7, 0.25) the chain ends at mean {mean:.4f} and variance {variance:.4f}"
    chance.standard_normal((result - mean) / variance**0.5, why)


def test_sample_takes_its_randomness_from_the_generator_alone(code, rng):
    betas, x_T = cases.schedule(4, rng, smallest=0.1), cases.normal((3, 4), rng)

    def draw(generator: Generator | None) -> Tensor:
        return walk(code, Spy(), x_T, betas, generator)[-1]

    seed = int(torch.randint(2**31, (), generator=rng))
    first = draw(Generator().manual_seed(seed))
    expect.close(draw(Generator().manual_seed(seed)), first, "the same generator state gives the same sample")
    moved = Generator().manual_seed(seed)
    torch.rand(1, generator=moved)
    for other in (Generator().manual_seed(seed + 1), moved):
        same = torch.equal(draw(other), first)
        expect.equal(same, False, "another generator state gives another sample")


def test_sample_keeps_the_dtype_of_x_T_for_the_model_and_the_result(code, rng):
    for case in cases.precisions(rng):
        model = Spy()
        states = walk(code, model, case.x_t, case.betas)
        last = cases.of_step(model.seen[-1].x_t, model.seen[-1].answer, 0, case.betas)
        mean, _ = ancestral(last.cast(torch.float64, torch.float64))
        expect.close(states[-1], mean.to(case.x_t.dtype), KEEP, rtol=1e-4, atol=1e-3)  # as SINGLE; x_t grows to 50


def test_sample_records_no_gradient_and_leaves_its_arguments_as_they_were(code, rng):
    betas, x_T = cases.schedule(3, rng), cases.normal((2, 3), rng)
    for mode in (True, False):
        for start in (x_T.clone(), *tracked(x_T)):
            model, table = Spy().train(mode), betas.clone()
            result = walk(code, model, start, table)[-1]
            expect.equal(result.requires_grad, False, "a sampler records no gradient: its result carries none")
            recorded = any(seen.tracked for seen in model.seen) and not start.requires_grad
            expect.equal(recorded, False, "a sampler records no gradient on its way, or its memory grows with T")
            expect.unchanged(FREE, x_T=(x_T, start.detach()), betas=(betas, table))
            expect.equal(model.training, mode, "a sampler leaves the model in the mode in which it found it")


# ------------------------------------------------------------------------------------------------------- TinyDenoiser

LARGE_T = 10_000


def awake(code, rng: Generator, dim: int = 2, size: float = 0.1, **hidden: int) -> nn.Module:
    """A denoiser whose parameters were moved a little: some start their last layer at zero, and then show nothing."""
    model = code.TinyDenoiser(dim, **hidden)
    expect.module(model, "TinyDenoiser is an nn.Module, and its layers are registered in it")
    return stirred(model, rng, size)


def stirred(model: nn.Module, rng: Generator, size: float) -> nn.Module:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(size * torch.randn(parameter.shape, generator=rng))
    return model


def answer(model: nn.Module, x: Tensor, t: Tensor, why: str = "the guessed noise has x's shape and dtype") -> Tensor:
    got = model(x, t)
    expect.tensor(got, why, shape=x.shape, dtype=x.dtype, device=x.device)
    expect.finite(got, why)
    return got


def points(rng: Generator, count: int, dim: int) -> tuple[Tensor, Tensor]:
    t = torch.randint(LARGE_T, (count,), generator=rng)
    return torch.randn(count, dim, generator=rng), t


def test_TinyDenoiser_answers_in_the_shape_of_x_for_t_of_any_size(code, rng):
    for model, dim in (
        (code.TinyDenoiser(), 2),
        (code.TinyDenoiser(3, 32), 3),
        (code.TinyDenoiser(dim=5, hidden=64), 5),
    ):
        expect.module(model, "TinyDenoiser is an nn.Module, and its layers are registered in it")
        for count in (1, dim, 7):
            x, t = points(rng, count, dim)
            t[0] = LARGE_T
            before, now = (x.clone(), t.clone()), (x, t)
            answer(model, x, t)
            expect.unchanged(FREE, x=(before[0], now[0]), t=(before[1], now[1]))


def test_TinyDenoiser_treats_each_sample_by_itself_in_training_too(code, rng):
    why = "a sample's output depends on that sample and its t, and on nothing else in the batch"
    for dim in (2, 4):
        model = awake(code, rng, dim)
        for mode in (True, False):
            model.train(mode)
            x, t = points(rng, 6, dim)
            x2, t2 = points(rng, 6, dim)
            x2[2], t2[2], t2[4] = x[2], t[2], LARGE_T
            whole = answer(model, x, t).detach()
            room = 1e-4 * float(whole.abs().max())  # batches of other sizes round otherwise, 1e-7 a layer
            for rest, row in ((answer(model, x2, t2), 2), (answer(model, x[2:3], t[2:3]), 0)):
                moved = float((rest[row].detach() - whole[2]).abs().max()) > room
                expect.holds(not moved, why, got="a row that depends on the others", want="the same row in any company")


def test_TinyDenoiser_tells_one_time_from_another(code, rng):
    model = awake(code, rng, 3).eval()
    x, _ = points(rng, 8, 3)
    for one, other in (
        (0, 1),
        (1, 2),
        (10, 11),
        (0, 999),
        (499, 500),
        (999, 1000),
        (0, 1000),
        (1000, 2000),
        (0, LARGE_T),
    ):
        outputs = [answer(model, x, torch.full((8,), t)).detach() for t in (one, other)]
        change = float((outputs[0] - outputs[1]).abs().max())
        why = f"the noise to guess depends on the level: t = {one} and t = {other} differ"
        expect.holds(change > 0, why, got=change, want="another answer")


def test_TinyDenoiser_looks_at_every_coordinate_of_x(code, rng):
    model = awake(code, rng, 3).eval()
    x, t = points(rng, 8, 3)
    before = answer(model, x, t).detach()
    for axis in range(3):
        moved = x.clone()
        moved[:, axis] += 1
        change = float((answer(model, moved, t).detach() - before).abs().max())
        expect.holds(change > 0, f"x[:, {axis}] was moved by 1", got=change, want="another answer")


def test_TinyDenoiser_can_guess_noise_of_either_sign_and_any_size(code, rng):
    low, high = torch.zeros(4), torch.zeros(4)
    for _ in range(10):
        model = awake(code, rng, 4, size=1.0, hidden=32)
        x, t = points(rng, 16, 4)
        out = answer(model, x, t).detach()
        low, high = torch.minimum(low, out.amin(0)), torch.maximum(high, out.amax(0))
    bounds = [min(-1.5, float(low.max())), max(1.5, float(high.min()))]
    why = "noise has either sign and no bound, so nothing may squash the output: ten random networks were tried"
    reached = [bounds[0] < -1.5, bounds[1] > 1.5]
    expect.holds(all(reached), why, got=reached, want="outputs below -1.5 and above 1.5 in every coordinate")


def test_TinyDenoiser_lets_gradients_through_to_all_that_matters(code, rng):
    model = awake(code, rng, 2, hidden=32)
    x, t = points(rng, 8, 2)
    x.requires_grad_()
    parameters = list(model.parameters())
    before = answer(model, x, t)
    why = "what changes the output gets a gradient: nothing is detached or computed under no_grad"
    expect.equal(before.requires_grad, True, why)
    found = torch.autograd.grad(before.square().sum(), [x, *parameters], allow_unused=True)
    before = before.detach()
    for value, grad in zip([x, *parameters], found, strict=True):
        keep = value.detach().clone()
        with torch.no_grad():
            value.add_(0.1 * torch.randn(value.shape, generator=rng))
            change = float((model(x, t).detach() - before).abs().max())
            value.copy_(keep)
        learns = grad is not None and bool(grad.abs().max() > 0)
        matters = change > 1e-3 * float(before.abs().max())
        expect.holds(learns or not matters, why, got="no gradient", want="a gradient")


# ----------------------------------------------------------------------------------------------------- train_denoiser

LEVELS = (0.9, 0.75, 0.5, 0.3, 0.1)
ROWS, BATCH, STEPS = 40, 20, 56
"""56 * 20 draws miss one of 40 rows in 2e-11 runs, and two draws of 20 rows are the same set in 7e-12."""


def far_apart(rng: Generator, *shape: int) -> Tensor:
    """Data in which row i lies around 1000 (i + 1): a noised row can be told from the others."""
    offset = 1000 * torch.arange(1, ROWS + 1, dtype=torch.float64)
    return offset.reshape(-1, *[1] * len(shape)) + cases.normal((ROWS, *shape), rng)


def lessons(model: Spy, data: Tensor, batch: int = BATCH) -> tuple[Tensor, Tensor, Tensor]:
    """What the model was shown: rows (steps, batch), levels (steps, batch), and the noise in x_t (steps, batch, elements)."""
    rows, levels, noises = [], [], []
    for seen in model.seen:
        expect.tensor(seen.x_t, "each step shows batch_size rows", shape=(batch, *data.shape[1:]), dtype=data.dtype)
        expect.tensor(seen.t, "each row has its own t, int64", shape=(batch,), dtype=torch.int64)
        inside = bool(((seen.t >= 0) & (seen.t < len(LEVELS))).all())
        expect.holds(inside, "t is a level of the schedule", got=seen.t, want="0 <= t < T")
        a = numbers(*LEVELS)[seen.t].reshape(-1, *[1] * (data.ndim - 1))
        row = ((seen.x_t / a.sqrt()).flatten(1).mean(1) / 1000).round().long().clamp(1, len(data)) - 1
        rows.append(row)
        levels.append(seen.t)
        noises.append(((seen.x_t - a.sqrt() * data[row]) / (1 - a).sqrt()).flatten(1))
    return torch.stack(rows), torch.stack(levels), torch.stack(noises)


def school(code, rng: Generator, model: nn.Module, data: Tensor, steps: int = STEPS, **rest: float) -> list[float]:
    """Train the model on data at `LEVELS`, in batches of `BATCH`; the losses."""
    losses = code.train_denoiser(model, data, numbers(*LEVELS), steps, batch_size=BATCH, generator=rng, **rest)
    why = "the losses come back as a list of one float a step"
    whole = isinstance(losses, list | tuple) and all(isinstance(loss, float) for loss in losses)
    expect.holds(whole, why, got=losses, want=f"{steps} floats")
    expect.equal(len(losses), steps, why)
    if isinstance(model, Spy):
        expect.equal(len(model.seen), steps, "each step calls the model once, with one batch")
    return list(losses)


def test_train_denoiser_shows_noised_rows_of_all_the_data_at_levels_of_their_own(code, rng):
    data, model = far_apart(rng, 2, 2), Spy(weight=0.0)
    school(code, rng, model, data, lr=1e-5)
    rows, levels, noise = lessons(model, data)
    chance.standard_normal(noise, "x_t = √ᾱ_t x_0 + √(1-ᾱ_t) ε with ε ~ N(0, 1) for every element", ("steps", "rows", "elements"))  # fmt: skip
    chance.uniform(levels, len(LEVELS), "t is uniform on 0 .. T-1")
    for step in levels:
        expect.holds(len(step.unique()) > 1, "each row of a batch has its own t", got=1, want="different t in a batch")
    for step in rows:
        expect.holds(len(step.unique()) > 1, "a batch is made of many rows", got=1, want="different rows in a batch")
    missed = sorted(set(range(ROWS)) - set(rows.flatten().tolist()))
    expect.holds(not missed, f"{STEPS * BATCH} draws reach each of {ROWS} rows", got=missed, want="no row left out")


def test_train_denoiser_draws_rows_levels_and_noise_afresh(code, rng):
    data, model, other = far_apart(rng, 3), Spy(weight=0.0), Spy(weight=0.0)
    school(code, rng, model, data, lr=1e-5)
    school(code, rng, other, data, steps=1, lr=1e-5)
    rows, levels, noise = lessons(model, data)
    rows2, _, _ = lessons(other, data)
    draws = [*rows.sort(1).values, *rows2.sort(1).values]
    repeats = any(torch.equal(draws[0], draw) for draw in draws[1:])
    expect.equal(repeats, False, "the rows of a step are drawn at random: not the same in each step or each run")
    repeats = any(torch.equal(one, two) for one, two in pairwise(levels))
    expect.equal(repeats, False, "t is drawn afresh each step")
    flat, counts = rows.flatten(), rows.flatten().bincount(minlength=ROWS)
    sums = torch.zeros(ROWS, noise.shape[2], dtype=torch.float64).index_add_(0, flat, noise.flatten(0, 1))
    chance.standard_normal(sums / counts.clamp(min=1).sqrt()[:, None], "a row meets fresh noise each time it is drawn")
    for row in range(ROWS):
        times = levels.flatten()[flat == row]
        fixed = len(times) > 20 and len(times.unique()) == 1
        expect.equal(fixed, False, "a row meets another t each time it is drawn")


def test_train_denoiser_returns_and_descends_the_loss_of_the_guessed_noise(code, rng):
    data, model = far_apart(rng, 2, 2), Spy(weight=0.0)
    losses = school(code, rng, model, data, steps=8, lr=1e-5)
    _, _, noise = lessons(model, data)
    errors = torch.stack([seen.answer.flatten(1) for seen in model.seen]) - noise
    want = errors.square().mean((1, 2))
    expect.close(numbers(*losses), want, "each loss is mean (ε - ε_θ(x_t, t))² of the step's batch, before its update")
    expect.equal(len(model.pulls), 8, "each step goes backward once")
    pulls = torch.stack(model.pulls).flatten(2)
    scale = float((pulls[0] * errors[0]).sum() / errors[0].square().sum())
    expect.holds(scale > 0, "each step goes downhill", got="uphill", want="downhill")
    expect.close(pulls / scale, errors, "each step descends the gradient of its own loss")


def stroll(code, rng: Generator, lr: float = 1e-3, turning: bool = False) -> Tensor:
    """Where 40 steps take the parameters of `Slopes`, in units of lr, (41, 2)."""
    model = Slopes(turning)
    school(code, rng, model, cases.normal((ROWS, 2), rng), steps=40, lr=lr)
    expect.equal(len(model.path), 40, "each step calls the model once, with one batch")
    return model.walk() / lr


def test_train_denoiser_steps_by_lr_however_steep_the_loss_like_adam(code, rng):
    path = stroll(code, rng)
    moves = path[1:] - path[:-1]
    expect.holds(
        bool((moves < 0).all()), "each step moves each parameter downhill, in place", got=moves.sign(), want="down"
    )
    steep, shallow = path[-1].tolist()
    adaptive = 0.8 < shallow / steep < 1.25
    why = "Adam moves by about lr a step however small the gradient: here one is 100 times the other"
    expect.holds(adaptive, why, got=round(shallow / steep, 2), want="equal distances, a ratio of 1")
    why = "with a steady gradient Adam moves by lr a step: 40 lr in 40 steps (2 lr at least, with a slow start)"
    expect.holds(2 <= -steep <= 60, why, got=round(-steep), want="from 2 to 60")
    late = (path[40] - path[20]) / path[20]
    why = "Adam does not tire: with a steady gradient its later steps are as long as the first"
    expect.holds(bool((late > 0.7).all()), why, got=[round(value, 1) for value in late.tolist()], want="1 or more")
    slow = stroll(code, rng, lr=1e-4)[-1] / path[-1]
    why = "the learning rate is lr: a tenth of it makes a tenth of the way"
    expect.holds(bool((slow - 1).abs().max() < 0.2), why, got=[round(value, 1) for value in slow.tolist()], want="the same way in units of lr")  # fmt: skip


def test_train_denoiser_forgets_old_gradients_and_keeps_its_momentum(code, rng):
    steady, turning = stroll(code, rng), stroll(code, rng, turning=True)
    drift = (turning[-1] / steady[-1]).abs()
    why = "gradients that change sign each step lead nowhere, unless those of the steps before are still added in"
    expect.holds(bool(drift.max() < 0.25), why, got=[round(value, 1) for value in drift.tolist()], want="hardly a move")
    moves = ((turning[-1] - turning[-2]) / (steady[-1] - steady[-2])).abs()
    why = "Adam's moments live through the whole training: made anew each step, it swings by lr back and forth"
    expect.holds(bool(moves.max() < 0.8), why, got=[round(value, 1) for value in moves.tolist()], want="shorter swings")


def test_train_denoiser_takes_its_randomness_from_the_generator_alone(code, rng):
    data, seed = far_apart(rng, 2), int(torch.randint(2**31, (), generator=rng))

    def train(generator: Generator) -> Tensor:
        model = Spy(weight=0.0)
        return numbers(*school(code, generator, model, data, steps=3), model.weight.item(), model.bias.item())

    first = train(Generator().manual_seed(seed))
    expect.close(train(Generator().manual_seed(seed)), first, "the same generator state gives the same training")
    moved = Generator().manual_seed(seed)
    torch.rand(1, generator=moved)
    for other in (Generator().manual_seed(seed + 1), moved):
        expect.equal(torch.equal(train(other), first), False, "another generator state gives another training")


def test_train_denoiser_has_its_defaults_and_keeps_dtype_and_data(code, rng):
    data = cases.normal((512, 2), rng).float()
    now, alpha_bar = data.clone(), numbers(*LEVELS)
    spy, model = Spy(), Slopes()
    for learner, steps in ((spy, 2), (model, 40)):
        losses = code.train_denoiser(learner, now, alpha_bar, steps)
        expect.holds(
            isinstance(losses, list | tuple), "the losses are a list", got=type(losses).__name__, want="a list"
        )
        expect.equal(len(losses), steps, "one loss a step")
    expect.unchanged(FREE, data=(data, now), alpha_bar=(numbers(*LEVELS), alpha_bar))
    for seen in spy.seen:
        expect.tensor(seen.x_t, "256 rows a step by default, in the data's dtype", shape=(256, 2), dtype=torch.float32)
    same = float(model.walk()[-1, 0]) / 1e-3 / float(stroll(code, rng)[-1, 0])
    expect.holds(0.8 < same < 1.25, "lr is 1e-3 by default", got=round(same, 1), want="the way of lr=1e-3")
