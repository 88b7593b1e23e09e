"""The graded checks of section 1, forward and reverse.

What is expected is computed here from the papers' formulas, in float64. `cases` says what goes in, `spies` are the
models that the loops are given, and `chance` judges what is random.
"""

import math
from collections.abc import Iterator
from itertools import pairwise

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor, nn

from exercises.checks import cases, chance, expect
from exercises.checks.cases import Case, numbers, tracked
from exercises.checks.expect import left_alone
from exercises.checks.spies import Exact, Slopes, Spy
from exercises.toolkit.worlds import Gaussian

KEEP = "results keep the data's dtype and device, whatever the tables come in, and arguments stay as they are"
FLOW = "the result is differentiable in data, noise and predictions"
EACH = "each sample has its own level: a value (B,) must become (B, 1, ..., 1) before it multiplies (B, *S)"

SINGLE = {"rtol": 1e-4, "atol": 1e-4}
"""For float32 in data or tables. With betas from 0.1 an honest coefficient is off by some 10 ulp after the cancellation
in 1 - ᾱ, 10 * 6e-8 / 0.1 = 6e-6, and it multiplies numbers up to 5."""


def corners(rng: Generator) -> Iterator[Case]:
    """The corners of `cases`, and a batch of videos: data may have any number of axes."""
    yield from cases.corners(rng)
    yield cases.make((2, 3, 2, 3, 2), numbers(*cases.STEEP), rng)


def all_apart(noise: Tensor, why: str, axes: tuple[str, ...]) -> None:
    """No two slices of the noise along an axis are equal, where there is noise.

    Two of n numbers agree to 1e-6 by chance less than once in 1e6**n; every slice here has more than 100.
    """
    if noise.std() < 0.1:
        return  # nothing was added: that is another mistake, and `chance` names it
    for axis, name in enumerate(axes):
        nearest = float(torch.pdist(noise.movedim(axis, 0).flatten(1), p=math.inf).min())
        expect.holds(nearest > 1e-6, why, got=f"the same noise in two {name}", want=f"other noise in all {name}")


# ------------------------------------------------------------------------------------------------------- forward_step
# With a tolerance of 1e-4 where beta is a float: it may become a float32 tensor, and 1 - 0.999 then loses four digits.

MARKOV = "x_t = √(1-β) x_{t-1} + √β ε: the roots keep the variance at 1"


def step(x: Tensor, beta: float, noise: Tensor) -> Tensor:
    return math.sqrt(1 - beta) * x.double() + math.sqrt(beta) * noise.double()


def test_forward_step_by_hand_with_beta_0_36(code):
    got = code.forward_step(numbers(1.0, 0.0, 2.0)[None], 0.36, numbers(0.0, 1.0, -1.0)[None])
    want = numbers(0.8, 0.6, 1.0)[None]
    expect.close(got, want, "√(1-0.36) = 0.8 of the signal and √0.36 = 0.6 of the noise", **SINGLE)


@given(case=cases.batches(), beta=st.floats(1e-4, 0.999))
def test_forward_step_mixes_signal_and_noise_by_the_roots_of_their_variances(code, case, beta):
    for given_beta in (beta, torch.tensor(beta, dtype=torch.float64)):
        got = code.forward_step(case.x0, given_beta, case.noise)
        expect.close(got, step(case.x0, beta, case.noise), MARKOV, **SINGLE)


def test_forward_step_works_on_any_shape_and_layout(code, rng):
    for case in corners(rng):
        got = code.forward_step(case.x0, case.betas[0], case.noise)
        want = step(case.x0, case.betas[0].item(), case.noise)
        expect.close(got, want, "data is (B, *S) for any S, however it lies in memory", **SINGLE)


def test_forward_step_keeps_the_dtype_and_its_arguments(code, rng):
    for case in cases.precisions(rng):
        beta = case.betas[1]
        want = step(case.x0, beta.item(), case.noise).to(case.x0.dtype)
        expect.close(code.forward_step(case.x0, beta.item(), case.noise), want, KEEP, **SINGLE)
        got = expect.untouched(code.forward_step, KEEP, x=case.x0, beta=beta, noise=case.noise)
        expect.close(got, want, KEEP, **SINGLE)


def test_forward_step_lets_gradients_through(code, rng):
    case = cases.gradual(rng)
    x, noise = tracked(case.x0, case.noise)
    got, pull = code.forward_step(x, 0.36, noise), case.eps
    expect.gradients(got, pull, FLOW, x=(x, 0.8 * pull), noise=(noise, 0.6 * pull), **SINGLE)


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
    why = "DDPM's linear schedule leaves 4e-5 of the variance"
    expect.tensor(got, why, shape=(1000,), dtype=torch.float64)
    want = numbers(0.9999, 0.07858724, 4.0358298e-5)
    expect.close(got[[0, 499, 999]], want, why, rtol=1e-7, atol=1e-9)  # as many digits as are written here


def test_compute_alpha_bar_is_exact_next_to_1_and_next_to_0(code):
    betas = numbers(1e-6, 0.9, 0.99, 0.999, 0.9999)
    got = code.compute_alpha_bar(betas)
    why = "ᾱ goes from just below 1 down to 1e-10 here, and nothing bounds it: a clamp would change the levels"
    expect.close(got, cases.alpha_bar_of(betas), why, rtol=1e-7, atol=0.0)


def test_compute_alpha_bar_keeps_the_dtype_and_its_argument(code, rng):
    betas = cases.schedule(8, rng, smallest=0.1)
    for table in (betas, betas.float(), betas[::2], betas[:1].expand(5)):
        want = cases.alpha_bar_of(table.double()).to(table.dtype)
        got = expect.untouched(code.compute_alpha_bar, KEEP, betas=table)
        expect.close(got, want, KEEP, rtol=1e-5, atol=1e-6)  # float32: eight roundings of 6e-8, or a logarithm's
        expect.close(code.compute_alpha_bar(table), want, "betas may lie in memory in any way", rtol=1e-5, atol=1e-6)


# ----------------------------------------------------------------------------------------------------------- q_sample

JUMP = "x_t = √ᾱ_t x_0 + √(1-ᾱ_t) ε"


def jump(case: Case) -> Tensor:
    a = case.at(case.alpha_bar)
    return a.sqrt() * case.x0 + (1 - a).sqrt() * case.noise


def test_q_sample_by_hand(code):
    x0, noise = numbers(1.0, 0.0).expand(2, 2), numbers(0.0, 1.0).expand(2, 2)
    got = code.q_sample(x0, torch.tensor([1, 0]), noise, numbers(0.64, 0.36))
    want = torch.stack([numbers(0.6, 0.8), numbers(0.8, 0.6)])
    expect.close(got, want, "ᾱ = 0.36 keeps √0.36 = 0.6 of the data and adds √0.64 = 0.8 of the noise")


@given(case=cases.batches())
def test_q_sample_jumps_to_the_level_of_each_sample(code, case):
    expect.close(code.q_sample(case.x0, case.t, case.noise, case.alpha_bar), jump(case), JUMP)


def test_q_sample_works_on_any_shape_and_layout(code, rng):
    for case in corners(rng):
        expect.close(code.q_sample(case.x0, case.t, case.noise, case.alpha_bar), jump(case), EACH)


def test_q_sample_keeps_the_dtype_and_its_arguments(code, rng):
    for case in cases.precisions(rng):
        got = expect.untouched(
            code.q_sample, KEEP, x0=case.x0, t=case.t, noise=case.noise, alpha_bar=case.alpha_bar
        )  # fmt: skip
        expect.close(got, jump(case.exactly()).to(case.x0.dtype), KEEP, **SINGLE)


def test_q_sample_lets_gradients_through(code, rng):
    case = cases.gradual(rng)
    x0, noise = tracked(case.x0, case.noise)
    got, pull, a = code.q_sample(x0, case.t, noise, case.alpha_bar), case.eps, case.at(case.alpha_bar)
    expect.gradients(got, pull, FLOW, x0=(x0, a.sqrt() * pull), noise=(noise, (1 - a).sqrt() * pull))


# --------------------------------------------------------------------------------------------------------- predict_x0


def unjump(case: Case) -> Tensor:
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
    for case in corners(rng):
        expect.close(code.predict_x0(case.x_t, case.t, case.eps, case.alpha_bar), unjump(case), EACH)


def test_predict_x0_keeps_the_dtype_and_its_arguments(code, rng):
    for case in cases.precisions(rng):
        got = expect.untouched(
            code.predict_x0, KEEP, x_t=case.x_t, t=case.t, eps=case.eps, alpha_bar=case.alpha_bar
        )  # fmt: skip
        expect.close(got, unjump(case.exactly()).to(case.x_t.dtype), KEEP, **SINGLE)


def test_predict_x0_lets_gradients_through(code, rng):
    case = cases.gradual(rng)
    x_t, eps = tracked(case.x_t, case.eps)
    got, pull, a = code.predict_x0(x_t, case.t, eps, case.alpha_bar), case.noise, case.at(case.alpha_bar)
    expect.gradients(got, pull, FLOW, x_t=(x_t, pull / a.sqrt()), eps=(eps, -((1 - a) / a).sqrt() * pull))


# -------------------------------------------------------------------------------------------------------- q_posterior

PAIR = "the answer is a pair (mean, variance)"
BAYES = "μ̃_t = (√ᾱ_{t-1} β_t x_0 + √α_t (1-ᾱ_{t-1}) x_t) / (1-ᾱ_t)"
SPREAD = "β̃_t = (1-ᾱ_{t-1}) / (1-ᾱ_t) β_t is the variance, of shape (B, 1, ..., 1)"
SURE = "before t = 0 nothing is noised, ᾱ_{-1} = 1: x_{t-1} is x_0, and its variance 0"


def posterior(case: Case) -> tuple[Tensor, Tensor, Tensor]:
    """The coefficients of x_0 and x_t in the mean, and the variance, (B, 1, ..., 1), by Bayes' rule.

    Before x_t = √α_t x_{t-1} + √β_t ε is seen, x_{t-1} is N(√ᾱ_{t-1} x_0, 1-ᾱ_{t-1}). Precisions add, and the mean is
    the average that they weigh. Before t = 0 the variance is 0 from the start.
    """
    beta, before = case.at(case.betas), case.at(torch.cat([numbers(1.0), case.alpha_bar[:-1]]))
    prior = torch.where(before < 1, 1 - before, 1.0)
    variance = torch.where(before < 1, 1 / (1 / prior + (1 - beta) / beta), 0.0)
    of_x0 = torch.where(before < 1, variance * before.sqrt() / prior, 1.0)
    return of_x0, variance * (1 - beta).sqrt() / beta, variance


def q_posterior_is_right(got: object, case: Case, mean_why: str, variance_why: str, **tolerance: float) -> None:
    """Compare with Bayes' rule, computed in float64."""
    mean, variance = expect.tensors(got, 2, PAIR)
    exact = case.exactly()
    of_x0, of_x_t, want = posterior(exact)
    expect.close(variance, want.to(case.x0.dtype), variance_why, **tolerance)
    expect.close(mean, (of_x0 * exact.x0 + of_x_t * exact.x_t).to(case.x0.dtype), mean_why, **tolerance)


def test_q_posterior_by_hand(code):
    x0, x_t = numbers(1.0, 0.0).expand(2, 2), numbers(0.0, 1.0).expand(2, 2)
    got = code.q_posterior(x0, x_t, torch.tensor([1, 0]), numbers(0.36, 0.75))
    mean, variance = expect.tensors(got, 2, PAIR)
    want = torch.stack([numbers(0.8 * 0.75 / 0.84, 0.5 * 0.36 / 0.84), numbers(1.0, 0.0)])
    expect.close(mean, want, "β = (0.36, 0.75) makes ᾱ = (0.64, 0.16), 1 before; " + BAYES)
    expect.close(variance, numbers(0.36 / 0.84 * 0.75, 0.0)[:, None], "ᾱ = (0.64, 0.16), 1 before; " + SPREAD)


@given(case=cases.batches())
def test_q_posterior_is_what_bayes_rule_says(code, case):
    q_posterior_is_right(code.q_posterior(case.x0, case.x_t, case.t, case.betas), case, BAYES, SPREAD)


def test_q_posterior_at_t_0_is_the_data_without_doubt(code, rng):
    for levels in (1, 3):
        x0, x_t = cases.normal((3, 2), rng), cases.normal((3, 2), rng)
        got = code.q_posterior(x0, x_t, torch.zeros(3, dtype=torch.int64), cases.schedule(levels, rng))
        mean, variance = expect.tensors(got, 2, PAIR)
        expect.close(mean, x0, SURE)
        # 1 - 1 may leave a rounding error of 1e-16 or so, and some keep a logarithm finite with 1e-20
        expect.close(variance, torch.zeros(3, 1, dtype=torch.float64), SURE, rtol=0.0, atol=1e-12)


def test_q_posterior_works_on_any_shape_and_layout(code, rng):
    for case in corners(rng):
        q_posterior_is_right(code.q_posterior(case.x0, case.x_t, case.t, case.betas), case, EACH, SPREAD)


def test_q_posterior_keeps_the_dtype_and_its_arguments(code, rng):
    for case in cases.precisions(rng):
        got = expect.untouched(code.q_posterior, KEEP, x0=case.x0, x_t=case.x_t, t=case.t, betas=case.betas)
        q_posterior_is_right(got, case, KEEP, KEEP, **SINGLE)


def test_q_posterior_lets_gradients_through(code, rng):
    case = cases.gradual(rng)
    x0, x_t = tracked(case.x0, case.x_t)
    mean, _ = expect.tensors(code.q_posterior(x0, x_t, case.t, case.betas), 2, PAIR)
    (of_x0, of_x_t, _), pull = posterior(case), case.eps
    expect.gradients(mean, pull, FLOW, x0=(x0, of_x0 * pull), x_t=(x_t, of_x_t * pull))


# ------------------------------------------------------------------------------------------------- timestep_embedding

CLOCKS = "[cos(t ω_0), cos(t ω_1), ..., sin(t ω_0), sin(t ω_1), ...] with ω_i = max_period ** (-i / (dim / 2))"


def embedded(got: object, t: Tensor, dim: int, why: str = CLOCKS, max_period: float = 10_000.0) -> None:
    """Compare with the formula, from which honest code differs by the roundings of an angle in float32.

    The angle is t ω, and ω = exp(-u) is off by some (1 + u) 6e-8 ω, which is 6e-8 at the most: 1e-6 t leaves room for
    ten such roundings, and 2e-6 for the cosine's own.
    """
    angles = t.double()[:, None] * numbers(*(max_period ** (-i / (dim // 2)) for i in range(dim // 2)))
    want = torch.cat([angles.cos(), angles.sin()], dim=1).to(t.dtype if t.is_floating_point() else torch.float32)
    expect.close(got, want, why, rtol=0.0, atol=1e-6 * float(t.abs().max()) + 2e-6)


def test_timestep_embedding_at_t_0_shows_twelve_o_clock(code):
    got = code.timestep_embedding(torch.tensor([0, 0, 0]), 4)
    want = numbers(1, 1, 0, 0, dtype=torch.float32).expand(3, 4)
    expect.close(got, want, "cos 0 = 1 fills the first half, sin 0 = 0 the second; integer t gives float32")


def test_timestep_embedding_by_hand_with_two_clocks(code):
    got = code.timestep_embedding(numbers(1.0), 4, max_period=100.0)
    want = numbers(math.cos(1), math.cos(0.1), math.sin(1), math.sin(0.1))[None]
    expect.close(got, want, "max_period = 100 and dim = 4: the clocks run at ω = (1, 0.1)", rtol=0.0, atol=3e-6)


@given(
    t=st.lists(st.floats(0, 10, width=32), min_size=1, max_size=5),
    half=st.integers(1, 8),
    max_period=st.floats(10, 20_000),
)
def test_timestep_embedding_shows_dim_halves_clocks_from_fast_to_slow(code, t, half, max_period):
    t, dim = numbers(*t), 2 * half
    embedded(code.timestep_embedding(t, dim, max_period=max_period), t, dim, max_period=max_period)
    embedded(code.timestep_embedding(t, dim), t, dim)


@given(t=st.lists(st.integers(0, 10_000), min_size=1, max_size=5), half=st.integers(1, 16))
def test_timestep_embedding_of_integer_t_of_any_size_is_float32(code, t, half):
    embedded(code.timestep_embedding(torch.tensor(t), 2 * half), torch.tensor(t), 2 * half)


def test_timestep_embedding_gives_each_t_its_own_row_and_leaves_t_alone(code, rng):
    t = torch.randint(1, 20, (6,), generator=rng)
    why = "row i is the embedding of t[i], in t's own dtype, or float32 for integers"
    for times in (t, t.double() / 3, t.float() / 3, t[::2], t[:1].expand(6), torch.tensor([0, 3, 10_000])):
        for dim in (2, 6):
            got = expect.untouched(lambda now, dim=dim: code.timestep_embedding(now, dim), KEEP, t=times)
            embedded(got, times, dim, why)
            embedded(code.timestep_embedding(times, dim), times, dim, why)


# -------------------------------------------------------------------------------------------------------- simple_loss

MEAN = "the loss is the mean over every element of (ε - ε_θ(x_t, t))²"


def mse(case: Case, weight: float = 0.75, bias: float = 0.25) -> Tensor:
    """The loss of a `Spy`."""
    return (case.noise - (weight * jump(case) + bias)).square().mean()


@given(case=cases.batches())
def test_simple_loss_is_the_mean_squared_error_of_the_guessed_noise(code, case):
    expect.close(code.simple_loss(Spy(), case.x0, case.t, case.noise, case.alpha_bar), mse(case), MEAN)


def test_simple_loss_calls_the_model_once_with_the_noised_data_and_its_levels(code, rng):
    for case in corners(rng):
        model = Spy()
        got = code.simple_loss(model, case.x0, case.t, case.noise, case.alpha_bar)
        expect.equal(len(model.seen), 1, "one call of the model is enough")
        expect.close(model.seen[0].x_t, jump(case), "the model sees x_t = √ᾱ_t x_0 + √(1-ᾱ_t) ε")
        expect.close(model.seen[0].t, case.t, "the model is told the level of each sample, t itself")
        expect.close(got, mse(case), MEAN)


def test_simple_loss_of_a_perfect_model_is_zero(code, rng):
    nothing = Gaussian(mean=0.0, variance=0.0)  # data that is all zero: x_t is noise, and its share is known
    for case in corners(rng):
        model = Exact(nothing, case.alpha_bar)
        got = code.simple_loss(model, torch.zeros_like(case.x0), case.t, case.noise, case.alpha_bar)
        expect.close(got, numbers(0.0)[0], "a model that guesses the noise has nothing left to learn")


def test_simple_loss_lets_gradients_through_to_model_and_data(code, rng):
    case, model = cases.gradual(rng), Spy()
    x0, noise = tracked(case.x0, case.noise)
    got = code.simple_loss(model, x0, case.t, noise, case.alpha_bar)
    a, x_t = case.at(case.alpha_bar), jump(case)
    error = 2 * (0.75 * x_t + 0.25 - case.noise) / x_t.numel()
    expect.gradients(
        got,
        numbers(1.0)[0],
        "the loss is differentiable in the model's parameters, in data and in noise",
        weight=(model.weight, (error * x_t).sum()),
        bias=(model.bias, error.sum()),
        x0=(x0, error * 0.75 * a.sqrt()),
        noise=(noise, error * (0.75 * (1 - a).sqrt() - 1)),
    )


def test_simple_loss_keeps_the_dtype_its_arguments_and_the_model(code, rng):
    for case in cases.precisions(rng):
        model = Spy()
        got = expect.untouched(
            lambda *arguments, model=model: code.simple_loss(model, *arguments),
            KEEP, x0=case.x0, t=case.t, noise=case.noise, alpha_bar=case.alpha_bar,
        )  # fmt: skip
        expect.close(got, mse(case.exactly()).to(case.x0.dtype), KEEP, **SINGLE)
        expect.tensor(model.seen[0].x_t, "the model works in the data's dtype: x_t keeps it", dtype=case.x0.dtype)
        left_alone(model)


# ------------------------------------------------------------------------------------------------------- reverse_step

STEP = "x_{t-1} = μ̃_t(x_t, x̂_0) + √β̃_t z with x̂_0 = (x_t - √(1-ᾱ_t) ε) / √ᾱ_t"


def ancestral(case: Case) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of p(x_{t-1} | x_t)."""
    of_x0, of_x_t, variance = posterior(case)
    return of_x0 * unjump(case) + of_x_t * case.x_t, variance.sqrt()


def stepped(case: Case) -> Tensor:
    mean, std = ancestral(case)
    return mean + std * case.noise


def test_reverse_step_by_hand(code):
    x_t, eps, noise = torch.eye(3, dtype=torch.float64)[:, None]  # nobody is at t = 0 here
    got = code.reverse_step(x_t, torch.tensor([1]), eps, numbers(0.36, 0.75), noise)
    want = numbers(2.0, -1.5 / math.sqrt(0.84), math.sqrt(0.27 / 0.84))[None]
    expect.close(got, want, "β = (0.36, 0.75) and t = 1 make it 2 x_t - 1.5/√0.84 ε + √(0.27/0.84) z")


@given(case=cases.batches())
def test_reverse_step_is_the_posterior_mean_of_the_guessed_data_plus_scaled_noise(code, case):
    got = code.reverse_step(case.x_t, case.t, case.eps, case.betas, torch.zeros_like(case.noise))
    expect.close(got, ancestral(case)[0], "without noise the step is the mean: " + STEP)
    got = code.reverse_step(case.x_t, case.t, case.eps, case.betas, case.noise)
    expect.close(got, stepped(case), "√β̃_t multiplies z, with the posterior variance β̃_t: " + STEP)


def test_reverse_step_adds_no_noise_where_t_is_0(code, rng):
    for levels in (1, 4):
        case = cases.make((4, 3), cases.schedule(levels, rng), rng)
        got = code.reverse_step(case.x_t, case.t, case.eps, case.betas, 1000 * case.noise)
        expect.tensor(got, STEP, shape=(4, 3), dtype=torch.float64)
        last = case.t == 0
        expect.close(got[last], unjump(case)[last], "the step from t = 0 ends at x̂_0 itself, however large z is")


def test_reverse_step_works_on_any_shape_and_layout(code, rng):
    for case in corners(rng):
        expect.close(code.reverse_step(case.x_t, case.t, case.eps, case.betas, case.noise), stepped(case), EACH)


def test_reverse_step_keeps_the_dtype_and_its_arguments(code, rng):
    for case in cases.precisions(rng):
        got = expect.untouched(
            code.reverse_step, KEEP, x_t=case.x_t, t=case.t, eps=case.eps, betas=case.betas, noise=case.noise
        )  # fmt: skip
        expect.close(got, stepped(case.exactly()).to(case.x_t.dtype), KEEP, **SINGLE)


def test_reverse_step_lets_gradients_through(code, rng):
    case = cases.gradual(rng)
    x_t, eps, noise = tracked(case.x_t, case.eps, case.noise)
    got, pull = code.reverse_step(x_t, case.t, eps, case.betas, noise), case.x0
    (of_x0, of_x_t, variance), a = posterior(case), case.at(case.alpha_bar)
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
DOWN = "t counts down from T-1 to 0, int64 of shape (B,): all samples of the batch are at the same level"
FRESH = "(x_{t-1} - μ̃_t) / √β̃_t is z ~ N(0, 1), drawn afresh for each step, sample and element"


def chain(code, model: Spy, x_T: Tensor, betas: Tensor, generator: Generator | None = None) -> list[Tensor]:
    """The states of a chain: what the model was called with, and the result."""
    result = code.sample(model, x_T, betas, generator=generator)
    expect.tensor(result, KEEP, shape=x_T.shape, dtype=x_T.dtype, device=x_T.device)
    expect.finite(result, "samples are finite")
    expect.equal(len(model.seen), len(betas), ONCE)
    for seen in model.seen:
        expect.tensor(seen.x_t, "the model sees x_t, in x_T's shape and dtype", shape=x_T.shape, dtype=x_T.dtype)
    return [*(seen.x_t for seen in model.seen), result]


def surprises(model: Spy, states: list[Tensor], betas: Tensor) -> Tensor:
    """What each step but the last added to its mean, in standard deviations: (T-1, B, elements)."""
    added = []
    for level, seen, after in zip(range(len(betas) - 1, 0, -1), model.seen, states[1:], strict=False):
        mean, std = ancestral(cases.of_step(seen.x_t, seen.answer, level, betas))
        added.append(((after - mean) / std).flatten(1))
    return torch.stack(added)


def last_mean(model: Spy, betas: Tensor) -> Tensor:
    """The mean of the step from t = 0, in float64."""
    seen = model.seen[-1]
    return ancestral(cases.of_step(seen.x_t, seen.answer, 0, betas).exactly())[0]


def test_sample_calls_the_model_once_for_each_level_counting_down(code, rng):
    for shape, levels in (((2, 3), 1), ((1, 4), 2), ((3, 3, 3, 3), 5), ((2, 1, 2), 7)):
        betas, x_T, model = cases.schedule(levels, rng), cases.normal(shape, rng), Spy()
        states = chain(code, model, x_T, betas, rng)
        for level, seen in zip(range(levels - 1, -1, -1), model.seen, strict=True):
            expect.close(seen.t, torch.full(shape[:1], level), DOWN)
        expect.close(states[0], x_T, "the chain starts at x_T, with t = T-1")


def test_sample_adds_fresh_standard_normal_noise_to_the_mean_of_each_step(code, rng):
    # rising, so that the posterior variance is far from β, which is 1.1 to 4 times as large
    betas = torch.linspace(0.1, 0.5, 5, dtype=torch.float64) * (0.8 + 0.4 * torch.rand(5, generator=rng))
    for layout, generator in (("contiguous", rng), ("expanded", None)):
        # x_T of size 1000 shows an error of 1e-4 in a coefficient of the mean as loudly as the noise
        x_T, model = 1000 * cases.normal((32, 2, 4, 4), rng, layout), Spy()
        states = chain(code, model, x_T, betas, generator)
        added, axes = surprises(model, states, betas), ("steps", "samples", "elements")
        all_apart(added, FRESH, axes)
        chance.standard_normal(added, FRESH, axes)


def test_sample_ends_with_the_mean_itself(code, rng):
    for shape, levels in (((2, 3), 1), ((1, 4), 2), ((3, 2, 2), 4)):
        betas, x_T, model = cases.schedule(levels, rng, smallest=0.05), cases.normal(shape, rng), Spy()
        result = chain(code, model, x_T, betas, rng)[-1]
        expect.close(result, last_mean(model, betas), "the step from t = 0 adds no noise, and its result is the sample")


def test_sample_of_a_gaussian_world_has_the_mean_and_variance_of_the_exact_chain(code, rng):
    betas, world = torch.linspace(0.02, 0.4, 16, dtype=torch.float64), Gaussian(mean=0.7, variance=0.25)
    result = code.sample(Exact(world, cases.alpha_bar_of(betas)), cases.normal((4096, 2), rng), betas, generator=rng)
    mean, variance = world.ancestral(betas)
    why = f"with the exact denoiser of N(0.7, 0.25) the chain ends at mean {mean:.4f} and variance {variance:.4f}"
    expect.tensor(result, why, shape=(4096, 2), dtype=torch.float64)
    chance.standard_normal((result - mean) / variance**0.5, why)


def test_sample_takes_its_randomness_from_the_generator_alone(code, rng):
    betas, x_T = cases.schedule(4, rng, smallest=0.1), cases.normal((3, 4), rng)
    seed = int(torch.randint(2**31, (), generator=rng))

    def draw(seed: int, skipped: int = 0) -> Tensor:
        generator = Generator().manual_seed(seed)
        torch.rand(skipped, generator=generator)
        return chain(code, Spy(), x_T, betas, generator)[-1]

    first = draw(seed)
    why = "the same generator state gives the same sample"
    expect.holds(torch.allclose(draw(seed), first), why, got="another sample", want="the same sample")
    for other in (draw(seed + 1), draw(seed, skipped=1)):
        why = "another generator state gives another sample"
        expect.holds(not torch.equal(other, first), why, got="the same sample", want="another sample")


def test_sample_keeps_the_dtype_of_x_T_for_the_model_and_the_result(code, rng):
    for case in cases.precisions(rng):
        model = Spy()
        result = chain(code, model, case.x_t, case.betas)[-1]
        want = last_mean(model, case.betas).to(case.x_t.dtype)
        expect.close(result, want, KEEP, rtol=1e-4, atol=1e-3)  # as SINGLE, for numbers up to 50


def test_sample_records_no_gradient_and_leaves_its_arguments_as_they_were(code, rng):
    betas, x_T = cases.schedule(3, rng), cases.normal((2, 3), rng)
    for start in (x_T.clone(), *tracked(x_T)):
        model, table = Spy(), betas.clone()
        result = chain(code, model, start, table)[-1]
        why = "a sampler records no gradient"
        expect.holds(not result.requires_grad, why, got="a result with a gradient", want="a result without")
        recorded = any(seen.tracked for seen in model.seen) and not start.requires_grad
        why = "a sampler records no gradient on its way, or its memory grows with T"
        expect.holds(not recorded, why, got="an x_t that carries a gradient", want="x_t without")
        expect.unchanged(KEEP, x_T=(x_T, start.detach()), betas=(betas, table))
        left_alone(model)


# ------------------------------------------------------------------------------------------------------- TinyDenoiser

FAR = 10_000
NETWORK = "TinyDenoiser is an nn.Module, and its layers are registered in it"
ALIKE = "the guessed noise is a tensor of x's shape and dtype"
ALONE = "a sample's output depends on that sample and its t, and on nothing else in the batch"


def awake(code, rng: Generator, dim: int, hidden: int = 32, size: float = 0.1) -> nn.Module:
    """A denoiser whose parameters were moved a little: some start their last layer at zero, and then show nothing."""
    model = code.TinyDenoiser(dim, hidden)
    expect.module(model, NETWORK)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(size * torch.randn(parameter.shape, generator=rng))
    return model


def guess(model: nn.Module, x: Tensor, t: Tensor) -> Tensor:
    got = model(x, t)
    expect.tensor(got, ALIKE, shape=x.shape, dtype=x.dtype, device=x.device)
    expect.finite(got, ALIKE)
    return got.detach()


def points(rng: Generator, count: int, dim: int) -> tuple[Tensor, Tensor]:
    return torch.randn(count, dim, generator=rng), torch.randint(FAR, (count,), generator=rng)


def furthest(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max())


def test_TinyDenoiser_answers_in_the_shape_of_x_for_t_of_any_size(code, rng):
    for model, dim in (
        (code.TinyDenoiser(), 2),
        (code.TinyDenoiser(1, 32), 1),
        (code.TinyDenoiser(3, 32), 3),
        (code.TinyDenoiser(dim=5, hidden=64), 5),
    ):
        expect.module(model, NETWORK)
        for count in (1, dim, 7):
            x, t = points(rng, count, dim)
            for times in (t, torch.zeros_like(t), torch.full_like(t, 1_000_000)):
                expect.untouched(lambda x, t, model=model: guess(model, x, t), KEEP, x=x, t=times)


def test_TinyDenoiser_treats_each_sample_by_itself_in_training_too(code, rng):
    for dim in (2, 4):
        model = awake(code, rng, dim)
        for training in (True, False):
            model.train(training)
            (x, t), (others, times) = points(rng, 6, dim), points(rng, 6, dim)
            others[2], times[2], times[4] = x[2], t[2], FAR
            whole = guess(model, x, t)
            room = 1e-4 * float(
                whole.abs().max()
            )  # float32 rounds by 1e-7 a layer, otherwise in batches of other sizes
            for got, want, cause in (
                (guess(model, x, t), whole, "from one call to an equal one"),
                (guess(model, others, t)[2], whole[2], "with the other samples' x"),
                (guess(model, x, times)[2], whole[2], "with the other samples' t"),
                (guess(model, x[2:3], t[2:3])[0], whole[2], "with the size of the batch"),
            ):
                moved = f"a row that changes {cause}, in {'training' if training else 'eval'} mode"
                expect.holds(furthest(got, want) <= room, ALONE, got=moved, want="the same row in any company")


def test_TinyDenoiser_tells_one_time_from_another(code, rng):
    model, (x, _) = awake(code, rng, 3).eval(), points(rng, 8, 3)
    neighbours = [(0, 1), (1, 2), (10, 11), (499, 500), (999, 1000)]
    alike = []
    for one, other in [*neighbours, (0, 999), (0, 1000), (1000, 2000), (5000, FAR), (0, FAR)]:
        change = furthest(guess(model, x, torch.full((8,), one)), guess(model, x, torch.full((8,), other)))
        alike += [] if change > 0 else [f"{one} like {other}"]
    why = "the noise to guess depends on the level, and t may be of any size: no two t get the same answer"
    expect.holds(not alike, why, got=alike, want="another answer for each t")


def test_TinyDenoiser_has_layers_as_wide_as_hidden_says(code):
    counts = []
    for model in (code.TinyDenoiser(2, 16), code.TinyDenoiser(2, 64), code.TinyDenoiser(2, 128), code.TinyDenoiser()):
        expect.module(model, NETWORK)
        counts.append(sum(parameter.numel() for parameter in model.parameters()))
    narrow, wide, widest, default = counts
    why = "hidden is the width of the layers"
    expect.holds(narrow < wide < widest, why, got=counts[:3], want="more parameters with a larger hidden")
    expect.equal(default, widest, "by default hidden is 128 and dim 2: so many parameters")


def test_TinyDenoiser_looks_at_every_coordinate_and_guesses_each(code, rng):
    model, (x, _), t = awake(code, rng, 3).eval(), points(rng, 8, 3), torch.arange(8)
    before = guess(model, x, t)
    for axis in range(3):
        moved = x.clone()
        moved[:, axis] += 1
        change = furthest(guess(model, moved, t), before)
        expect.holds(change > 0, f"x[:, {axis}] was moved by 1", got=change, want="another answer")
        change = furthest(before[:, axis], before[:, axis - 1])
        expect.holds(change > 0, "each coordinate has noise of its own", got=change, want="different columns")


def test_TinyDenoiser_can_guess_noise_of_either_sign_and_any_size(code, rng):
    outputs = []
    for _ in range(10):
        model, (x, t) = awake(code, rng, 4, size=1.0), points(rng, 16, 4)
        outputs.append(guess(model, x, t))
    reached = torch.cat(outputs)
    both = [bool(reached.min() < -1.5), bool(reached.max() > 1.5)]
    why = "noise has either sign and no bound, so nothing may squash the output: ten random networks were tried"
    expect.holds(all(both), why, got=both, want="some outputs below -1.5 and some above 1.5")


def test_TinyDenoiser_keeps_all_that_it_is_in_parameters_and_buffers(code, rng):
    model, twin = awake(code, rng, 2).eval(), awake(code, rng, 2).eval()
    with torch.no_grad():
        for kept, copied in zip(model.state_dict().values(), twin.state_dict().values(), strict=True):
            copied.copy_(kept)
    x, t = points(rng, 8, 2)
    expected = guess(model, x, t)
    same = furthest(guess(twin, x, t), expected) <= 1e-4 * float(expected.abs().max())
    why = "two networks with equal parameters and buffers are equal: a layer in a plain list is not trained or saved"
    expect.holds(same, why, got="another answer from the twin", want="the same answer")


def test_TinyDenoiser_lets_gradients_through_to_all_that_matters(code, rng):
    model, (x, _), t = awake(code, rng, 2), points(rng, 8, 2), torch.arange(8)
    inputs = [x.requires_grad_(), *(parameter for parameter in model.parameters() if parameter.requires_grad)]
    why = "what changes the output gets a gradient: nothing is detached or computed under no_grad"
    before = guess(model, x, t)
    output = model(x, t)
    expect.holds(output.requires_grad, why, got="an output without a gradient", want="an output with one")
    found = torch.autograd.grad(output.square().sum(), inputs, allow_unused=True)
    for value, grad in zip(inputs, found, strict=True):
        kept = value.detach().clone()
        with torch.no_grad():
            value.add_(0.1 * torch.randn(value.shape, generator=rng))
            matters = furthest(guess(model, x, t), before) > 1e-3 * float(before.abs().max())
            value.copy_(kept)
        learns = grad is not None and bool(grad.abs().max() > 0)
        expect.holds(learns or not matters, why, got="no gradient", want="a gradient")


# ----------------------------------------------------------------------------------------------------- train_denoiser

LEVELS = (0.9, 0.75, 0.5, 0.3, 0.1)
ROWS, BATCH, STEPS = 40, 20, 56
"""56 * 20 draws miss one of 40 rows once in 5e10 runs, and two draws of 20 rows are the same set once in 1e11."""
FLOATS = "the losses come back as a list of one float a step"
SHOWN = "each step shows the model batch_size noised rows, in the data's dtype, each with its own int64 t"


def school(code, generator: Generator | None, model: nn.Module, data: Tensor, steps: int, **rest: float) -> list[float]:
    """Train the model on data at `LEVELS`; the losses."""
    losses = code.train_denoiser(model, data, numbers(*LEVELS), steps, generator=generator, **rest)
    whole = isinstance(losses, list | tuple)
    kinds = {"float" if isinstance(loss, float) else type(loss).__name__ for loss in losses} if whole else set()
    came = [type(losses).__name__, *sorted(kinds)]
    expect.holds(kinds == {"float"}, FLOATS, got=came, want=f"a list of {steps} floats")
    expect.equal(len(losses), steps, FLOATS)
    return list(losses)


def far_apart(rng: Generator, *shape: int, rows: int = ROWS) -> Tensor:
    """Data in which row i lies around 1000 (i + 1): a noised row can be told from the others."""
    offset = 1000 * torch.arange(1, rows + 1, dtype=torch.float64)
    return offset.reshape(-1, *[1] * len(shape)) + cases.normal((rows, *shape), rng)


def lessons(model: Spy, data: Tensor, steps: int, batch: int = BATCH) -> tuple[Tensor, Tensor, Tensor]:
    """What the model was shown: rows and levels, (steps, batch), and the noise in x_t, (steps, batch, elements)."""
    expect.equal(len(model.seen), steps, "each step calls the model once, with one batch")
    rows, noises = [], []
    for seen in model.seen:
        expect.tensor(seen.x_t, SHOWN, shape=(batch, *data.shape[1:]), dtype=data.dtype)
        expect.tensor(seen.t, SHOWN, shape=(batch,), dtype=torch.int64)
        inside = bool(((seen.t >= 0) & (seen.t < len(LEVELS))).all())
        expect.holds(inside, "t is a level of the schedule", got=seen.t, want=f"0 <= t < {len(LEVELS)}")
        a = numbers(*LEVELS)[seen.t].reshape(-1, *[1] * (data.ndim - 1))
        rows.append(((seen.x_t / a.sqrt()).flatten(1).mean(1) / 1000).round().long().clamp(1, len(data)) - 1)
        noises.append(((seen.x_t - a.sqrt() * data[rows[-1]]) / (1 - a).sqrt()).flatten(1))
    return torch.stack(rows), torch.stack([seen.t for seen in model.seen]), torch.stack(noises)


def attend(
    code, rng: Generator, data: Tensor, steps: int = STEPS, batch: int = BATCH
) -> tuple[Spy, list[float]]:  # fmt: skip
    """A spy that was trained on the data, so slowly that its answer stays near 0.25; and the losses."""
    model = Spy(weight=0.0)
    return model, school(code, rng, model, data, steps, batch_size=batch, lr=1e-5)


def test_train_denoiser_shows_noised_rows_of_all_the_data_at_levels_of_their_own(code, rng):
    data = far_apart(rng, 2, 2)
    rows, levels, noise = lessons(attend(code, rng, data)[0], data, STEPS)
    why = "x_t = √ᾱ_t x_0 + √(1-ᾱ_t) ε with ε ~ N(0, 1), drawn afresh for each step, row and element"
    all_apart(noise, why, ("steps", "rows", "elements"))
    chance.standard_normal(noise, why, axes=("steps", "rows", "elements"))
    for batch_rows, batch_levels in zip(rows, levels, strict=True):
        expect.holds(len(batch_levels.unique()) > 1, "each row of a batch has its own t", got=1, want="several t")
        expect.holds(len(batch_rows.unique()) > 1, "a batch is made of many rows", got=1, want="several rows")
    missed = sorted(set(range(ROWS)) - set(rows.flatten().tolist()))
    expect.holds(not missed, f"{STEPS * BATCH} draws reach each of {ROWS} rows", got=missed, want="no row left out")


def test_train_denoiser_draws_levels_and_rows_uniformly(code, rng):
    data = far_apart(rng, 1, rows=8192)
    rows, levels, _ = lessons(attend(code, rng, data, steps=4, batch=4096)[0], data, 4, batch=4096)
    chance.uniform(levels, len(LEVELS), "t is uniform on 0 .. T-1, both ends included")
    chance.uniform(rows // 2048, 4, "rows are drawn from all the data alike: as often from each quarter of it")


def test_train_denoiser_draws_rows_levels_and_noise_afresh(code, rng):
    data = far_apart(rng, 3)
    rows, levels, noise = lessons(attend(code, rng, data)[0], data, STEPS)
    more, _, _ = lessons(attend(code, rng, data, steps=1)[0], data, 1)
    first, *later = torch.cat([rows, more]).sort(1).values
    repeats = any(torch.equal(first, batch) for batch in later)
    why = "the rows of a step are drawn at random: not the same in each step, or in each run"
    expect.holds(not repeats, why, got="the rows of the first step again", want="other rows")
    repeats = sum(torch.equal(one, two) for one, two in pairwise(levels))
    # One of 55 pairs may agree, for who mirrors ten t draws ten: two pairs do once in 6e10 runs, (55 / 5**10)**2 / 2.
    why = "t is drawn afresh each step"
    expect.holds(repeats < 2, why, got="the t of the step before again", want="other t")
    row, counts = rows.flatten(), rows.flatten().bincount(minlength=ROWS)
    sums = torch.zeros(ROWS, noise.shape[2], dtype=torch.float64).index_add_(0, row, noise.flatten(0, 1))
    sums = sums[counts > 0] / counts[counts > 0].sqrt()[:, None]
    chance.standard_normal(sums, "a row meets fresh noise each time it is drawn: the mean of n noises is N(0, 1/n)")
    often = [levels.flatten()[row == index] for index in range(ROWS) if counts[index] > 20]
    fixed = any(len(times.unique()) == 1 for times in often)  # once in 4e12 runs: 40 / 5**20
    why = "a row meets another t each time it is drawn"
    expect.holds(not fixed, why, got="a row that always has the same t", want="several t")


def test_train_denoiser_returns_and_descends_the_loss_of_the_guessed_noise(code, rng):
    data = far_apart(rng, 2, 2)
    model, losses = attend(code, rng, data, steps=8)
    _, _, noise = lessons(model, data, 8)
    errors = torch.stack([seen.answer.flatten(1) for seen in model.seen]) - noise
    why = "each loss is mean (ε - ε_θ(x_t, t))² over the step's batch, before its update"
    expect.close(numbers(*losses), errors.square().mean((1, 2)), why)
    expect.equal(len(model.pulls), 8, "each step goes backward once")
    pulls = torch.stack(model.pulls).flatten(2)
    scale = float((pulls[0] * errors[0]).sum() / errors[0].square().sum())
    expect.holds(scale > 0, "each step goes downhill", got="uphill", want="downhill")
    expect.close(pulls / scale, errors, "each step descends the gradient of its own loss")


class Line(nn.Module):
    """A model with a matrix and a bias, as most layers have."""

    def __init__(self, rng: Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(cases.normal((2, 2), rng))
        self.bias = nn.Parameter(cases.normal((2,), rng))

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        return x_t @ self.weight + self.bias


def test_train_denoiser_moves_every_parameter_and_leaves_it_trainable(code, rng):
    model = Line(rng)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    school(code, rng, model, cases.normal((ROWS, 2), rng), 3, batch_size=BATCH)
    still = [name for name, parameter in model.named_parameters() if torch.equal(parameter, before[name])]
    expect.equal(still, [], "every parameter is trained, matrices and biases: these stayed where they were")
    flags = [parameter.requires_grad for parameter in model.parameters()]
    expect.equal(flags, [True] * len(flags), "training can go on: the parameters still require gradients")


def test_train_denoiser_goes_on_where_nothing_is_left_to_learn(code, rng):
    model = Exact(Gaussian(mean=0.0, variance=0.0), numbers(*LEVELS))  # data that is all zero: x_t is scaled noise
    data = torch.zeros(ROWS, 2, dtype=torch.float64)
    # with a tiny lr, for Adam moves even where rounding errors are all that it sees
    losses = school(code, rng, model, data, 5, batch_size=BATCH, lr=1e-9)
    expect.close(numbers(*losses), torch.zeros(5, dtype=torch.float64), "a perfect model has a loss of zero, each step")


def stroll(code, rng: Generator, turning: bool = False, **rest: float) -> Tensor:
    """Where 40 steps take the parameters of `Slopes`, (41, 2)."""
    model = Slopes(turning)
    school(code, rng, model, cases.normal((ROWS, 2), rng), 40, batch_size=BATCH, **rest)
    expect.equal(len(model.path), 40, "each step calls the model once, with one batch")
    return model.walk()


def test_train_denoiser_steps_by_lr_however_steep_the_loss_like_adam(code, rng):
    path = stroll(code, rng, lr=1e-3) / 1e-3
    downhill = (path[1:] < path[:-1]).sum(0).tolist()
    expect.equal(downhill, [40, 40], "each of 40 steps moves each parameter of the model downhill, in place")
    ratio = float(path[-1, 1] / path[-1, 0])
    why = "Adam moves by about lr a step however small the gradient: here one is 100 times the other"
    expect.holds(0.8 < ratio < 1.25, why, got=round(ratio, 2), want="equal distances, a ratio of 1")
    way = -float(path[-1, 0])
    why = (
        "with a steady gradient Adam moves by lr a step: 40 lr in 40 steps, or less with a slow start like RAdam's 3 lr"
    )
    expect.holds(2 < way < 60, why, got=round(way), want="between 2 and 60")
    late = float(((path[40] - path[20]) / path[20]).min())
    why = "Adam does not tire: with a steady gradient its later steps are as long as the first"
    expect.holds(late > 0.7, why, got=round(late, 1), want="1 or more")
    slow = float((stroll(code, rng, lr=1e-4)[-1, 0] / 1e-4) / path[-1, 0])
    why = "the learning rate is lr: a tenth of it goes a tenth of the way"
    expect.holds(0.8 < slow < 1.25, why, got=round(slow, 1), want="the same way in units of lr, a ratio of 1")


def test_train_denoiser_forgets_old_gradients_and_keeps_its_momentum(code, rng):
    steady, turning = stroll(code, rng), stroll(code, rng, turning=True)
    drift = float((turning[-1] / steady[-1]).abs().max())
    why = "gradients that change sign each step lead nowhere, unless those of earlier steps are still added in"
    expect.holds(drift < 0.25, why, got=round(drift, 1), want="hardly a move, below 0.25 of the steady way")
    swing = float(((turning[-1] - turning[-2]) / (steady[-1] - steady[-2])).abs().max())
    why = "Adam's moments live through the whole training: made anew each step, it swings back and forth by lr"
    expect.holds(swing < 0.8, why, got=round(swing, 1), want="shorter swings, below 0.8 of a steady step")


def test_train_denoiser_takes_its_randomness_from_the_generator_alone(code, rng):
    data, seed = far_apart(rng, 2), int(torch.randint(2**31, (), generator=rng))

    def train(seed: int, skipped: int = 0) -> Tensor:
        generator = Generator().manual_seed(seed)
        torch.rand(skipped, generator=generator)
        model, losses = attend(code, generator, data, steps=3)
        return numbers(*losses, model.weight.item(), model.bias.item())

    first = train(seed)
    why = "the same generator state gives the same training"
    expect.holds(torch.allclose(train(seed), first), why, got="other losses", want="the same losses")
    for other in (train(seed + 1), train(seed, skipped=1)):
        why = "another generator state gives another training"
        expect.holds(not torch.equal(other, first), why, got="the same training", want="other losses")


def test_train_denoiser_has_its_defaults_and_keeps_dtype_and_data(code, rng):
    data, alpha_bar, spy, slopes = cases.normal((512, 2), rng).float(), numbers(*LEVELS), Spy(), Slopes()
    expect.untouched(lambda data, table: code.train_denoiser(spy, data, table, 3), KEEP, data=data, alpha_bar=alpha_bar)
    expect.equal(len(spy.seen), 3, "each step calls the model once, with one batch")
    for seen in spy.seen:
        expect.tensor(seen.x_t, "256 rows a step by default, in the data's dtype", shape=(256, 2), dtype=torch.float32)
    school(code, None, slopes, data, 40)
    ratio = float(slopes.walk()[-1, 0] / stroll(code, rng, lr=1e-3)[-1, 0])
    expect.holds(
        0.8 < ratio < 1.25, "lr is 1e-3 by default", got=round(ratio, 1), want="the way of lr=1e-3, a ratio of 1"
    )
