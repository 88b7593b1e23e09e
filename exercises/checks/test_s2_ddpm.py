"""The graded checks of section 2, DDPM.

What is expected is computed here from the papers' formulas, in float64. `cases` says what goes in, `spies` are the models
that losses and loops are given, and `chance` judges what is random. The U-Net is judged by what its contract says, from
outside: which output depends on which input.
"""

import math
from itertools import pairwise

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor, nn

from exercises.checks import cases, chance, expect
from exercises.checks.cases import Case, numbers, tracked
from exercises.checks.describe import describe
from exercises.checks.expect import left_alone
from exercises.checks.spies import Exact, Spy
from exercises.toolkit.worlds import Gaussian

KEEP = "results keep the data's dtype and device, whatever the tables come in, and arguments stay as they are"
FLOW = "the result is differentiable in data, noise and predictions"
EACH = "each sample has its own level: a value (B,) must become (B, 1, ..., 1) before it multiplies (B, *S)"
KINDS = ("eps", "x0", "v")

SINGLE = {"rtol": 1e-4, "atol": 1e-4}
"""For float32 in data or tables. With betas from 0.1 an honest coefficient is off by some 10 ulp after the cancellation
in 1 - ᾱ, 10 * 6e-8 / 0.1 = 6e-6, and it multiplies numbers up to 5."""
TABLE = {"rtol": 1e-6, "atol": 1e-9}
"""For a table computed in float64 and rounded to float32, whose rounding is 6e-8 of the value."""
BITS = math.log(2)
"""Nats in a bit."""

shapes = st.lists(st.integers(1, 4), min_size=2, max_size=4).map(tuple)
"""Of batches with one to three axes after the batch."""


def roots(case: Case) -> tuple[Tensor, Tensor]:
    """√ᾱ_t and √(1-ᾱ_t), shaped to multiply the batch."""
    a = case.at(case.alpha_bar)
    return a.sqrt(), (1 - a).sqrt()


def jump(case: Case) -> Tensor:
    signal, static = roots(case)
    return signal * case.x0 + static * case.noise


def per_sample(batch: Tensor) -> Tensor:
    """The mean over each sample's elements, (B,)."""
    return batch.flatten(1).mean(1)


# ---------------------------------------------------------------------------------------------------- linear_schedule

STRAIGHT = "β_t = beta_start + t / (T-1) (beta_end - beta_start), both ends included"
REFUSED = "a schedule has at least one level: T < 1 raises ValueError"


def test_linear_schedule_by_hand(code):
    want = numbers(0.1, 0.2, 0.3, 0.4, 0.5, dtype=torch.float32)
    expect.close(code.linear_schedule(5, 0.1, 0.5), want, "five equal steps from 0.1 to 0.5, both included", **TABLE)


def test_linear_schedule_of_ddpm(code):
    got = code.linear_schedule(1000)
    want = torch.tensor([1e-4 + t / 999 * (0.02 - 1e-4) for t in range(1000)], dtype=torch.float64)
    expect.close(got, want.float(), "DDPM's betas: 1000 from 1e-4 to 0.02, whatever T is; " + STRAIGHT, **TABLE)
    kept = torch.cumprod(1 - got.detach().double(), 0)[[499, 999]]
    why = "DDPM's schedule leaves ᾱ_499 = 0.0785872 and ᾱ_999 = 4.03583e-5"
    expect.close(kept, numbers(0.0785872, 4.03583e-5), why, rtol=2e-6, atol=0.0)


@given(T=st.integers(2, 60), start=st.floats(1e-5, 0.1), end=st.floats(0.1, 0.9))
def test_linear_schedule_goes_from_start_to_end_by_equal_steps(code, T, start, end):
    want = numbers(*(start + t / (T - 1) * (end - start) for t in range(T)), dtype=torch.float32)
    expect.close(code.linear_schedule(T, start, end), want, STRAIGHT, **TABLE)
    expect.close(code.linear_schedule(T=T, beta_start=start, beta_end=end), want, STRAIGHT, **TABLE)


def test_linear_schedule_of_one_level_is_its_start(code):
    for start, end in ((1e-4, 0.02), (0.3, 0.7)):
        want = numbers(start, dtype=torch.float32)
        expect.close(code.linear_schedule(1, start, end), want, "T = 1 gives beta_start alone", **TABLE)


def test_linear_schedule_refuses_T_below_1(code):
    for T in (0, -1, -7):
        expect.raises(ValueError, lambda T=T: code.linear_schedule(T), REFUSED)


# ---------------------------------------------------------------------------------------------------- cosine_schedule

COSINE = "β_t = min(1 - f((t+1)/T) / f(t/T), max_beta) with f(u) = cos²(π/2 (u+s) / (1+s))"


def cosine(T: int, s: float = 0.008, max_beta: float = 0.999) -> Tensor:
    f = [math.cos(math.pi / 2 * (t / T + s) / (1 + s)) ** 2 for t in range(T + 1)]
    return numbers(*(min(1 - f[t + 1] / f[t], max_beta) for t in range(T)), dtype=torch.float32)


def test_cosine_schedule_by_hand_without_offset(code):
    got = code.cosine_schedule(3, s=0.0)
    why = "f(0) = 1, f(1/3) = cos² 30° = 3/4, f(2/3) = cos² 60° = 1/4, f(1) = 0: β = 1/4, 2/3, and 1 clipped to 0.999"
    expect.close(got, numbers(0.25, 2 / 3, 0.999, dtype=torch.float32), why, **TABLE)


def test_cosine_schedule_of_improved_ddpm(code):
    got = code.cosine_schedule(1000)
    expect.close(got, cosine(1000), COSINE + ", computed in float64 and returned as float32", **TABLE)
    kept = torch.cumprod(1 - got.detach().double(), 0)[[0, 499, 999]]
    why = "s = 0.008 and max_beta = 0.999 leave ᾱ_0 = 0.9999587, ᾱ_499 = 0.4938436 and ᾱ_999 = 2.42877e-9"
    expect.close(kept, numbers(0.9999587, 0.4938436, 2.42877e-9), why, rtol=3e-5, atol=0.0)  # 1 - 0.999 in float32


@given(T=st.integers(1, 60), s=st.floats(0, 0.2), max_beta=st.floats(0.2, 0.9999))
def test_cosine_schedule_is_the_fall_of_a_squared_cosine(code, T, s, max_beta):
    expect.close(code.cosine_schedule(T, s, max_beta), cosine(T, s, max_beta), COSINE, **TABLE)
    expect.close(code.cosine_schedule(T, s=s), cosine(T, s), COSINE, **TABLE)


def test_cosine_schedule_clips_the_betas_at_the_end(code):
    for T, max_beta in ((1, 0.999), (8, 0.999), (8, 0.5), (8, 0.05)):
        why = f"f(1) = 0 makes the last β 1, which no chain survives: all are clipped at max_beta = {max_beta}"
        expect.close(code.cosine_schedule(T, max_beta=max_beta), cosine(T, max_beta=max_beta), why, **TABLE)


def test_cosine_schedule_refuses_T_below_1(code):
    for T in (0, -1, -7):
        expect.raises(ValueError, lambda T=T: code.cosine_schedule(T), REFUSED)


# ---------------------------------------------------------------------------------------------------------------- snr

RATIO = "SNR_t = ᾱ_t / (1-ᾱ_t): the variance of the signal over that of the noise"


def test_snr_by_hand(code):
    got = code.snr(numbers(0.8, 0.5, 0.2))
    expect.close(got, numbers(4.0, 1.0, 0.25), "0.8 / 0.2 = 4, 0.5 / 0.5 = 1, 0.2 / 0.8 = 1/4: " + RATIO)


@given(levels=st.integers(1, 30), seed=st.integers(0, 2**32 - 1))
def test_snr_is_signal_over_noise_at_each_level(code, levels, seed):
    a = cases.alpha_bar_of(cases.schedule(levels, Generator().manual_seed(seed), smallest=1e-4))
    expect.close(code.snr(a), numbers(*(level / (1 - level) for level in a.tolist())), RATIO)


def test_snr_of_pure_static_is_zero(code):
    got = code.snr(numbers(0.5, 0.1, 0.0))
    expect.close(got, numbers(1.0, 1 / 9, 0.0), "where nothing of the data is left the ratio is 0")


def test_snr_keeps_the_dtype_and_its_argument(code, rng):
    levels = cases.alpha_bar_of(cases.schedule(8, rng, smallest=0.1))
    for table in (levels, levels.float(), levels[::2], levels[:1].expand(5)):
        want = (table.double() / (1 - table.double())).to(table.dtype)
        got = expect.untouched(code.snr, KEEP, alpha_bar=table)
        expect.close(got, want, KEEP, rtol=1e-5, atol=1e-6)
        expect.close(code.snr(table), want, "the table may lie in memory in any way", rtol=1e-5, atol=1e-6)


# -------------------------------------------------------------------------------------------------- zero_terminal_snr

MENDED = "√ᾱ'_t = (√ᾱ_t - √ᾱ_{T-1}) √ᾱ_0 / (√ᾱ_0 - √ᾱ_{T-1}), and β'_t = 1 - ᾱ'_t / ᾱ'_{t-1}"


def mended(betas: Tensor) -> Tensor:
    root = [math.sqrt(level) for level in cases.alpha_bar_of(betas.double()).tolist()]
    moved = [(r - root[-1]) * root[0] / (root[0] - root[-1]) for r in root]
    kept = [moved[0] ** 2, *((after / before) ** 2 for before, after in pairwise(moved))]
    return torch.tensor([1 - share for share in kept], dtype=betas.dtype)


def test_zero_terminal_snr_by_hand(code):
    got = code.zero_terminal_snr(numbers(0.36, 0.75))
    expect.close(got, numbers(0.36, 1.0), "√ᾱ = (0.8, 0.4) becomes (0.8, 0): the first β is kept, the last is 1")
    got = code.zero_terminal_snr(numbers(0.36, 0.4375, 1 - 4 / 9))
    why = "√ᾱ = (0.8, 0.6, 0.4), minus 0.4, times 2, is (0.8, 0.4, 0): β = 0.36, 1 - (0.4/0.8)², 1"
    expect.close(got, numbers(0.36, 0.75, 1.0), why)


@given(levels=st.integers(2, 12), seed=st.integers(0, 2**32 - 1))
def test_zero_terminal_snr_moves_and_stretches_the_root_of_alpha_bar(code, levels, seed):
    betas = cases.schedule(levels, Generator().manual_seed(seed), smallest=0.01)
    expect.close(code.zero_terminal_snr(betas), mended(betas), MENDED)


def test_zero_terminal_snr_ends_in_static_and_begins_as_before(code):
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    got = code.zero_terminal_snr(betas)
    expect.close(got, mended(betas), MENDED, rtol=1e-6, atol=1e-9)
    expect.close(got[-1:], numbers(1.0), "the last level has SNR 0: its β is 1", rtol=0.0, atol=1e-12)
    expect.close(got[:1], betas[:1], "the first level is kept", rtol=1e-7, atol=0.0)


def test_zero_terminal_snr_keeps_the_dtype_and_its_argument(code, rng):
    betas = cases.schedule(8, rng, smallest=0.1)
    for table in (betas, betas.float(), betas[::2]):
        want = mended(table.double()).to(table.dtype)
        got = expect.untouched(code.zero_terminal_snr, KEEP, betas=table)
        # In float32 a few roundings of 6e-8, which the subtraction near the end makes some 50 times as large
        expect.close(got, want, KEEP, **SINGLE)
        expect.close(code.zero_terminal_snr(table), want, "betas may lie in memory in any way", **SINGLE)


# ----------------------------------------------------------------------------------------------------------- velocity

SPEED = "v = √ᾱ_t ε - √(1-ᾱ_t) x_0"


def speed(case: Case) -> Tensor:
    signal, static = roots(case)
    return signal * case.eps - static * case.x0


def test_velocity_by_hand(code):
    x0, eps = numbers(1.0, 0.0)[None].expand(2, 2), numbers(0.0, 1.0)[None].expand(2, 2)
    got = code.velocity(x0, eps, torch.tensor([1, 0]), numbers(0.64, 0.36))
    want = torch.stack([numbers(-0.8, 0.6), numbers(-0.6, 0.8)])
    expect.close(got, want, "ᾱ = 0.36: √0.36 = 0.6 of the noise minus √0.64 = 0.8 of the data")


@given(case=cases.batches())
def test_velocity_is_noise_minus_data_by_the_roots_of_the_level(code, case):
    expect.close(code.velocity(case.x0, case.eps, case.t, case.alpha_bar), speed(case), SPEED)


def test_velocity_works_on_any_shape_and_layout(code, rng):
    for case in cases.corners(rng):
        expect.close(code.velocity(case.x0, case.eps, case.t, case.alpha_bar), speed(case), EACH)


def test_velocity_keeps_the_dtype_and_its_arguments(code, rng):
    for case in cases.precisions(rng):
        got = expect.untouched(code.velocity, KEEP, x0=case.x0, eps=case.eps, t=case.t, alpha_bar=case.alpha_bar)
        expect.close(got, speed(case.exactly()).to(case.x0.dtype), KEEP, **SINGLE)


def test_velocity_lets_gradients_through(code, rng):
    case = cases.gradual(rng)
    x0, eps = tracked(case.x0, case.eps)
    got, pull, (signal, static) = code.velocity(x0, eps, case.t, case.alpha_bar), case.noise, roots(case)
    expect.gradients(got, pull, FLOW, x0=(x0, -static * pull), eps=(eps, signal * pull))


# ----------------------------------------------------------------------------------------------------- to_x0 and to_eps

TO_X0 = {
    "eps": "x_0 = (x_t - √(1-ᾱ_t) ε) / √ᾱ_t",
    "x0": "a prediction of x0 is x0",
    "v": "x_0 = √ᾱ_t x_t - √(1-ᾱ_t) v",
}
TO_EPS = {
    "eps": "a prediction of eps is eps",
    "x0": "ε = (x_t - √ᾱ_t x_0) / √(1-ᾱ_t)",
    "v": "ε = √(1-ᾱ_t) x_t + √ᾱ_t v",
}
UNKNOWN = ("epsilon", "V", "score", "")
NAMED = "an unknown kind raises ValueError naming the argument: kind"


def slopes_x0(case: Case, kind: str) -> tuple[Tensor, Tensor]:
    """What multiplies the prediction, and what multiplies x_t, in x0."""
    signal, static = roots(case)
    return {
        "eps": (-static / signal, 1 / signal),
        "x0": (torch.ones_like(signal), torch.zeros_like(signal)),
        "v": (-static, signal),
    }[kind]


def slopes_eps(case: Case, kind: str) -> tuple[Tensor, Tensor]:
    """What multiplies the prediction, and what multiplies x_t, in eps."""
    signal, static = roots(case)
    return {
        "eps": (torch.ones_like(signal), torch.zeros_like(signal)),
        "x0": (-signal / static, 1 / static),
        "v": (signal, static),
    }[kind]


def converted(case: Case, slopes: tuple[Tensor, Tensor]) -> Tensor:
    """`case.eps` stands for the prediction, of whatever kind."""
    return slopes[0] * case.eps + slopes[1] * case.x_t


def test_to_x0_by_hand(code):
    x_t, t, alpha_bar = numbers(1.4)[None], torch.tensor([1]), numbers(0.64, 0.36)
    for kind, prediction in (("eps", 1.0), ("x0", 1.0), ("v", -0.2)):
        got = code.to_x0(numbers(prediction)[None], x_t, t, alpha_bar, kind)
        why = "x_0 = ε = 1 at ᾱ = 0.36 makes x_t = 0.6 + 0.8 = 1.4 and v = 0.6 - 0.8 = -0.2; "
        expect.close(got, numbers(1.0)[None], why + TO_X0[kind])


@given(case=cases.batches())
def test_to_x0_finds_the_data_in_any_prediction(code, case):
    for kind in KINDS:
        got = code.to_x0(case.eps, case.x_t, case.t, case.alpha_bar, kind)
        expect.close(got, converted(case, slopes_x0(case, kind)), f"{kind}: {TO_X0[kind]}")


@given(case=cases.batches())
def test_to_x0_undoes_the_jump(code, case):
    signal, static = roots(case)
    targets = {"eps": case.noise, "x0": case.x0, "v": signal * case.noise - static * case.x0}
    for kind, target in targets.items():
        got = code.to_x0(target, jump(case), case.t, case.alpha_bar, kind)
        expect.close(got, case.x0, f"a perfect prediction of {kind} gives the data back: {TO_X0[kind]}")


def test_to_x0_works_on_any_shape_and_layout(code, rng):
    for case in cases.corners(rng):
        for kind in KINDS:
            got = code.to_x0(case.eps, case.x_t, case.t, case.alpha_bar, kind)
            expect.close(got, converted(case, slopes_x0(case, kind)), EACH)


def test_to_x0_keeps_the_dtype_and_its_arguments(code, rng):
    for case in cases.precisions(rng):
        for kind in KINDS:
            got = expect.untouched(
                lambda *arguments, kind=kind: code.to_x0(*arguments, kind=kind),
                KEEP, prediction=case.eps, x_t=case.x_t, t=case.t, alpha_bar=case.alpha_bar,
            )  # fmt: skip
            want = converted(case.exactly(), slopes_x0(case.exactly(), kind))
            expect.close(got, want.to(case.x_t.dtype), KEEP, **SINGLE)


def test_to_x0_lets_gradients_through(code, rng):
    case = cases.gradual(rng)
    for kind in KINDS:
        p, x_t = tracked(case.eps, case.x_t)
        got, pull = code.to_x0(p, x_t, case.t, case.alpha_bar, kind), case.noise
        of_p, of_x_t = slopes_x0(case, kind)
        expect.gradients(got, pull, FLOW, prediction=(p, of_p * pull), x_t=(x_t, of_x_t * pull))


def test_to_x0_refuses_an_unknown_kind(code, rng):
    case = cases.gradual(rng)
    for kind in UNKNOWN:

        def convert(kind: str = kind) -> Tensor:
            return code.to_x0(case.eps, case.x_t, case.t, case.alpha_bar, kind)

        expect.raises(ValueError, convert, NAMED, naming="kind")


def test_to_eps_by_hand(code):
    x_t, t, alpha_bar = numbers(1.4)[None], torch.tensor([1]), numbers(0.64, 0.36)
    for kind, prediction in (("eps", 1.0), ("x0", 1.0), ("v", -0.2)):
        got = code.to_eps(numbers(prediction)[None], x_t, t, alpha_bar, kind)
        why = "x_0 = ε = 1 at ᾱ = 0.36 makes x_t = 0.6 + 0.8 = 1.4 and v = 0.6 - 0.8 = -0.2; "
        expect.close(got, numbers(1.0)[None], why + TO_EPS[kind])


@given(case=cases.batches())
def test_to_eps_finds_the_noise_in_any_prediction(code, case):
    for kind in KINDS:
        got = code.to_eps(case.eps, case.x_t, case.t, case.alpha_bar, kind)
        expect.close(got, converted(case, slopes_eps(case, kind)), f"{kind}: {TO_EPS[kind]}")


@given(case=cases.batches())
def test_to_eps_finds_the_noise_of_the_jump(code, case):
    signal, static = roots(case)
    targets = {"eps": case.noise, "x0": case.x0, "v": signal * case.noise - static * case.x0}
    for kind, target in targets.items():
        got = code.to_eps(target, jump(case), case.t, case.alpha_bar, kind)
        expect.close(got, case.noise, f"a perfect prediction of {kind} gives the noise back: {TO_EPS[kind]}")


def test_to_eps_works_on_any_shape_and_layout(code, rng):
    for case in cases.corners(rng):
        for kind in KINDS:
            got = code.to_eps(case.eps, case.x_t, case.t, case.alpha_bar, kind)
            expect.close(got, converted(case, slopes_eps(case, kind)), EACH)


def test_to_eps_keeps_the_dtype_and_its_arguments(code, rng):
    for case in cases.precisions(rng):
        for kind in KINDS:
            got = expect.untouched(
                lambda *arguments, kind=kind: code.to_eps(*arguments, kind=kind),
                KEEP, prediction=case.eps, x_t=case.x_t, t=case.t, alpha_bar=case.alpha_bar,
            )  # fmt: skip
            want = converted(case.exactly(), slopes_eps(case.exactly(), kind))
            expect.close(got, want.to(case.x_t.dtype), KEEP, **SINGLE)


def test_to_eps_lets_gradients_through(code, rng):
    case = cases.gradual(rng)
    for kind in KINDS:
        p, x_t = tracked(case.eps, case.x_t)
        got, pull = code.to_eps(p, x_t, case.t, case.alpha_bar, kind), case.noise
        of_p, of_x_t = slopes_eps(case, kind)
        expect.gradients(got, pull, FLOW, prediction=(p, of_p * pull), x_t=(x_t, of_x_t * pull))


def test_to_eps_refuses_an_unknown_kind(code, rng):
    case = cases.gradual(rng)
    for kind in UNKNOWN:

        def convert(kind: str = kind) -> Tensor:
            return code.to_eps(case.eps, case.x_t, case.t, case.alpha_bar, kind)

        expect.raises(ValueError, convert, NAMED, naming="kind")


# ---------------------------------------------------------------------------------------------------- prediction_loss

TARGETS = {"eps": "ε", "x0": "x_0", "v": "v = √ᾱ_t ε - √(1-ᾱ_t) x_0"}
WEIGHTS = {"eps": "min(SNR, γ) / SNR", "x0": "min(SNR, γ)", "v": "min(SNR, γ) / (SNR + 1)"}


def target_slopes(case: Case, kind: str) -> tuple[Tensor, Tensor]:
    """What multiplies x0, and what multiplies the noise, in the target of this kind."""
    signal, static = roots(case)
    one, zero = torch.ones_like(signal), torch.zeros_like(signal)
    return {"eps": (zero, one), "x0": (one, zero), "v": (-static, signal)}[kind]


def target_of(case: Case, kind: str) -> Tensor:
    of_x0, of_noise = target_slopes(case, kind)
    return of_x0 * case.x0 + of_noise * case.noise


def weight_of(case: Case, kind: str, gamma: float | None) -> Tensor:
    a = case.at(case.alpha_bar)
    if gamma is None:
        return torch.ones_like(a)
    ratio = a / (1 - a)
    return {"eps": (gamma / ratio).clamp(max=1), "x0": ratio.clamp(max=gamma), "v": ratio.clamp(max=gamma) * (1 - a)}[kind]  # fmt: skip


def loss_of(case: Case, kind: str = "eps", gamma: float | None = None) -> Tensor:
    """The loss of a `Spy`."""
    error = target_of(case, kind) - (0.75 * jump(case) + 0.25)
    return (weight_of(case, kind, gamma) * error.square()).mean()


class Knowing(nn.Module):
    """A model that gives this answer."""

    def __init__(self, answer: Tensor) -> None:
        super().__init__()
        self.answer, self.gain = answer, nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        return self.gain * self.answer


@given(case=cases.batches())
def test_prediction_loss_is_the_mean_squared_error_against_its_own_target(code, case):
    args = case.x0, case.t, case.noise, case.alpha_bar
    expect.close(code.prediction_loss(Spy(), *args), loss_of(case), "without a kind the model guesses the noise, ε")
    for kind in KINDS:
        why = f"the loss is the mean over every element of (target - prediction)², the target of {kind} is {TARGETS[kind]}"
        expect.close(code.prediction_loss(Spy(), *args, kind=kind), loss_of(case, kind), why)


@given(case=cases.batches(), gamma=st.floats(0.01, 20))
def test_prediction_loss_weighs_each_sample_by_its_capped_snr(code, case, gamma):
    for kind in KINDS:
        got = code.prediction_loss(Spy(), case.x0, case.t, case.noise, case.alpha_bar, kind, gamma)
        why = f"min-SNR-γ for {kind}: the squared errors of a sample weigh {WEIGHTS[kind]}, and then comes the mean"
        expect.close(got, loss_of(case, kind, gamma), why)


def test_prediction_loss_by_hand_at_snr_4_and_one_quarter(code):
    x0, noise = numbers(1.0)[None].expand(2, 1), torch.zeros(2, 1, dtype=torch.float64)
    t, alpha_bar = torch.tensor([0, 1]), numbers(0.8, 0.2)
    model = Knowing(torch.zeros(2, 1, dtype=torch.float64))
    for kind, first, second in (("x0", 1.0, 0.25), ("v", 1 / 5 * 0.2, 0.25 / 1.25 * 0.8)):
        got = code.prediction_loss(model, x0, t, noise, alpha_bar, kind, 1)
        why = f"SNR = 4 and 1/4 with γ = 1: {WEIGHTS[kind]} times the square of the target of {kind}, the mean of both"
        expect.close(got, numbers((first + second) / 2)[0], why)
    got = code.prediction_loss(model, torch.zeros_like(x0), t, x0, alpha_bar, "eps", 1)
    expect.close(got, numbers((0.25 + 1.0) / 2)[0], f"SNR = 4 and 1/4 with γ = 1: {WEIGHTS['eps']} is 1/4 and 1")


def test_prediction_loss_calls_the_model_once_with_the_noised_data_and_its_levels(code, rng):
    for number, case in enumerate(cases.corners(rng)):
        model, kind, gamma = Spy(), KINDS[number % 3], (None, 5)[number % 2]
        got = code.prediction_loss(model, case.x0, case.t, case.noise, case.alpha_bar, kind, gamma)
        expect.equal(len(model.seen), 1, "one call of the model is enough")
        expect.close(model.seen[0].x_t, jump(case), "the model sees x_t = √ᾱ_t x_0 + √(1-ᾱ_t) ε, whatever it predicts")
        expect.close(model.seen[0].t, case.t, "the model is told the level of each sample, t itself")
        expect.close(got, loss_of(case, kind, gamma), EACH)


def test_prediction_loss_of_a_perfect_model_is_zero_at_snr_0_too(code, rng):
    case = cases.make((4, 3), cases.schedule(4, rng), rng)
    case.alpha_bar[-1] = 0.0
    for kind in ("x0", "v"):
        for gamma in (None, 5.0):
            model = Knowing(target_of(case, kind))
            got = code.prediction_loss(model, case.x0, case.t, case.noise, case.alpha_bar, kind, gamma)
            expect.close(got, numbers(0.0)[0], f"a model that answers {TARGETS[kind]} has nothing left to learn")
            got = code.prediction_loss(Spy(), case.x0, case.t, case.noise, case.alpha_bar, kind, gamma)
            expect.close(got, loss_of(case, kind, gamma), "a schedule may end at SNR 0 (only eps with γ divides by it)")


def test_prediction_loss_lets_gradients_through_to_model_and_data(code, rng):
    case = cases.gradual(rng)
    (signal, static), x_t = roots(case), jump(case)
    for kind in KINDS:
        for gamma in (None, 0.5):
            model = Spy()
            x0, noise = tracked(case.x0, case.noise)
            got = code.prediction_loss(model, x0, case.t, noise, case.alpha_bar, kind, gamma)
            pull = 2 * weight_of(case, kind, gamma) * (0.75 * x_t + 0.25 - target_of(case, kind)) / x_t.numel()
            of_x0, of_noise = target_slopes(case, kind)
            expect.gradients(
                got,
                numbers(1.0)[0],
                "the loss is differentiable in the model's parameters, in data and in noise",
                weight=(model.weight, (pull * x_t).sum()),
                bias=(model.bias, pull.sum()),
                x0=(x0, pull * (0.75 * signal - of_x0)),
                noise=(noise, pull * (0.75 * static - of_noise)),
            )


def test_prediction_loss_keeps_the_dtype_its_arguments_and_the_model(code, rng):
    for case in cases.precisions(rng):
        for kind, gamma, training in (("eps", None, True), ("x0", 2.0, False), ("v", 2.0, False)):
            model = Spy().train(training)
            got = expect.untouched(
                lambda *arguments, model=model, rest=(kind, gamma): code.prediction_loss(model, *arguments, *rest),
                KEEP, x0=case.x0, t=case.t, noise=case.noise, alpha_bar=case.alpha_bar,
            )  # fmt: skip
            expect.close(got, loss_of(case.exactly(), kind, gamma).to(case.x0.dtype), KEEP, **SINGLE)
            expect.equal(len(model.seen), 1, "one call of the model is enough")
            expect.tensor(model.seen[0].x_t, "the model works in the data's dtype: x_t keeps it", dtype=case.x0.dtype)
            left_alone(model)


def test_prediction_loss_refuses_an_unknown_kind(code, rng):
    case = cases.make((2, 3), cases.schedule(3, rng), rng)
    for kind in UNKNOWN:
        for gamma in (None, 5.0):

            def lose(kind: str = kind, gamma: float | None = gamma) -> Tensor:
                return code.prediction_loss(Spy(), case.x0, case.t, case.noise, case.alpha_bar, kind, gamma)

            expect.raises(ValueError, lose, NAMED, naming="kind")


# -------------------------------------------------------------------------------------------------------- gaussian_kl

DISTANCE = "KL = ½ (logvar2 - logvar1 - 1 + exp(logvar1 - logvar2) + (mean1 - mean2)² exp(-logvar2)), elementwise"


def kl(mean1: Tensor, logvar1: Tensor, mean2: Tensor, logvar2: Tensor) -> Tensor:
    """Cross entropy minus entropy, both of N(mean1, var1)."""
    cross = 0.5 * (math.log(2 * math.pi) + logvar2 + (logvar1.exp() + (mean1 - mean2) ** 2) / logvar2.exp())
    return cross - 0.5 * (math.log(2 * math.pi) + logvar1 + 1)


def bells(shape: tuple[int, ...], rng: Generator) -> list[Tensor]:
    """Mean, log-variance, mean, log-variance."""
    return [cases.normal(shape, rng) * scale for scale in (1.0, 2.0, 1.5, 1.2)]


def test_gaussian_kl_by_hand(code):
    zero, four = numbers(0.0), numbers(math.log(4.0))
    expect.close(code.gaussian_kl(zero + 1, zero, zero, zero), numbers(0.5), "the same variance: ½ (1 - 0)² = 0.5 nats")
    expect.close(code.gaussian_kl(zero, four, zero, zero), numbers(0.5 * (3 - math.log(4))), "KL(N(0, 4) to N(0, 1)) = ½ (4 - 1 - ln 4)")  # fmt: skip
    expect.close(code.gaussian_kl(zero + 1, zero, zero, four), numbers(0.5 * (math.log(4) - 0.5)), "KL(N(1, 1) to N(0, 4)) = ½ (ln 4 - 1 + (1 + 1) / 4)")  # fmt: skip


@given(shape=shapes, seed=st.integers(0, 2**32 - 1))
def test_gaussian_kl_is_cross_entropy_minus_entropy(code, shape, seed):
    four = bells(shape, Generator().manual_seed(seed))
    expect.close(code.gaussian_kl(*four), kl(*four), DISTANCE)


def test_gaussian_kl_is_zero_for_equal_bells_and_above_zero_for_others(code, rng):
    mean1, logvar1, mean2, logvar2 = bells((50,), rng)
    got = code.gaussian_kl(mean1, logvar1, mean1, logvar1)
    expect.close(got, torch.zeros_like(mean1), "a distribution is at no distance from itself")
    got = code.gaussian_kl(mean1, logvar1, mean2, logvar2)
    expect.tensor(got, DISTANCE, shape=(50,))
    expect.holds(bool((got.detach() > 0).all()), "KL is above 0 for two different distributions", got=got.detach(), want="only numbers above 0")  # fmt: skip


def test_gaussian_kl_broadcasts_its_arguments(code, rng):
    for shapes in (((3, 2, 4), (3, 1, 1), (3, 2, 4), (3, 1, 1)), ((3, 1, 2), (4, 1), (2,), ()), ((), (5,), (), (2, 1))):
        four = [cases.normal(shape, rng) for shape in shapes]
        expect.close(code.gaussian_kl(*four), kl(*four), "the four tensors are broadcast against each other")


def test_gaussian_kl_keeps_the_dtype_and_its_arguments(code, rng):
    for dtype in (torch.float32, torch.float64):
        mean1, logvar1, mean2, logvar2 = four = [part.to(dtype) for part in bells((4, 3), rng)]
        got = expect.untouched(code.gaussian_kl, KEEP, mean1=mean1, logvar1=logvar1, mean2=mean2, logvar2=logvar2)
        expect.close(got, kl(*(part.double() for part in four)).to(dtype), KEEP, **SINGLE)


def test_gaussian_kl_lets_gradients_through(code, rng):
    pull = cases.normal((3, 4), rng)
    four = tracked(*bells((3, 4), rng))
    got = code.gaussian_kl(*four)
    mean1, logvar1, mean2, logvar2 = (part.detach() for part in four)
    apart, ratio = (mean1 - mean2) / logvar2.exp(), (logvar1 - logvar2).exp()
    expect.gradients(
        got,
        pull,
        FLOW,
        mean1=(four[0], apart * pull),
        logvar1=(four[1], 0.5 * (ratio - 1) * pull),
        mean2=(four[2], -apart * pull),
        logvar2=(four[3], 0.5 * (1 - ratio - (mean1 - mean2) * apart) * pull),
    )


# -------------------------------------------------------------------------------------------------------- decoder_nll

BYTES = torch.arange(256, dtype=torch.float64) / 127.5 - 1
"""All 8-bit values in [-1, 1]."""
MASS = "-log of the normal mass from x0 - 1/255 to x0 + 1/255; at -1 it begins at minus, at 1 it ends at plus infinity"
NATS = {"rtol": 1e-9, "atol": 1e-3}
"""The contract's thousandth of a nat, and float64's own digits where there are millions of nats."""


def byte_nll(x0: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """The exact price, by log Φ in the left tail, where it keeps its digits: seen to agree with 60-digit arithmetic."""
    std, half = (logvar / 2).exp(), 1 / 255
    away = (x0 - mean).abs()
    near, far = torch.special.log_ndtr((half - away) / std), torch.special.log_ndtr(-(half + away) / std)
    inside = near + torch.log1p(-torch.exp((far - near).clamp(max=-1e-300)))
    lowest = torch.special.log_ndtr((x0 + half - mean) / std)
    highest = torch.special.log_ndtr((mean - x0 + half) / std)
    return -torch.where(x0 < -0.999, lowest, torch.where(x0 > 0.999, highest, inside))


def byte_slopes(x0: Tensor, mean: Tensor, logvar: Tensor) -> tuple[Tensor, Tensor]:
    """Exact derivatives in mean and logvar: those of a bin are differences of the density, over its mass."""
    std, half = (logvar / 2).exp(), 1 / 255
    right, left = (x0 + half - mean) / std, (x0 - half - mean) / std
    log_mass = -byte_nll(x0, mean, logvar)

    def share(z: Tensor, open_end: Tensor) -> Tensor:
        density = torch.exp(-(z**2) / 2 - math.log(2 * math.pi) / 2 - log_mass)
        return torch.where(open_end, 0.0, density)

    at_right, at_left = share(right, x0 > 0.999), share(left, x0 < -0.999)
    in_mean = (at_right - at_left) / std
    in_logvar = (at_right * right - at_left * left) / 2
    return in_mean, in_logvar


def everywhere() -> tuple[Tensor, Tensor, Tensor]:
    """Bytes at the edges and inside, means within and far outside, widths from a hundredth of a bin to ten ranges."""
    x0 = BYTES[[0, 1, 37, 128, 254, 255]]
    mean = numbers(-3.0, -1.0, -0.5, 0.003, 0.31, 1.0, 2.5)
    logvar = numbers(-20.0, -14.0, -9.8, -6.0, -2.0, 0.0, 4.0)
    grid = torch.meshgrid(x0, mean, logvar, indexing="ij")
    return tuple(part.flatten() for part in grid)


def test_decoder_nll_by_hand(code):
    half = 1 / 255
    x0 = numbers(1.0, -1.0, BYTES[100].item(), BYTES[128].item())
    mean = numbers(1.0 - half, -1.0 + half, BYTES[100].item(), BYTES[128].item())
    logvar = 2 * numbers(math.log(0.1), math.log(0.1), math.log(half), math.log(1e-5))
    want = numbers(math.log(2), math.log(2), -math.log(math.erf(math.sqrt(0.5))), 0.0)
    why = "an edge bin that begins at the mean has half of the mass, ln 2 nats; one from -σ to σ has 68 %; a needle has all"
    expect.close(code.decoder_nll(x0, mean, logvar), want, why, **NATS)


def test_decoder_nll_is_a_distribution_over_the_256_bytes(code):
    for mean in (-2.0, -1.0, -0.997, 0.0, 0.4, 1.0, 1.5):
        for logvar in (-16.0, -10.0, -4.0, 0.0, 2.0):
            got = code.decoder_nll(BYTES.clone(), torch.full_like(BYTES, mean), torch.full_like(BYTES, logvar))
            expect.tensor(got, "one price a byte", shape=(256,), dtype=torch.float64)
            total = torch.exp(-got.detach()).sum()
            why = f"the masses of all 256 bins add up to 1, here for mean {mean} and log-variance {logvar}"
            expect.close(total, numbers(1.0)[0], why, rtol=0.0, atol=1.1e-3)  # each within 1e-3 nats of its own


@given(k=st.integers(0, 255), mean=st.floats(-1.2, 1.2), logvar=st.floats(-12, 2))
def test_decoder_nll_is_the_exact_mass_of_the_bin(code, k, mean, logvar):
    args = BYTES[[k]], numbers(mean), numbers(logvar)
    expect.close(code.decoder_nll(*args), byte_nll(*args), MASS + ", within 1e-3 nats", **NATS)


def test_decoder_nll_is_right_far_in_the_tails(code):
    args = everywhere()
    why = (
        "however far in a tail x0 lies, its bin has a mass, and the logarithm is exact to 1e-3 nats and finite: " + MASS
    )
    expect.close(code.decoder_nll(*args), byte_nll(*args), why, **NATS)


def slopes_in(got: object, pull: Tensor, why: str, *inputs: Tensor) -> list[Tensor]:
    """The gradients of Σ pull * got, zero where none comes."""
    expect.tensor(got, why, shape=pull.shape, dtype=pull.dtype)
    expect.holds(got.requires_grad, why, got="a result without a gradient", want="a result with one")
    found = torch.autograd.grad(got, inputs, pull, allow_unused=True)
    return [torch.zeros_like(value) if grad is None else grad for value, grad in zip(inputs, found, strict=True)]


def test_decoder_nll_pulls_mean_and_logvar_back_from_the_tails(code):
    x0, mean, logvar = everywhere()
    inputs, std = tracked(mean, logvar), (logvar / 2).exp()
    why = "far in a tail the gradient still points home, with about its exact size"
    in_mean, in_logvar = slopes_in(code.decoder_nll(x0, *inputs), torch.ones_like(x0), why, *inputs)
    want_mean, want_logvar = byte_slopes(x0, mean, logvar)
    # Within a fifth, or a hundredth of a nat for a step of one σ or of one in logvar: what 1e-3 nats allow
    expect.close(in_mean * std, want_mean * std, f"{why} (in the mean, a step of one σ)", rtol=0.2, atol=0.01)
    expect.close(in_logvar, want_logvar, f"{why} (in logvar)", rtol=0.2, atol=0.01)


def test_decoder_nll_works_on_any_shape_and_layout(code, rng):
    for case in cases.corners(rng):
        x0 = BYTES[(100 * case.x0 + 128).round().long().clamp(0, 255)]
        args = x0, case.x_t, 2 * case.noise - 3
        expect.close(code.decoder_nll(*args), byte_nll(*args), "elementwise, on data of any shape: " + MASS, **NATS)


def test_decoder_nll_keeps_the_dtype_and_its_arguments_and_is_finite_in_float32(code):
    x0, mean, logvar = everywhere()
    near = logvar >= -10  # σ from a 150th: in float32 the distance of x0 and mean is known to 1e-7, 2e-5 σ
    for dtype, some in ((torch.float32, near), (torch.float64, near | ~near)):
        parts = [part[some].to(dtype) for part in (x0, mean, logvar)]
        got = expect.untouched(code.decoder_nll, KEEP, **dict(zip(("x0", "mean", "logvar"), parts, strict=True)))
        want = byte_nll(*(part.double() for part in parts)).to(dtype)
        expect.close(got, want, KEEP, rtol=1e-3, atol=5e-3)
        inputs = tracked(*parts[1:])
        why = "in a tail the gradient is finite, in float32 too"
        for grad in slopes_in(code.decoder_nll(parts[0], *inputs), torch.ones_like(want), why, *inputs):
            expect.finite(grad, why)


# ----------------------------------------------------------------------------------------------------------- prior_kl

LEFT = "KL(N(√ᾱ x_0, 1-ᾱ) to N(0, 1)) at the last level, the mean over each sample's elements, over ln 2"


def left_over(x0: Tensor, alpha_bar: Tensor) -> Tensor:
    a = float(alpha_bar[-1])
    return per_sample(0.5 * (-1 - math.log(1 - a) + 1 - a + a * x0**2)) / BITS


def test_prior_kl_by_hand(code):
    got = code.prior_kl(numbers(1.0, -1.0)[None], numbers(0.9, 0.5))
    why = "at ᾱ = 1/2 with x_0² = 1: ½ (ln 2 - 1 + 1/2 + 1/2) nats are half a bit per dimension"
    expect.close(got, numbers(0.5), why)


@given(case=cases.batches())
def test_prior_kl_compares_the_last_level_with_the_static_that_sampling_starts_from(code, case):
    expect.close(code.prior_kl(case.x0, case.alpha_bar), left_over(case.x0, case.alpha_bar), LEFT)


def test_prior_kl_of_ddpm_is_next_to_nothing(code):
    alpha_bar = cases.alpha_bar_of(torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64))
    got = code.prior_kl(numbers(1.0, -1.0, 1.0, -1.0).reshape(2, 2), alpha_bar)
    want = numbers(2.0179e-5, 2.0179e-5) / BITS  # ½ (ᾱ + ᾱ²/2) with ᾱ = 4.0358e-5
    expect.close(got, want, "DDPM's schedule with x_0² = 1 leaves 2.018e-5 nats per dimension", rtol=1e-4, atol=0.0)


def test_prior_kl_gives_each_sample_its_own_on_any_shape(code, rng):
    for case in cases.corners(rng):
        got = code.prior_kl(case.x0, case.alpha_bar)
        expect.close(got, left_over(case.x0, case.alpha_bar), "one number a sample, (B,): " + LEFT)


def test_prior_kl_keeps_the_dtype_and_its_arguments(code, rng):
    for case in cases.precisions(rng):
        got = expect.untouched(code.prior_kl, KEEP, x0=case.x0, alpha_bar=case.alpha_bar)
        want = left_over(case.x0.double(), case.alpha_bar)
        expect.close(got, want.to(case.x0.dtype), KEEP, **SINGLE)


def test_prior_kl_lets_gradients_through(code, rng):
    case = cases.gradual(rng)
    (x0,) = tracked(case.x0)
    slope = case.alpha_bar[-1] * case.x0 / (4 * BITS)
    expect.gradients(code.prior_kl(x0, case.alpha_bar), numbers(1.0, 1.0, 1.0), FLOW, x0=(x0, slope))


# ----------------------------------------------------------------------------------------------------------- vlb_term


def posterior(case: Case) -> tuple[Tensor, Tensor, Tensor]:
    """Both coefficients and the variance of q(x_{t-1} | x_t, x_0), (B, 1, ..., 1), from Bayes' rule.

    x_{t-1} is N(√ᾱ_{t-1} x_0, 1-ᾱ_{t-1}) before x_t = √α_t x_{t-1} + √β_t ε is seen: precisions add, and the mean is
    the average weighted by them. Before t = 0 the variance is 0 and x_{t-1} is x_0.
    """
    beta = case.at(case.betas)
    before = case.at(torch.cat([torch.ones_like(case.alpha_bar[:1]), case.alpha_bar[:-1]]))
    alpha = 1 - beta
    spread = torch.where(before < 1, 1 - before, 1.0)
    variance = torch.where(before < 1, 1 / (1 / spread + alpha / beta), 0.0)
    of_x0 = torch.where(before < 1, variance * before.sqrt() / spread, 1.0)
    return of_x0, variance * alpha.sqrt() / beta, variance


def small_variance(betas: Tensor) -> Tensor:
    """β̃ of each level, that of t = 1 in the place of t = 0 too, (T,)."""
    a = cases.alpha_bar_of(betas)
    after_first = betas[1:] * (1 - a[:-1]) / (1 - a[1:])
    return torch.cat([after_first[:1], after_first])


TERM = "KL(q(x_{t-1} | x_t, x_0) to p) = (μ̃(x_0) - μ̃(x̂_0))² / (2 β̃_t), the mean over each sample's elements, over ln 2"
LAST = "at t = 0: decoder_nll of x0 under the predicted mean, which is x̂_0, with the posterior variance of t = 1"


def of_bytes(case: Case) -> Case:
    """The case with 8-bit data, noised to its levels."""
    x0 = BYTES[(60 * case.x0 + 128).round().long().clamp(0, 255)]
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
    x0, x_t, eps = numbers(0.0)[None], numbers(0.4)[None], numbers(0.0)[None]
    got = code.vlb_term(x0, x_t, torch.tensor([1]), eps, numbers(0.36, 0.75))
    why = "β = (0.36, 0.75): x̂_0 = 0.4 / √0.16 = 1, its weight in the mean 0.6 / 0.84, β̃_1 = 0.27 / 0.84: 0.36 / (0.84 * 0.54) nats"
    expect.close(got, numbers(0.36 / (0.84 * 0.54) / BITS), why)


@given(case=cases.batches())
def test_vlb_term_is_the_distance_of_the_true_step_from_the_models(code, case):
    if len(case.betas) < 2:
        return
    case = Case(case.x0, case.x_t, case.eps, case.noise, case.t.clamp(min=1), case.betas, case.alpha_bar)
    got = code.vlb_term(case.x0, case.x_t, case.t, case.eps, case.betas)
    expect.close(got, term(case), TERM)


def test_vlb_term_at_t_0_is_the_price_of_the_bytes(code, rng):
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
    case = of_bytes(cases.make((6, 5), cases.schedule(4, rng), rng))
    got = code.vlb_term(case.x0, case.x_t, case.t, case.noise, case.betas)
    perfect = Case(case.x0, case.x_t, case.noise, case.noise, case.t, case.betas, case.alpha_bar)
    expect.close(
        got, term(perfect), "who guesses the noise steps back as q does, at no cost; at t = 0 bytes cost", **TERMS
    )


def test_vlb_term_works_on_any_shape_and_layout_and_mixes_levels(code, rng):
    for plain in cases.corners(rng):
        case = of_bytes(plain)
        got = code.vlb_term(case.x0, case.x_t, case.t, case.eps, case.betas)
        expect.close(got, term(case), "one number a sample, (B,), each at its own level: " + TERM, **TERMS)


def test_vlb_term_summed_over_the_levels_is_the_bound_of_gaussian_data(code):
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
    for plain in cases.precisions(rng):
        case = of_bytes(plain.exactly()).cast(plain.x0.dtype, plain.betas.dtype)
        got = expect.untouched(
            code.vlb_term, KEEP, x0=case.x0, x_t=case.x_t, t=case.t, eps=case.eps, betas=case.betas
        )  # fmt: skip
        # In float32 the terms are sums of squares up to 100, each known to 1e-5 of itself
        expect.close(got, term(case.exactly()).to(case.x0.dtype), KEEP, rtol=1e-3, atol=5e-3)


def test_vlb_term_lets_gradients_through(code, rng):
    case = of_bytes(cases.make((5, 2, 2), cases.schedule(4, rng), rng))
    (eps,) = tracked(case.eps)
    pull, why = numbers(1.0, -2.0, 0.5, 3.0, 1.5), FLOW + " (the gradient with respect to eps)"
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


# ----------------------------------------------------------------------------------------------- learned_log_variance

BETWEEN = "log σ² = (v+1)/2 log β_t + (1-v)/2 log β̃_t"


def between(case: Case, v: Tensor) -> Tensor:
    small, large = case.at(small_variance(case.betas)).log(), case.at(case.betas).log()
    return small + (v + 1) / 2 * (large - small)


def shares(case: Case) -> Tensor:
    """Numbers between -1 and 1."""
    return torch.erf(case.noise / math.sqrt(2))


def test_learned_log_variance_by_hand(code):
    v = numbers(-1.0, 0.0, 1.0)[None].expand(2, 3)
    got = code.learned_log_variance(v, torch.tensor([1, 0]), numbers(0.36, 0.75))
    small, large, first = math.log(0.27 / 0.84), math.log(0.75), math.log(0.36)
    want = torch.stack([numbers(small, (small + large) / 2, large), numbers(small, (small + first) / 2, first)])
    why = "β = (0.36, 0.75): β̃_1 = 0.36 / 0.84 * 0.75, which stands in for β̃_0 = 0, while β_0 is 0.36"
    expect.close(got, want, why)


@given(case=cases.batches())
def test_learned_log_variance_lies_between_the_small_and_the_large(code, case):
    if len(case.betas) < 2:
        return
    for v, why in ((-torch.ones_like(case.x0), "v = -1 gives log β̃_t"), (torch.ones_like(case.x0), "v = 1 gives log β_t"), (shares(case), BETWEEN)):  # fmt: skip
        got = code.learned_log_variance(v, case.t, case.betas)
        expect.close(got, between(case, v), why + "; at t = 0 the β̃ of t = 1 is taken")


def test_learned_log_variance_works_on_any_shape_and_layout(code, rng):
    for case in cases.corners(rng):
        v = shares(case)
        expect.close(code.learned_log_variance(v, case.t, case.betas), between(case, v), EACH)


def test_learned_log_variance_keeps_the_dtype_and_its_arguments(code, rng):
    for case in cases.precisions(rng):
        v = shares(case)
        got = expect.untouched(code.learned_log_variance, KEEP, v=v, t=case.t, betas=case.betas)
        expect.close(got, between(case.exactly(), v.double()).to(v.dtype), KEEP, **SINGLE)


def test_learned_log_variance_lets_gradients_through(code, rng):
    case = cases.gradual(rng)
    (v,) = tracked(shares(case))
    got = code.learned_log_variance(v, case.t, case.betas)
    width = case.at(case.betas).log() - case.at(small_variance(case.betas)).log()
    expect.gradients(got, case.eps, "the result is differentiable in v", v=(v, width / 2 * case.eps))


# --------------------------------------------------------------------------------------------------- ancestral_sample

ONCE = "the model is called once for each level, T times in all, t = 0 included"
AXES = ("steps", "samples", "elements")
DOWN = "t counts down from T-1 to 0, as int64 of shape (B,): every sample of the batch is at the same level"


def chain(code, model: Spy, x_T: Tensor, betas: Tensor, **switches) -> list[Tensor]:
    """The states of a chain: what the model was called with, and the result."""
    result = code.ancestral_sample(model, x_T, betas, **switches)
    expect.tensor(result, KEEP, shape=x_T.shape, dtype=x_T.dtype, device=x_T.device)
    expect.finite(result, "samples are finite")
    expect.equal(len(model.seen), len(betas), ONCE)
    for seen in model.seen:
        expect.tensor(seen.x_t, "the model sees x_t, in x_T's shape and dtype", shape=x_T.shape, dtype=x_T.dtype)
    return [*(seen.x_t for seen in model.seen), result]


def step_of(case: Case, kind: str = "eps", variance: str = "small", clip: bool = False) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of p(x_{t-1} | x_t) when the model answered `case.eps`, whatever that predicts."""
    guess = converted(case, slopes_x0(case, kind))
    if clip:
        guess = guess.clamp(-1, 1)
    of_x0, of_x_t, small = posterior(case)
    return of_x0 * guess + of_x_t * case.x_t, (small if variance == "small" else case.at(case.betas)).sqrt()


def surprises(model: Spy, states: list[Tensor], betas: Tensor, **switches) -> Tensor:
    """What the chain added to the mean of each step but the last, in standard deviations: (T-1, B, elements)."""
    added = []
    for level, seen, after in zip(range(len(betas) - 1, 0, -1), model.seen, states[1:], strict=False):
        mean, std = step_of(cases.of_step(seen.x_t, seen.answer, level, betas), **switches)
        added.append(((after - mean) / std).flatten(1))
    return torch.stack(added)


def rising(rng: Generator) -> Tensor:
    """Betas in rising order, so that the posterior variance is far from β, which is 1.1 to 4 times as large."""
    return torch.linspace(0.1, 0.5, 5, dtype=torch.float64) * (0.8 + 0.4 * torch.rand(5, generator=rng))


def last_mean(model: Spy, betas: Tensor, **switches) -> Tensor:
    """The mean of the step from t = 0, in float64."""
    seen = model.seen[-1]
    return step_of(cases.of_step(seen.x_t, seen.answer, 0, betas).exactly(), **switches)[0]


def test_ancestral_sample_calls_the_model_once_for_each_level_counting_down(code, rng):
    for shape, levels in (((2, 3), 1), ((1, 4), 2), ((3, 3, 3, 3), 5), ((2, 1, 2), 7)):
        betas, x_T, model = cases.schedule(levels, rng), cases.normal(shape, rng), Spy()
        states = chain(code, model, x_T, betas, generator=rng)
        for level, seen in zip(range(levels - 1, -1, -1), model.seen, strict=True):
            expect.close(seen.t, torch.full(shape[:1], level), DOWN)
        expect.close(states[0], x_T, "the chain starts at x_T, with t = T-1")


def test_ancestral_sample_adds_noise_of_the_chosen_variance_to_the_mean_of_each_step(code, rng):
    betas = rising(rng)
    named = {"small": "β̃_t = (1-ᾱ_{t-1}) / (1-ᾱ_t) β_t", "large": "β_t"}
    for kind in KINDS:
        for variance in named:
            switches = {"kind": kind, "variance": variance}
            # x_T of size 1000 shows an error of 1e-4 in a coefficient of the mean as loudly as the noise
            x_T, model = 1000 * cases.normal((32, 2, 4, 4), rng), Spy()
            states = chain(code, model, x_T, betas, generator=rng, **switches)
            why = f"with kind {kind!r}, x_{{t-1}} minus the posterior mean, over σ_t, is z ~ N(0, 1), fresh for each step, sample and element; variance {variance!r} is σ_t² = {named[variance]}"  # fmt: skip
            chance.standard_normal(surprises(model, states, betas, **switches), why, axes=AXES)


def test_ancestral_sample_predicts_noise_with_the_small_variance_by_default(code, rng):
    betas = rising(rng)
    for layout, generator in (("contiguous", rng), ("expanded", None)):
        x_T, model = 1000 * cases.normal((32, 2, 4, 4), rng, layout), Spy()
        states = chain(code, model, x_T, betas, **({"generator": generator} if generator else {}))
        why = "by default the model predicts eps, σ_t² is β̃_t and nothing is clipped"
        chance.standard_normal(surprises(model, states, betas), why, axes=AXES)


def test_ancestral_sample_clips_the_predicted_data_before_the_posterior_mean(code, rng):
    betas = rising(rng)
    for kind in KINDS:
        switches = {"kind": kind, "clip": True}
        x_T, model = 20 * cases.normal((32, 2, 4, 4), rng), Spy()
        states = chain(code, model, x_T, betas, generator=rng, **switches)
        why = f"clip=True: the x̂_0 that goes with {kind} is clamped to [-1, 1], and then enters the posterior mean, x_t as it is"
        chance.standard_normal(surprises(model, states, betas, **switches), why, axes=AXES)
        want = last_mean(model, betas, **switches)
        expect.close(states[-1], want, "the last step's result is the clipped x̂_0")


def test_ancestral_sample_ends_with_the_mean_itself(code, rng):
    for shape, levels in (((2, 3), 1), ((1, 4), 2), ((3, 2, 2), 4)):
        betas, x_T = cases.schedule(levels, rng, smallest=0.05), cases.normal(shape, rng)
        for kind in KINDS:
            for variance in ("small", "large"):
                model = Spy()
                result = chain(code, model, x_T, betas, kind=kind, variance=variance, generator=rng)[-1]
                why = f"the step from t = 0 adds no noise, with variance {variance!r} neither, and its result is the sample"  # fmt: skip
                expect.close(result, last_mean(model, betas, kind=kind), why)


def moments(world: Gaussian, betas: Tensor, large: bool) -> tuple[float, float]:
    """Mean and variance that N(0, 1) ends with, for the best guess of eps: each step is affine with Gaussian noise."""
    mean, variance, a = 0.0, 1.0, [1.0, *cases.alpha_bar_of(betas).tolist()]
    for t, beta in reversed(list(enumerate(betas.tolist()))):
        before, after = a[t], a[t + 1]
        k = (1 - beta / (after * world.variance + 1 - after)) / (1 - beta) ** 0.5
        mean = k * (mean - after**0.5 * world.mean) + before**0.5 * world.mean
        small = beta * (1 - before) / (1 - after)
        variance = k**2 * variance + (beta if large and t > 0 else small)
    return mean, variance


def test_ancestral_sample_of_a_gaussian_world_has_the_moments_of_the_exact_chain(code, rng):
    betas = torch.linspace(0.02, 0.4, 16, dtype=torch.float64)
    world = Gaussian(mean=0.7, variance=0.25)
    for variance in ("small", "large"):
        x_T = cases.normal((4096, 2), rng)
        result = code.ancestral_sample(
            Exact(world, cases.alpha_bar_of(betas)), x_T, betas, variance=variance, generator=rng
        )
        expect.tensor(result, KEEP, shape=(4096, 2), dtype=torch.float64)
        m, v = moments(world, betas, variance == "large")
        why = f"with the exact denoiser of N(0.7, 0.25) and variance {variance!r} the chain ends at mean {m:.4f} and variance {v:.4f}"  # fmt: skip
        chance.standard_normal((result - m) / v**0.5, why)


def test_ancestral_sample_takes_its_randomness_from_the_generator_alone(code, rng):
    betas, x_T = cases.schedule(4, rng, smallest=0.1), cases.normal((3, 4), rng)
    seed = int(torch.randint(2**31, (), generator=rng))

    def draw(seed: int, skipped: int = 0) -> Tensor:
        generator = Generator().manual_seed(seed)
        torch.rand(skipped, generator=generator)
        return chain(code, Spy(), x_T, betas, variance="large", generator=generator)[-1]

    first = draw(seed)
    why = "the same generator state gives the same sample"
    expect.holds(torch.allclose(draw(seed), first), why, got="another sample", want="the same sample")
    for other in (draw(seed + 1), draw(seed, skipped=1)):
        why = "another generator state gives another sample"
        expect.holds(not torch.equal(other, first), why, got="the same sample", want="another sample")


def test_ancestral_sample_keeps_the_dtype_of_x_T_for_the_model_and_the_result(code, rng):
    for case in cases.precisions(rng):
        for kind in KINDS:
            model = Spy()
            states = chain(code, model, case.x_t, case.betas, kind=kind, variance="large")
            want = last_mean(model, case.betas, kind=kind).to(case.x_t.dtype)
            expect.close(states[-1], want, KEEP, rtol=1e-4, atol=1e-3)  # as SINGLE; x_t grows to 50


def test_ancestral_sample_records_no_gradient_and_leaves_its_arguments_as_they_were(code, rng):
    betas, x_T = cases.schedule(3, rng), cases.normal((2, 3), rng)
    for training, start in ((True, x_T.clone()), (False, x_T.clone()), (True, *tracked(x_T))):
        model, table = Spy().train(training), betas.clone()
        result = chain(code, model, start, table, clip=training)[-1]
        why = "a sampler records no gradient"
        expect.holds(not result.requires_grad, why, got="a result with a gradient", want="a result without")
        recorded = any(seen.tracked for seen in model.seen) and not start.requires_grad
        why = "a sampler records no gradient on its way, or its memory grows with T"
        expect.holds(not recorded, why, got="an x_t that carries a gradient", want="x_t without")
        expect.unchanged(KEEP, x_T=(x_T, start.detach()), betas=(betas, table))
        left_alone(model)


def test_ancestral_sample_refuses_an_unknown_kind_or_variance(code, rng):
    betas, x_T = cases.schedule(3, rng), cases.normal((2, 3), rng)
    for name, values in (("kind", UNKNOWN), ("variance", ("medium", "beta", "fixed_small", ""))):
        for value in values:

            def draw(name: str = name, value: str = value) -> Tensor:
                return code.ancestral_sample(Spy(), x_T, betas, **{name: value})

            why = f"an unknown {name} raises ValueError naming the argument: {name}"
            expect.raises(ValueError, draw, why, naming=name)


# --------------------------------------------------------------------------------------------------------- ema_update

AVERAGE = "θ_ema becomes decay θ_ema + (1 - decay) θ, once for each parameter and each floating-point buffer"


class Assorted(nn.Module):
    """A model with everything that can be averaged or copied: shared, frozen and nested, and some of it not in its state."""

    def __init__(self, rng: Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(cases.normal((3, 2), rng))
        self.single = nn.Parameter(cases.normal((4,), rng).float())
        self.frozen = nn.Parameter(cases.normal((2,), rng), requires_grad=False)
        self.tied = self.weight
        self.inner = nn.Module()
        self.inner.gain = nn.Parameter(cases.normal((), rng))
        self.inner.tied = self.weight
        self.register_buffer("mean", cases.normal((3,), rng))
        self.register_buffer("hidden", cases.normal((2, 2), rng).float(), persistent=False)
        self.inner.register_buffer("mean", self.mean)
        self.register_buffer("count", torch.randint(1, 1000, (), generator=rng))
        self.register_buffer("flags", torch.rand(5, generator=rng) < 0.5)

    def tensors(self) -> dict[str, Tensor]:
        """Every parameter and buffer, once."""
        return {**dict(self.named_parameters()), **dict(self.named_buffers())}

    def values(self) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self.tensors().items()}


def averaged(slow: dict[str, Tensor], fast: dict[str, Tensor], decay: float) -> dict[str, Tensor]:
    return {
        name: (decay * slow[name].double() + (1 - decay) * fast[name].double()).to(slow[name].dtype)
        if slow[name].is_floating_point()
        else fast[name]
        for name in slow
    }


def compare(model: Assorted, want: dict[str, Tensor], why: str) -> None:
    found = model.tensors()
    expect.equal(sorted(found), sorted(want), "shared tensors stay shared, and none is lost")
    for name, tensor in found.items():
        expect.tensor(tensor, f"{why} ({name})", shape=want[name].shape, dtype=want[name].dtype)
    wrong = [(name, tensor.detach()) for name, tensor in found.items() if not near(tensor.detach(), want[name])]
    parts = ", ".join(f"{name} {describe(want[name])}" for name, _ in wrong)
    expect.holds(not wrong, why, got=wrong, want=parts)


def near(got: Tensor, want: Tensor) -> bool:
    if not want.is_floating_point():
        return torch.equal(got, want)
    tolerance = 1e-9 if want.dtype == torch.float64 else 1e-6
    return torch.allclose(got, want, rtol=tolerance, atol=tolerance)


def test_ema_update_by_hand(code):
    slow, fast = nn.Linear(1, 1, bias=False).double(), nn.Linear(1, 1, bias=False).double()
    with torch.no_grad():
        slow.weight.fill_(1.0)
        fast.weight.fill_(3.0)
    code.ema_update(slow, fast, 0.75)
    expect.close(slow.weight, numbers(1.5)[None], "0.75 * 1 + 0.25 * 3 = 1.5")
    code.ema_update(slow, fast, decay=0.75)
    expect.close(slow.weight, numbers(1.875)[None], "0.75 * 1.5 + 0.25 * 3 = 1.875")


def test_ema_update_averages_parameters_and_floating_buffers_once_and_copies_the_others(code, rng):
    for decay in (0.9, 0.3, 0.0, 1.0):
        slow, fast = Assorted(rng), Assorted(rng)
        want = averaged(slow.values(), fast.values(), decay)
        code.ema_update(slow, fast, decay)
        why = "shared tensors, frozen ones and buffers outside the state_dict too; integers and flags are copied"
        compare(slow, want, f"{AVERAGE}, here with decay {decay}: {why}")


def test_ema_update_follows_a_model_that_moves(code, rng):
    slow, fast, decay = Assorted(rng), Assorted(rng), 0.8
    want = slow.values()
    for _ in range(3):
        with torch.no_grad():
            for tensor in fast.tensors().values():
                if tensor.is_floating_point():
                    tensor.add_(cases.normal(tuple(tensor.shape), rng))
            fast.count.add_(1)
            fast.flags.logical_not_()
        want = averaged(want, fast.values(), decay)
        code.ema_update(slow, fast, decay)
        compare(slow, want, AVERAGE)


def test_ema_update_closes_in_on_a_model_that_stands_still(code, rng):
    slow, fast, decay = Assorted(rng), Assorted(rng), 0.95
    want = averaged(slow.values(), fast.values(), decay**20)
    for _ in range(20):
        code.ema_update(slow, fast, decay)
    compare(slow, want, "after k updates towards the same θ the old value weighs decay ** k")


def test_ema_update_keeps_the_tensors_of_the_slow_model_and_all_that_hangs_on_them(code, rng):
    slow, fast = Assorted(rng), Assorted(rng)
    code.ema_update(slow, fast, 0.5)
    before = slow.tensors()
    marks = {name: cases.normal(tuple(t.shape), rng).to(t.dtype) for name, t in before.items() if t.is_floating_point()}
    for name, mark in marks.items():
        before[name].grad = mark.clone()
    code.ema_update(slow, fast, 0.5)
    why = "the update is in place: an optimiser or another module may hold the same tensors"
    for name, tensor in slow.tensors().items():
        kept = tensor is before[name] and (name not in marks or tensor.grad is not None)
        expect.holds(kept, why, got=f"{name} replaced", want=f"the same tensor {name}, with another value")
    expect.holds(slow.tied is slow.weight and slow.inner.mean is slow.mean, why, got="untied", want="shared tensors that stay shared")  # fmt: skip


def test_ema_update_records_no_gradient_and_leaves_the_model_alone(code, rng):
    for wants_gradient in (True, False):
        slow, fast = Assorted(rng), Assorted(rng)
        slow.requires_grad_(wants_gradient)
        flags = {name: tensor.requires_grad for name, tensor in slow.tensors().items()}
        before = fast.values()
        code.ema_update(slow, fast, 0.9)
        code.ema_update(slow, fast, 0.9)
        for name, tensor in slow.tensors().items():
            recorded = not tensor.is_leaf or (tensor.requires_grad and not flags[name])
            why = "no gradient is recorded, or each update would keep all the earlier ones alive"
            expect.equal(recorded, False, f"{why} ({name})")
        for name, tensor in fast.tensors().items():
            same = torch.equal(tensor.detach(), before[name]) and tensor.grad is None
            expect.holds(same, "the model that is followed stays as it is", got=f"{name} changed", want=f"{name} as it was")  # fmt: skip
        expect.equal([fast.training, fast.inner.training], [True, True], "the model that is followed stays as it is")


# --------------------------------------------------------------------------------------------------------------- UNet

LARGE_T = 10_000


def made(code, *args, **kwargs) -> nn.Module:
    network = code.UNet(*args, **kwargs)
    expect.module(network, "UNet is an nn.Module, and its layers are registered in it")
    return network


def awake(code, rng: Generator, *args, size: float = 1.0, **kwargs) -> nn.Module:
    """A network in float64 that was moved away from its initialisation, where its answer is zero."""
    network = made(code, *args, **kwargs).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(size * direction(parameter, rng))
    return network


def direction(parameter: Tensor, rng: Generator) -> Tensor:
    """A random change of about the size in which layers are initialised."""
    scale = parameter[0].numel() ** -0.5 if parameter.ndim > 1 and parameter.numel() else 0.2
    return scale * torch.randn(parameter.shape, dtype=torch.float64, generator=rng).to(parameter.dtype)


def answer(network: nn.Module, x: Tensor, t: Tensor, *y: Tensor) -> Tensor:
    why = "the answer has x's shape and dtype, and is finite"
    got = network(x, t, *y)
    expect.tensor(got, why, shape=x.shape, dtype=x.dtype, device=x.device)
    expect.finite(got, why)
    return got


def images(rng: Generator, *shape: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    t = torch.randint(LARGE_T, shape[:1], generator=rng)
    return torch.randn(shape, dtype=torch.float64, generator=rng).to(dtype), t


NETWORKS = (
    ({}, (2, 1, 28, 28)),
    ({"in_channels": 3, "width": 16, "multipliers": (1, 2)}, (3, 3, 6, 10)),
    ({"in_channels": 2, "width": 24, "multipliers": (2, 1), "classes": 4}, (1, 2, 8, 4)),
    ({"width": 8, "multipliers": (1, 1, 2, 1)}, (2, 1, 24, 16)),
    ({"width": 8, "multipliers": (1, 2)}, (1, 1, 4, 4)),
    ({"width": 8, "multipliers": (1,), "classes": 2}, (4, 1, 5, 7)),
)
"""Constructor arguments, and the shape of a batch: sides need only be divisible by 2 ** (levels - 1)."""


def test_UNet_answers_zero_in_the_shape_of_x_at_initialisation(code, rng):
    for arguments, shape in NETWORKS:
        network = made(code, **arguments)
        x, t = images(rng, *shape, dtype=torch.float32)
        t[0] = LARGE_T
        given_values = {"x": x, "t": t}
        if "classes" in arguments:
            given_values["y"] = torch.arange(shape[0]) % arguments["classes"]
        got = expect.untouched(lambda *values, network=network: answer(network, *values), KEEP, **given_values).detach()
        why = "the output is zero at initialisation: the network starts by saying nothing"
        expect.holds(float(got.abs().max()) < 1e-6, why, got=got, want="zero")


def test_UNet_keeps_the_dtype_and_takes_any_t_once_it_has_learned(code, rng):
    for arguments, shape in NETWORKS:
        network = awake(code, rng, **arguments)
        y = [torch.arange(shape[0]) % arguments["classes"]] if "classes" in arguments else []
        for dtype in (torch.float64, torch.float32):
            network.to(dtype)
            x, t = images(rng, *shape, dtype=dtype)
            t[0], t[-1] = 0, 10 * LARGE_T
            got = answer(network, x, t, *y).detach()
            expect.holds(float(got.abs().max()) > 0, "a network that was moved away from its initialisation answers", got=got, want="numbers")  # fmt: skip


def test_UNet_is_as_wide_as_it_is_told(code):
    def size(*args) -> int:
        return sum(parameter.numel() for parameter in made(code, *args).parameters())

    why = "a level has width times its multiplier channels: more of either are more parameters"
    sizes = [size(1, 8, (1, 1)), size(1, 16, (1, 1)), size(1, 16, (2, 1)), size(1, 16, (2, 2))]
    expect.holds(sizes == sorted(set(sizes)), why, got=sizes, want="more parameters each time")
    expect.equal(size(), size(1, 32, (1, 2, 2)), "by default one channel, width 32 and multipliers (1, 2, 2)")


def unlike(one: Tensor, other: Tensor) -> bool:
    """Whether two answers differ by more than float64 rounds."""
    return float((one - other).detach().abs().max()) > 1e-9 * float(one.detach().abs().max())


def test_UNet_tells_one_time_from_another(code, rng):
    network = awake(code, rng, 1, 8, (1, 2)).eval()
    x, _ = images(rng, 2, 1, 4, 4)
    times = (0, 1, 2, 10, 11, 499, 500, 999, 1000, 2000, LARGE_T)
    outputs = [answer(network, x, torch.full((2,), t)).detach() for t in times]
    for one in range(len(times)):
        for other in range(one):
            why = f"the answer depends on the level: t = {times[other]} and t = {times[one]} differ"
            expect.holds(unlike(outputs[one], outputs[other]), why, got="the same answer", want="another answer")


def test_UNet_tells_one_label_from_another(code, rng):
    for classes in (2, 5, 12):
        network = awake(code, rng, 1, 8, (1, 2), classes=classes).eval()
        x, t = images(rng, 1, 1, 4, 4)
        x, t = x.expand(classes, 1, 4, 4), t.expand(classes)
        y = torch.arange(classes)
        outputs = answer(network, x, t, y).detach()
        for one in range(classes):
            for other in range(one):
                why = f"the answer depends on the label of the sample: y = {other} and y = {one} differ"
                expect.holds(unlike(outputs[one], outputs[other]), why, got="the same answer", want="another answer")
        got = network(x, t, y=y.flip(0))
        expect.tensor(got, "y is an argument of forward, by name too", shape=x.shape)
        why = "each sample has its own label: labels in another order give the answers in another order"
        expect.close(got.detach().flip(0), outputs, why, rtol=1e-6, atol=1e-6 * float(outputs.abs().max()))


def test_UNet_treats_each_sample_by_itself_in_training_too(code, rng):
    why = "a sample's output depends on that sample, its t and its y, and on nothing else in the batch"
    network = awake(code, rng, 2, 8, (1, 2), classes=4)
    for mode in (True, False):
        network.train(mode)
        x, t = images(rng, 4, 2, 4, 8)
        x2, t2 = images(rng, 4, 2, 4, 8)
        y, y2 = torch.tensor([0, 1, 2, 3]), torch.tensor([3, 3, 2, 1])
        x2[2], t2[2], t2[3] = x[2], t[2], 100 * LARGE_T
        x.requires_grad_()
        whole = answer(network, x, t, y)
        (pull,) = slopes_in(whole[2].square().sum(), numbers(1.0)[0], "the answer is differentiable in x", x)
        leak = float(pull[[0, 1, 3]].abs().max()) > 1e-9 * float(pull[2].abs().max())
        expect.holds(not leak, why, got="an output that moves with the other samples", want="no influence")
        x, whole = x.detach(), whole.detach()
        if unlike(answer(network, x, t, y), whole):
            continue  # dropout: what is random is not compared
        room = 1e-6 * float(whole.abs().max())
        for rest, row in ((answer(network, x2, t2, y2), 2), (answer(network, x[2:3], t[2:3], y[2:3]), 0)):
            moved = float((rest[row].detach() - whole[2]).abs().max()) > room
            expect.holds(not moved, why, got="a row that depends on the others", want="the same row in any company")


def slopes(network: nn.Module, x: Tensor, rows: Tensor) -> Tensor:
    """The derivatives of the elements `rows` of the answer to x (1, C, H, W) in x: (rows, C, H, W).

    Each is taken in a sample of its own, as samples do not influence each other.
    """
    found = []
    for some in rows.split(64):
        copies = x.repeat(len(some), 1, 1, 1).requires_grad_()
        got = answer(network, copies, torch.full((len(some),), 10)).flatten(1)
        picked, why = got[torch.arange(len(some)), some], "the answer is differentiable in x"
        found += slopes_in(picked, torch.ones_like(picked), why, copies)
        expect.finite(found[-1], why)
    return torch.cat(found)


def rank(matrix: Tensor) -> int:
    """How many numbers it takes to hand on what the matrix does, in float64: the others are 1e-16 of the largest."""
    sizes = torch.linalg.svdvals(matrix)
    return int((sizes > 1e-12 * sizes[0]).sum())


def test_UNet_hands_detail_across_by_skips(code, rng):
    network = awake(code, rng, 8, 8, (1, 1, 1)).eval()
    x, _ = images(rng, 1, 8, 8, 8)
    # 512 numbers come in, 8 * 8 * 8; the level below holds 8 * 4 * 4 = 128 of them, and the lowest 32
    rows = torch.randperm(512, generator=rng)[:160]
    passed = rank(slopes(network, x, rows).flatten(1))
    why = "without a skip at full resolution all detail would have to pass the level below, which holds 128 numbers"
    expect.holds(passed > 128, why, got=passed, want="an output that depends on the image in more than 128 ways")


def test_UNet_lets_every_place_see_every_other_by_attention(code, rng):
    network = awake(code, rng, 4, 16, (1,)).eval()
    first, last = 36, 66
    # Outputs in the first 36 of 102 rows, inputs in the last 36: convolutions do not reach across
    x, _ = images(rng, 1, 4, 102, 2)
    rows = torch.arange(4 * 102 * 2).reshape(4, 102, 2)[:, :first].flatten()
    passed = rank(slopes(network, x, rows)[:, :, last:].flatten(1))
    why = "self-attention brings each place what it asks for from all others: what reaches 288 outputs from the far end fills about 288 numbers, where the means and variances of normalisations are some 100"  # fmt: skip
    expect.holds(passed > 264, why, got=passed, want="an influence of the far end in more than 264 ways")


def test_UNet_can_guess_noise_of_either_sign_and_any_size(code, rng):
    outputs = []
    for _ in range(5):
        network = awake(code, rng, 2, 8, (1, 2), size=4.0)
        outputs.append(answer(network, *images(rng, 4, 2, 8, 8)).detach())
    reached = torch.cat(outputs)
    both = [bool(reached.min() < -1.5), bool(reached.max() > 1.5)]
    why = "noise has either sign and no bound, so nothing may squash the output: five random networks were tried"
    expect.holds(all(both), why, got=both, want="some outputs below -1.5 and some above 1.5")


def test_UNet_lets_gradients_through_to_all_that_matters(code, rng):
    network = awake(code, rng, 1, 8, (1, 2), classes=3).eval()
    x, t = images(rng, 3, 1, 4, 4)
    y, pull = torch.tensor([2, 0, 1]), cases.normal((3, 1, 4, 4), rng)
    x.requires_grad_()
    every = [x, *(parameter for parameter in network.parameters() if parameter.requires_grad)]
    why = "the gradient is the slope of the answer: nothing on the way is detached or computed under no_grad"
    got = answer(network, x, t, y)
    expect.equal(got.requires_grad, True, why)
    found = torch.autograd.grad((got * pull).sum(), every, allow_unused=True)
    for first in range(4):
        some = [(value, grad) for value, grad in list(zip(every, found, strict=True))[first::4]]
        moves = [direction(value.detach(), rng) for value, _ in some]
        parts = [
            0.0 if grad is None else float((grad * move).sum()) for (_, grad), move in zip(some, moves, strict=True)
        ]
        # A difference quotient is exact to 1e-6, but for a kink as of a ReLU on the way; nearer by there is seldom one
        measured = []
        for step in (1e-6, 1e-7, 1e-8):
            ends = []
            with torch.no_grad():
                for move_by in (step, -2 * step, step):  # there, back beyond, and home
                    for (value, _), move in zip(some, moves, strict=True):
                        value.add_(move_by * move)
                    ends.append(float((answer(network, x, t, y) * pull).sum()))
            measured.append((ends[0] - ends[1]) / (2 * step))
        size, slope = sum(part**2 for part in parts) ** 0.5, min(measured, key=lambda slope: abs(sum(parts) - slope))
        near = abs(sum(parts) - slope) <= 1e-3 * (size + abs(slope))
        expect.holds(near, why, got=sum(parts), want=f"{slope:.6g}, the slope measured")


def test_UNet_keeps_all_that_it_is_in_parameters_and_buffers(code, rng):
    network, twin = (awake(code, rng, 1, 8, (1, 2), classes=3).eval() for _ in range(2))
    with torch.no_grad():
        for kept, copied in zip(network.state_dict().values(), twin.state_dict().values(), strict=True):
            copied.copy_(kept)
    x, t = images(rng, 3, 1, 4, 4)
    expected = answer(network, x, t, torch.tensor([2, 0, 1])).detach()
    got = answer(twin, x, t, torch.tensor([2, 0, 1])).detach()
    why = "two networks with equal parameters and buffers are equal: a layer in a plain list is not trained or saved"
    same = float((got - expected).abs().max()) <= 1e-6 * float(expected.abs().max())
    expect.holds(same, why, got="another answer from the twin", want="the same answer")
