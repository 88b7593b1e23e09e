"""The graded checks of section 3, the score view.

What is expected is computed here from the papers' formulas, in float64. The processes that the functions are given are
`Drain` and `Bent`, of neither of the learner's two kinds: what is tested is that their coefficients are used, not what
they are. `cases` says what else goes in, `spies` are the models, and `chance` judges what is random.
"""

import math
from itertools import pairwise

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor, nn

from exercises.checks import cases, chance, expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.expect import left_alone
from exercises.checks.spies import Spy
from exercises.toolkit.worlds import Correlated

KEEP = "results keep x's dtype and device, and arguments stay as they are"
FLOW = "the result is differentiable in data, noise and predictions"
EACH = "each sample has its own numbers: a value (B,) must become (B, 1, ..., 1) before it multiplies (B, *S)"

SINGLE = {"rtol": 1e-4, "atol": 1e-4}
"""For float32, in data or times: an honest coefficient is off by some 10 ulp after a cancellation in 1 - exp(-0.03),
10 * 6e-8 / 0.03 = 2e-5, and it multiplies numbers up to 5."""
GRID = {"rtol": 1e-5, "atol": 1e-5}
"""For what is computed on a grid of times. A grid may have been made in float32, off by 6e-8 a time and so by some
1e-6 a result; on the grids here, of fewer than ten steps, every other method is off by a thousandth or more."""
PARAMETERS = {"rtol": 1e-6, "atol": 1e-9}
"""For closed forms of an sde, whose parameters may be kept in float32: 6e-8, some ten times."""

seeds = st.integers(0, 2**32 - 1)
shapes = st.lists(st.integers(1, 3), min_size=2, max_size=4).map(tuple)


def column(values: Tensor, like: Tensor) -> Tensor:
    """(B,) shaped to multiply the batch."""
    return values.to(like.dtype).reshape(-1, *[1] * (like.ndim - 1))


def times(count: int, generator: Generator, smallest: float = 0.05) -> Tensor:
    """Times in (smallest, 1), no two alike, in no order."""
    grid = (torch.arange(count) + torch.rand(count, dtype=torch.float64, generator=generator)) / count
    return smallest + (1 - smallest) * grid[torch.randperm(count, generator=generator)]


def moments(case: cases.Case, generator: Generator) -> Tensor:
    """Times for the samples of a case, lying in memory as its levels do."""
    t = times(len(case.x0), generator)
    if case.t.stride() == (0,):
        return t[:1].expand(t.shape)
    return t if case.t.is_contiguous() else torch.stack([t, t], dim=1)[:, 0]


def sizes(count: int, generator: Generator, like: Tensor, smallest: float = 1e-3) -> Tensor:
    """Numbers (B, 1, ..., 1) between `smallest` and 2, no two alike, spread over the orders of magnitude."""
    return column(smallest * (2 / smallest) ** times(count, generator, 0.0), like)


class Drain:
    """A linear process: mean_coef = exp(-(k t + l t²)), std² = c t + d t², and the coefficients that belong to them.

    With k = l = 0 the data stays, and noise is only added; else it fades, and variance is not preserved.
    """

    def __init__(self, k: float, l: float, c: float, d: float) -> None:
        self.k, self.l, self.c, self.d = k, l, c, d

    def marginal(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        t = column(t, like)
        return torch.exp(-(self.k * t + self.l * t**2)), (self.c * t + self.d * t**2).sqrt()

    def coefficients(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        t = column(t, x)
        rate = -(self.k + 2 * self.l * t)
        return rate * x, (self.c + 2 * self.d * t - 2 * rate * (self.c * t + self.d * t**2)).sqrt()


class Bent:
    """A process whose drift is no straight line in x, so that nothing but evaluating it at the right place will do."""

    def marginal(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        t = column(t, like)
        return 1 / (1 + t), 0.1 + t

    def coefficients(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        t = column(t, x)
        return torch.sin(x) * (0.5 + t), 1.5 + t


FADING, GROWING = Drain(0.8, 0.5, 0.3, 1.2), Drain(0, 0, 1.0, 8.0)
"""Two processes that end at std² = 1.5 and 9: their priors are not N(0, 1)."""


class Timed(Spy):
    """A spy whose score depends on the time, and is no straight line in x."""

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        self.now = column(t, x_t)
        return super().forward(x_t, t)

    def guess(self, x_t: Tensor) -> Tensor:
        return (self.weight * torch.cos(2 * x_t) - self.bias * self.now * x_t).to(x_t.dtype)


# ----------------------------------------------------------------------------------------------------- score_from_eps

NOISE = "score = -ε / std: the score points against the noise, and the less noise there is the more steeply"


def test_score_from_eps_by_hand(code):
    eps = numbers(1.0, -2.0)[None].expand(2, 2)
    got = code.score_from_eps(eps, numbers(0.5, 4.0)[:, None])
    expect.close(got, torch.stack([numbers(-2.0, 4.0), numbers(-0.25, 0.5)]), "-1 / 0.5 = -2 and 2 / 0.5 = 4; " + NOISE)


@given(case=cases.batches(), seed=seeds)
def test_score_from_eps_is_minus_eps_over_its_standard_deviation(code, case, seed):
    std = sizes(len(case.eps), Generator().manual_seed(seed), case.eps)
    expect.close(code.score_from_eps(case.eps, std), -case.eps / std, NOISE)


def test_score_from_eps_works_on_any_shape_and_layout(code, rng):
    for case in cases.corners(rng):
        std = sizes(len(case.eps), rng, case.eps)
        expect.close(code.score_from_eps(case.eps, std), -case.eps / std, EACH)


def test_score_from_eps_keeps_the_dtype_and_its_arguments(code, rng):
    for dtype in (torch.float32, torch.float64):
        eps = cases.normal((3, 2, 2), rng).to(dtype)
        std = sizes(3, rng, eps, smallest=0.1)
        got = expect.untouched(code.score_from_eps, KEEP, eps=eps, std=std)
        expect.close(got, (-eps.double() / std.double()).to(dtype), KEEP, **SINGLE)


def test_score_from_eps_lets_gradients_through(code, rng):
    case = cases.gradual(rng)
    std, (eps,) = sizes(3, rng, case.eps), tracked(case.eps)
    got = code.score_from_eps(eps, std)
    expect.gradients(got, case.x0, FLOW, eps=(eps, -case.x0 / std))


# ------------------------------------------------------------------------------------------------------ score_from_x0

CLEAN = "score = (mean_coef x_0 - x_t) / std²: the gradient of log N(x_t; mean_coef x_0, std² I) in x_t"


def test_score_from_x0_by_hand(code):
    x0, x_t = numbers(1.0, 2.0)[None].expand(2, 2), numbers(2.0, 0.0)[None].expand(2, 2)
    got = code.score_from_x0(x0, x_t, numbers(0.5, 1.0)[:, None], numbers(0.5, 2.0)[:, None])
    want = torch.stack([numbers(-6.0, 4.0), numbers(-0.25, 0.5)])
    expect.close(got, want, "(0.5 * 1 - 2) / 0.25 = -6, and so on; " + CLEAN)


@given(case=cases.batches(), seed=seeds)
def test_score_from_x0_is_the_gradient_of_the_log_of_the_normal_density(code, case, seed):
    generator = Generator().manual_seed(seed)
    mean_coef, std = (sizes(len(case.x0), generator, case.x0) for _ in range(2))
    got = code.score_from_x0(case.x0, case.x_t, mean_coef, std)
    (x_t,) = tracked(case.x_t)
    log_density = -((x_t - mean_coef * case.x0) ** 2) / (2 * std**2)
    (want,) = torch.autograd.grad(log_density.sum(), x_t)
    expect.close(got, want, CLEAN)


def test_score_from_x0_is_minus_the_noise_that_was_added_over_std(code, rng):
    for case in cases.corners(rng):
        mean_coef, std = (sizes(len(case.x0), rng, case.x0) for _ in range(2))
        got = code.score_from_x0(case.x0, mean_coef * case.x0 + std * case.noise, mean_coef, std)
        expect.close(got, -case.noise / std, "for x_t = mean_coef x_0 + std ε the score is -ε / std; " + EACH)


def test_score_from_x0_keeps_the_dtype_and_its_arguments(code, rng):
    for dtype in (torch.float32, torch.float64):
        x0, x_t = (cases.normal((3, 2, 2), rng).to(dtype) for _ in range(2))
        mean_coef, std = (sizes(3, rng, x0, smallest=0.1) for _ in range(2))
        got = expect.untouched(code.score_from_x0, KEEP, x0=x0, x_t=x_t, mean_coef=mean_coef, std=std)
        want = (mean_coef.double() * x0.double() - x_t.double()) / std.double() ** 2
        # A difference of numbers up to 10 is known to 1e-6, and is divided by std² from 0.01
        expect.close(got, want.to(dtype), KEEP, rtol=1e-4, atol=1e-3)


def test_score_from_x0_lets_gradients_through(code, rng):
    case = cases.gradual(rng)
    mean_coef, std = (sizes(3, rng, case.x0) for _ in range(2))
    x0, x_t = tracked(case.x0, case.x_t)
    got = code.score_from_x0(x0, x_t, mean_coef, std)
    pull = case.eps / std**2
    expect.gradients(got, case.eps, FLOW, x0=(x0, mean_coef * pull), x_t=(x_t, -pull))


# ------------------------------------------------------------------------------------------------------ VPSDE and VESDE

JUMP = "marginal(t, like) is a pair (mean_coef, std), each of shape (B, 1, ..., 1)"
MOVE = "coefficients(x, t) is a pair (drift, diffusion): drift like x, diffusion of shape (B, 1, ..., 1)"


def marginal(sde, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """(mean_coef, std), seen to be of the right shape and dtype."""
    mean_coef, std = expect.tensors(sde.marginal(t, like), 2, JUMP)
    for part in (mean_coef, std):
        expect.tensor(part, JUMP, shape=(len(t), *[1] * (like.ndim - 1)), dtype=like.dtype, device=like.device)
        expect.finite(part, JUMP)
    return mean_coef, std


def coefficients(sde, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """(drift, diffusion), seen to be of the right shape and dtype."""
    drift, diffusion = expect.tensors(sde.coefficients(x, t), 2, MOVE)
    expect.tensor(drift, MOVE, shape=x.shape, dtype=x.dtype, device=x.device)
    expect.tensor(diffusion, MOVE, shape=(len(t), *[1] * (x.ndim - 1)), dtype=x.dtype, device=x.device)
    expect.finite(drift, MOVE)
    expect.finite(diffusion, MOVE)
    return drift, diffusion


def agrees_with_itself(sde, rng: Generator, why: str) -> None:
    """Both methods tell of one process: d mean_coef/dt = f mean_coef and d std²/dt = 2 f std² + g², for drift f x.

    Differences over 2 h = 2e-4 are off by h² / 6 times a third derivative, of some 20³ times the value: 1e-5 of it.
    """
    x, t, h = torch.ones(5, 2, dtype=torch.float64), times(5, rng), 1e-4
    (coef_before, std_before), (coef, std), (coef_after, std_after) = (marginal(sde, t + d, x) for d in (-h, 0, h))
    drift, diffusion = coefficients(sde, x, t)
    rate = drift[:, :1]
    exactness = {"rtol": 1e-3, "atol": 1e-6}
    expect.close(
        rate * coef, (coef_after - coef_before) / (2 * h), f"d mean_coef / dt = f mean_coef: {why}", **exactness
    )
    growth = (std_after**2 - std_before**2) / (2 * h)
    expect.close(2 * rate * std**2 + diffusion**2, growth, f"d std² / dt = 2 f std² + g²: {why}", **exactness)


def keeps_types(sde, closed_marginal, closed_coefficients, rng: Generator) -> None:
    """An sde keeps dtypes and arguments."""
    for dtype in (torch.float32, torch.float64):
        x = cases.normal((3, 2, 2), rng).to(dtype)
        t = times(3, rng).to(dtype)
        got = expect.untouched(lambda t, like: marginal(sde, t, like), KEEP, t=t, like=x)
        for part, want in zip(got, closed_marginal(t.double(), x.double()), strict=True):
            expect.close(part, want.to(dtype), "marginal's results are in like's dtype", **SINGLE)
        got = expect.untouched(lambda x, t: coefficients(sde, x, t), KEEP, x=x, t=t)
        for part, want in zip(got, closed_coefficients(x.double(), t.double()), strict=True):
            expect.close(part, want.to(dtype), KEEP, **SINGLE)


def compared(code_marginal, want: tuple[Tensor, Tensor], why: str) -> None:
    for part, exact in zip(code_marginal, want, strict=True):
        expect.close(part, exact, why, **PARAMETERS)


VP_JUMP = "mean_coef = exp(-½ ∫₀ᵗ β), std² = 1 - mean_coef², with ∫₀ᵗ β = beta_min t + ½ (beta_max - beta_min) t²"
VP_MOVE = "drift = -½ β(t) x, diffusion = √β(t), with β(t) = beta_min + t (beta_max - beta_min)"


def vp_marginal(t: Tensor, like: Tensor, low: float = 0.1, high: float = 20.0) -> tuple[Tensor, Tensor]:
    integral = column(low * t + (high - low) * t**2 / 2, like)
    return torch.exp(-integral / 2), (-torch.expm1(-integral)).sqrt()


def vp_coefficients(x: Tensor, t: Tensor, low: float = 0.1, high: float = 20.0) -> tuple[Tensor, Tensor]:
    beta = column(low + t * (high - low), x)
    return -beta * x / 2, beta.sqrt()


def test_VPSDE_marginal_by_hand(code):
    beta = -2 * math.log(0.6)  # the same at all times: ∫₀¹ β = β
    sde, t = code.VPSDE(beta, beta), numbers(1.0, 0.5)
    want = numbers(0.6, 0.6**0.5)[:, None], numbers(0.8, 0.4**0.5)[:, None]
    compared(
        marginal(sde, t, torch.zeros(2, 3, dtype=torch.float64)), want, "β = -2 log 0.6 leaves 0.6 of x_0 at t = 1"
    )


@given(low=st.floats(0.01, 2), rise=st.floats(0, 30), shape=shapes, seed=seeds)
def test_VPSDE_marginal_is_the_solution_of_the_sde(code, low, rise, shape, seed):
    t, like = times(shape[0], Generator().manual_seed(seed), 0.0), torch.zeros(shape, dtype=torch.float64)
    got = marginal(code.VPSDE(beta_min=low, beta_max=low + rise), t, like)
    compared(got, vp_marginal(t, like, low, low + rise), VP_JUMP)


@given(low=st.floats(0.01, 2), rise=st.floats(0, 30), shape=shapes, seed=seeds)
def test_VPSDE_coefficients_are_half_of_beta_and_its_root(code, low, rise, shape, seed):
    generator = Generator().manual_seed(seed)
    t, x = times(shape[0], generator, 0.0), cases.normal(shape, generator)
    got = coefficients(code.VPSDE(low, low + rise), x, t)
    compared(got, vp_coefficients(x, t, low, low + rise), VP_MOVE)


def test_VPSDE_coefficients_and_marginal_tell_of_the_same_process(code, rng):
    for parameters in ((), (0.5, 4.0)):
        agrees_with_itself(code.VPSDE(*parameters), rng, VP_MOVE)


def test_VPSDE_by_default_goes_from_0_1_to_20_and_two_of_them_do_not_mix(code):
    sde, x, t = code.VPSDE(), torch.ones(4, 1, dtype=torch.float64), numbers(1.0, 0.5, 1e-3, 1e-6)
    code.VPSDE(1.0, 2.0)  # parameters belong to an object, not to its class
    why = "β(t) = 0.1 + 19.9 t; "
    compared(marginal(sde, t, x), vp_marginal(t, x), why + VP_JUMP)
    compared(coefficients(sde, x, t), vp_coefficients(x, t), why + VP_MOVE)


def test_VPSDE_works_on_any_shape_and_layout(code, rng):
    sde = code.VPSDE(0.5, 9.0)
    for case in cases.corners(rng):
        t = moments(case, rng)
        compared(marginal(sde, t, case.x0), vp_marginal(t, case.x0, 0.5, 9.0), EACH)
        compared(coefficients(sde, case.x0, t), vp_coefficients(case.x0, t, 0.5, 9.0), EACH)


def test_VPSDE_keeps_the_dtype_its_arguments_and_the_gradient(code, rng):
    keeps_types(code.VPSDE(), vp_marginal, vp_coefficients, rng)
    t, pull, (x,) = times(3, rng), cases.normal((3, 2), rng), tracked(cases.normal((3, 2), rng))
    drift, _ = coefficients(code.VPSDE(), x, t)
    slope = vp_coefficients(torch.ones_like(x), t)[0].detach()
    expect.gradients(drift, pull, "the drift is differentiable in x", x=(x, slope * pull))


VE_JUMP = "mean_coef = 1 and std² = σ(t)² - σ(0)²: the noise that the SDE itself has added since t = 0"
VE_MOVE = "drift = 0, diffusion = σ(t) √(2 log(sigma_max / sigma_min)), with σ(t) = sigma_min (sigma_max / sigma_min)^t"


def ve_marginal(t: Tensor, like: Tensor, low: float = 0.01, high: float = 50.0) -> tuple[Tensor, Tensor]:
    std = low * torch.expm1(2 * math.log(high / low) * column(t, like)).sqrt()
    return torch.ones_like(std), std


def ve_coefficients(x: Tensor, t: Tensor, low: float = 0.01, high: float = 50.0) -> tuple[Tensor, Tensor]:
    return torch.zeros_like(x), math.sqrt(2 * math.log(high / low)) * low * (high / low) ** column(t, x)


def test_VESDE_marginal_by_hand(code):
    sde, t = code.VESDE(3.0, 5.0), numbers(1.0, 0.5)
    want = torch.ones(2, 1, dtype=torch.float64), numbers(4.0, 6.0**0.5)[:, None]
    why = "σ goes from 3 to 5: at t = 1 the variance is 5² - 3² = 4², at t = 0.5 it is 3 * 5 - 3²"
    compared(marginal(sde, t, torch.zeros(2, 3, dtype=torch.float64)), want, why)


@given(low=st.floats(0.005, 1), ratio=st.floats(1.5, 5000), shape=shapes, seed=seeds)
def test_VESDE_marginal_is_the_solution_of_the_sde(code, low, ratio, shape, seed):
    t, like = times(shape[0], Generator().manual_seed(seed), 1e-3), torch.zeros(shape, dtype=torch.float64)
    got = marginal(code.VESDE(sigma_min=low, sigma_max=low * ratio), t, like)
    compared(got, ve_marginal(t, like, low, low * ratio), VE_JUMP)


@given(low=st.floats(0.005, 1), ratio=st.floats(1.5, 5000), shape=shapes, seed=seeds)
def test_VESDE_coefficients_are_no_drift_and_the_growth_of_sigma(code, low, ratio, shape, seed):
    generator = Generator().manual_seed(seed)
    t, x = times(shape[0], generator, 0.0), cases.normal(shape, generator)
    got = coefficients(code.VESDE(low, low * ratio), x, t)
    compared(got, ve_coefficients(x, t, low, low * ratio), VE_MOVE)


def test_VESDE_coefficients_and_marginal_tell_of_the_same_process(code, rng):
    for parameters in ((), (0.5, 4.0)):
        agrees_with_itself(code.VESDE(*parameters), rng, VE_MOVE)


def test_VESDE_by_default_goes_from_0_01_to_50_and_two_of_them_do_not_mix(code):
    sde, x, t = code.VESDE(), torch.ones(4, 1, dtype=torch.float64), numbers(1.0, 0.5, 1e-2, 1e-4)
    code.VESDE(1.0, 2.0)  # parameters belong to an object, not to its class
    why = "σ(t) = 0.01 * 5000^t; "
    compared(marginal(sde, t, x), ve_marginal(t, x), why + VE_JUMP)
    compared(coefficients(sde, x, t), ve_coefficients(x, t), why + VE_MOVE)


def test_VESDE_works_on_any_shape_and_layout(code, rng):
    sde = code.VESDE(0.5, 9.0)
    for case in cases.corners(rng):
        t = moments(case, rng)
        compared(marginal(sde, t, case.x0), ve_marginal(t, case.x0, 0.5, 9.0), EACH)
        compared(coefficients(sde, case.x0, t), ve_coefficients(case.x0, t, 0.5, 9.0), EACH)


def test_VESDE_keeps_the_dtype_and_its_arguments(code, rng):
    keeps_types(code.VESDE(), ve_marginal, ve_coefficients, rng)


# ----------------------------------------------------------------------------------------------------------- dsm_loss

MATCH = "the loss is the mean over every element of (std score(x_t, t) + ε)², with x_t = mean_coef x_0 + std ε"


class Perfect(nn.Module):
    """A model that knows the noise, and with it the score of each sample."""

    def __init__(self, noise: Tensor, std: Tensor) -> None:
        super().__init__()
        self.score, self.gain = -noise / std, nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        return self.gain * self.score


def noised(case: cases.Case, t: Tensor, sde: Drain | Bent) -> tuple[Tensor, Tensor, Tensor]:
    """(x_t, mean_coef, std)."""
    mean_coef, std = sde.marginal(t, case.x0)
    return mean_coef * case.x0 + std * case.noise, mean_coef, std


def test_dsm_loss_by_hand(code):
    x0, noise = numbers(4.0)[None], numbers(1.0)[None]
    got = code.dsm_loss(Spy(2.0, -3.0), x0, numbers(1.0), noise, Bent())
    why = "at t = 1 x_t = 4 / 2 + 1.1 * 1 = 3.1, the score model says 2 * 3.1 - 3 = 3.2, and (1.1 * 3.2 + 1)² = 20.4304"
    expect.close(got, numbers(20.4304)[0], why)


@given(case=cases.batches(), seed=seeds)
def test_dsm_loss_is_the_mean_squared_error_of_the_scaled_score(code, case, seed):
    t = times(len(case.x0), Generator().manual_seed(seed))
    for sde in (Bent(), GROWING):
        x_t, _, std = noised(case, t, sde)
        want = (std * (0.75 * x_t + 0.25) + case.noise).square().mean()
        expect.close(code.dsm_loss(Spy(), case.x0, t, case.noise, sde), want, MATCH)


def test_dsm_loss_calls_the_model_once_with_the_noised_data_and_its_times(code, rng):
    for case in cases.corners(rng):
        model, t = Spy(), moments(case, rng)
        code.dsm_loss(model, case.x0, t, case.noise, Bent())
        expect.equal(len(model.seen), 1, "one call of the model is enough")
        expect.close(model.seen[0].x_t, noised(case, t, Bent())[0], "the model sees x_t = mean_coef x_0 + std ε")
        expect.close(model.seen[0].t, t, "the model is told the time of each sample, t itself")


def test_dsm_loss_of_a_perfect_model_is_zero(code, rng):
    for case in cases.corners(rng):
        t = moments(case, rng)
        _, _, std = noised(case, t, FADING)
        got = code.dsm_loss(Perfect(case.noise, std), case.x0, t, case.noise, FADING)
        expect.close(got, numbers(0.0)[0], "a model that answers -ε / std has nothing left to learn")


def test_dsm_loss_lets_gradients_through_to_model_and_data(code, rng):
    case, t, model = cases.gradual(rng), times(3, rng), Spy()
    x0, noise = tracked(case.x0, case.noise)
    got = code.dsm_loss(model, x0, t, noise, Bent())
    expect.tensor(got, "a loss is a scalar", shape=())
    x_t, mean_coef, std = noised(case, t, Bent())
    error = 2 * (std * (0.75 * x_t + 0.25) + case.noise) / x_t.numel()
    expect.gradients(
        got,
        torch.ones_like(got),
        "the loss is differentiable in the model's parameters, data and noise",
        weight=(model.weight, (error * std * x_t).sum()),
        bias=(model.bias, (error * std).sum()),
        x0=(x0, error * std * 0.75 * mean_coef),
        noise=(noise, error * (std * 0.75 * std + 1)),
    )


def test_dsm_loss_keeps_the_dtype_its_arguments_and_the_model(code, rng):
    for dtype in (torch.float32, torch.float64):
        for training in (True, False):
            case, t = cases.gradual(rng).cast(dtype, dtype), times(3, rng).to(dtype)
            model = Spy().to(dtype).train(training)
            got = expect.untouched(
                lambda x0, t, noise, model=model: code.dsm_loss(model, x0, t, noise, Bent()),
                KEEP, x0=case.x0, t=t, noise=case.noise,
            )  # fmt: skip
            x_t, _, std = noised(case.exactly(), t.double(), Bent())
            want = (std * (0.75 * x_t + 0.25) + case.noise.double()).square().mean()
            expect.close(got, want.to(dtype), KEEP, **SINGLE)
            expect.tensor(model.seen[0].x_t, "the model works in the data's dtype: x_t keeps it", dtype=dtype)
            expect.tensor(model.seen[0].t, "the model is told t as it is, in x's dtype", dtype=dtype)
            left_alone(model)


# ----------------------------------------------------------------------------------------------- reverse_coefficients

BACK = "the reverse SDE has drift f(x, t) - g(t)² score and the same diffusion g(t), as (B, 1, ..., 1)"


def backwards(x: Tensor, t: Tensor, score: Tensor) -> tuple[Tensor, Tensor]:
    """The reverse coefficients of `Bent`, from its formula."""
    t = column(t, x)
    return torch.sin(x) * (0.5 + t) - (1.5 + t) ** 2 * score, 1.5 + t


def test_reverse_coefficients_by_hand(code):
    x, score = numbers(0.0, math.pi / 2)[None].expand(2, 2), numbers(1.0, -2.0)[None].expand(2, 2)
    got = code.reverse_coefficients(Bent(), score, x, numbers(1.0, 0.0))
    drift, diffusion = expect.tensors(got, 2, MOVE)
    why = "f = sin(x) (0.5 + t) and g = 1.5 + t, so that g² = 6.25 at t = 1 and 2.25 at t = 0; "
    expect.close(drift, torch.stack([numbers(-6.25, 1.5 + 12.5), numbers(-2.25, 0.5 + 4.5)]), why + BACK)
    expect.close(diffusion, numbers(2.5, 1.5)[:, None], why + BACK)


@given(case=cases.batches(), seed=seeds)
def test_reverse_coefficients_subtracts_the_squared_diffusion_times_the_score(code, case, seed):
    t = times(len(case.x_t), Generator().manual_seed(seed))
    drift, diffusion = expect.tensors(code.reverse_coefficients(Bent(), case.eps, case.x_t, t), 2, MOVE)
    want_drift, want_diffusion = backwards(case.x_t, t, case.eps)
    expect.close(drift, want_drift, BACK)
    expect.close(diffusion, want_diffusion, BACK)


def test_reverse_coefficients_works_on_any_shape_and_layout(code, rng):
    for case in cases.corners(rng):
        t = moments(case, rng)
        drift, diffusion = expect.tensors(code.reverse_coefficients(Bent(), case.eps, case.x_t, t), 2, MOVE)
        want_drift, want_diffusion = backwards(case.x_t, t, case.eps)
        expect.close(drift, want_drift, EACH)
        expect.close(diffusion, want_diffusion, BACK)


def test_reverse_coefficients_keeps_the_dtype_and_its_arguments(code, rng):
    for dtype in (torch.float32, torch.float64):
        (score, x), t = (cases.normal((3, 2, 2), rng).to(dtype) for _ in range(2)), times(3, rng).to(dtype)
        got = expect.untouched(
            lambda score, x, t: code.reverse_coefficients(Bent(), score, x, t), KEEP, score=score, x=x, t=t
        )
        for part, want in zip(
            expect.tensors(got, 2, MOVE), backwards(x.double(), t.double(), score.double()), strict=True
        ):
            expect.close(part, want.to(dtype), KEEP, **SINGLE)


def test_reverse_coefficients_lets_gradients_through(code, rng):
    case, t = cases.gradual(rng), times(3, rng)
    x, score = tracked(case.x_t, case.eps)
    drift, _ = expect.tensors(code.reverse_coefficients(Bent(), score, x, t), 2, MOVE)
    clock = column(t, case.x_t)
    slope, square = torch.cos(case.x_t) * (0.5 + clock), (1.5 + clock) ** 2
    expect.gradients(drift, case.noise, FLOW, x=(x, slope * case.noise), score=(score, -square * case.noise))


# ------------------------------------------------------------------------------------------------- probability_flow_drift

HALF = "the probability-flow ODE has drift f(x, t) - ½ g(t)² score: half of what the reverse SDE subtracts"


def flowing(x: Tensor, t: Tensor, score: Tensor) -> Tensor:
    """The drift of the ODE of `Bent`, from its formula."""
    t = column(t, x)
    return torch.sin(x) * (0.5 + t) - (1.5 + t) ** 2 * score / 2


def test_probability_flow_drift_by_hand(code):
    x, score = numbers(0.0, math.pi / 2)[None].expand(2, 2), numbers(1.0, -2.0)[None].expand(2, 2)
    got = code.probability_flow_drift(Bent(), score, x, numbers(1.0, 0.0))
    why = "f = sin(x) (0.5 + t) and g = 1.5 + t, so that ½ g² = 3.125 at t = 1 and 1.125 at t = 0; "
    expect.close(got, torch.stack([numbers(-3.125, 1.5 + 6.25), numbers(-1.125, 0.5 + 2.25)]), why + HALF)


@given(case=cases.batches(), seed=seeds)
def test_probability_flow_drift_subtracts_half_the_squared_diffusion_times_the_score(code, case, seed):
    t = times(len(case.x_t), Generator().manual_seed(seed))
    got = code.probability_flow_drift(Bent(), case.eps, case.x_t, t)
    expect.close(got, flowing(case.x_t, t, case.eps), HALF)


def test_probability_flow_drift_works_on_any_shape_and_layout(code, rng):
    for case in cases.corners(rng):
        t = moments(case, rng)
        got = code.probability_flow_drift(Bent(), case.eps, case.x_t, t)
        expect.close(got, flowing(case.x_t, t, case.eps), EACH)


def test_probability_flow_drift_keeps_the_dtype_and_its_arguments(code, rng):
    for dtype in (torch.float32, torch.float64):
        (score, x), t = (cases.normal((3, 2, 2), rng).to(dtype) for _ in range(2)), times(3, rng).to(dtype)
        got = expect.untouched(
            lambda score, x, t: code.probability_flow_drift(Bent(), score, x, t), KEEP, score=score, x=x, t=t
        )
        expect.close(got, flowing(x.double(), t.double(), score.double()).to(dtype), KEEP, **SINGLE)


def test_probability_flow_drift_lets_gradients_through(code, rng):
    case, t = cases.gradual(rng), times(3, rng)
    x, score = tracked(case.x_t, case.eps)
    got = code.probability_flow_drift(Bent(), score, x, t)
    clock = column(t, case.x_t)
    slope, square = torch.cos(case.x_t) * (0.5 + clock), (1.5 + clock) ** 2
    expect.gradients(got, case.noise, FLOW, x=(x, slope * case.noise), score=(score, -square / 2 * case.noise))


# ----------------------------------------------------------------------------------------------------- euler_maruyama

ONCE = "the score model is called once a step, `steps` times in all"
DOWN = "the grid is uniform, from t = 1 down to t_end, and a step is taken with the score where it begins"
PEOPLE = "the score model is told a float t of shape (B,), in x's dtype: every sample is at the same time"


def grid(steps: int, t_end: float) -> list[float]:
    """The times at which the steps begin and end."""
    return [1 + (t_end - 1) * i / steps for i in range(steps + 1)]


def looked_at(model: Spy, x_T: Tensor) -> None:
    """What the model was called with is of the right shape and dtype."""
    for seen in model.seen:
        expect.tensor(seen.x_t, "the model sees x, in x_T's shape and dtype", shape=x_T.shape, dtype=x_T.dtype)
        expect.tensor(seen.t, PEOPLE, shape=x_T.shape[:1], dtype=x_T.dtype)


def walk(code, model: Spy, x_T: Tensor, steps: int, generator: Generator | None = None, **t_end: float) -> list[Tensor]:
    """The states of a chain of the process `Bent`: what the model was called with, and the result."""
    result = code.euler_maruyama(Bent(), model, x_T, steps, generator=generator, **t_end)
    expect.tensor(result, KEEP, shape=x_T.shape, dtype=x_T.dtype, device=x_T.device)
    expect.finite(result, "samples are finite")
    expect.equal(len(model.seen), steps, ONCE)
    looked_at(model, x_T)
    return [*(seen.x_t for seen in model.seen), result]


def means(model: Spy, steps: int, t_end: float) -> list[tuple[Tensor, Tensor]]:
    """For each step, the mean of where it leads, and the standard deviation around it."""
    dt, found = (t_end - 1) / steps, []
    for seen, time in zip(model.seen, grid(steps, t_end)[:-1], strict=True):
        x, answer = seen.x_t.double(), seen.answer.double()
        drift, diffusion = backwards(x, torch.full((len(x),), time, dtype=torch.float64), answer)
        found.append((x + drift * dt, diffusion * abs(dt) ** 0.5))
    return found


@settings(max_examples=10)
@given(shape=shapes, steps=st.integers(1, 6), t_end=st.floats(1e-4, 0.5), seed=seeds)
def test_euler_maruyama_calls_the_model_once_a_step_on_the_grid(code, shape, steps, t_end, seed):
    model, x_T = Timed(), cases.normal(shape, Generator().manual_seed(seed))
    states = walk(code, model, x_T, steps, t_end=t_end)
    for seen, time in zip(model.seen, grid(steps, t_end)[:-1], strict=True):
        expect.close(seen.t, torch.full((shape[0],), time, dtype=torch.float64), DOWN, **GRID)
    expect.close(states[0], x_T, "the chain starts at x_T, at t = 1")


def test_euler_maruyama_adds_fresh_noise_of_the_size_of_the_diffusion_to_each_step(code, rng):
    for layout in ("contiguous", "expanded"):
        # x_T of size 1000 shows an error of 1e-4 in a coefficient of the drift as loudly as the noise
        x_T, model = 1000 * cases.normal((128, 2, 4, 4), rng, layout), Timed()
        states = walk(code, model, x_T, 5, rng, t_end=0.2)
        steps = zip(states[1:-1], means(model, 5, 0.2)[:-1], strict=True)
        added = torch.stack([((after - mean) / std).flatten(1) for after, (mean, std) in steps])
        why = "x - (x_before + drift dt), over diffusion √|dt|, is z ~ N(0, 1), fresh for each step, sample and element"
        chance.standard_normal(added, why, ("steps", "samples", "elements"))


@settings(max_examples=10)
@given(shape=shapes, steps=st.integers(1, 4), t_end=st.floats(1e-4, 0.5), seed=seeds)
def test_euler_maruyama_adds_no_noise_on_the_last_step(code, shape, steps, t_end, seed):
    model, x_T = Timed(), cases.normal(shape, Generator().manual_seed(seed))
    states = walk(code, model, x_T, steps, t_end=t_end)
    mean, _ = means(model, steps, t_end)[-1]
    expect.close(states[-1], mean, "the last step is x + drift dt, without noise, and its result is the sample", **GRID)


def affine_score(mean: float, variance: float, sde: Drain):
    """The score model of data from N(mean, variance) in every element: exact."""

    def score(x: Tensor, t: Tensor) -> Tensor:
        mean_coef, std = sde.marginal(t, x)
        return -(x - mean_coef * mean) / (mean_coef**2 * variance + std**2)

    return score


def test_euler_maruyama_of_a_gaussian_world_has_the_mean_and_variance_of_the_exact_chain(code, rng):
    steps, t_end, data_mean, data_variance = 12, 0.01, 0.7, 0.25
    for sde in (FADING, GROWING):
        one = torch.ones(1, 1, dtype=torch.float64)
        _, std = sde.marginal(one[0], one)
        mean, variance, dt = 0.0, std.item() ** 2, (t_end - 1) / steps
        for step, time in enumerate(grid(steps, t_end)[:-1]):
            t = torch.tensor([time], dtype=torch.float64)
            (mean_coef, std), (rate, diffusion) = sde.marginal(t, one), sde.coefficients(one, t)
            spread, square = (mean_coef**2 * data_variance + std**2).item(), diffusion.item() ** 2
            pull = square / spread
            mean += dt * (rate.item() * mean + pull * (mean - mean_coef.item() * data_mean))
            variance *= (1 + dt * (rate.item() + pull)) ** 2
            variance += square * abs(dt) if step < steps - 1 else 0.0
        x_T = sde.marginal(one[0], one)[1].item() * cases.normal((512, 8), rng)
        score = affine_score(data_mean, data_variance, sde)
        result = code.euler_maruyama(sde, score, x_T, steps, t_end=t_end, generator=rng)
        expect.tensor(result, KEEP, shape=(512, 8), dtype=torch.float64)
        why = f"with the exact score of N(0.7, 0.25) the chain ends at mean {mean:.4f} and variance {variance:.4f}"
        chance.standard_normal((result - mean) / variance**0.5, why)


def test_euler_maruyama_takes_its_randomness_from_the_generator_alone(code, rng):
    x_T, seed = cases.normal((3, 4), rng), int(torch.randint(2**31, (), generator=rng))

    def draw(seed: int, skipped: int = 0) -> Tensor:
        generator = Generator().manual_seed(seed)
        torch.rand(skipped, generator=generator)
        return walk(code, Timed(), x_T, 3, generator)[-1]

    first = draw(seed)
    why = "the same generator state gives the same sample"
    expect.holds(torch.allclose(draw(seed), first), why, got="another sample", want="the same sample")
    for other in (draw(seed + 1), draw(seed, skipped=1)):
        why = "another generator state gives another sample"
        expect.holds(not torch.equal(other, first), why, got="the same sample", want="another sample")


def test_euler_maruyama_keeps_the_dtype_and_ends_by_default_at_0_001(code, rng):
    for dtype in (torch.float32, torch.float64):
        model, x_T = Timed().to(dtype), cases.normal((3, 2, 2), rng).to(dtype)
        states = walk(code, model, x_T, 3)
        last = torch.full((3,), 1 - 2 * 0.999 / 3, dtype=dtype)
        expect.close(model.seen[-1].t, last, "of three steps from 1 to 0.001 the last begins at 0.334", **GRID)
        mean, _ = means(model, 3, 1e-3)[-1]
        expect.close(states[-1], mean.to(dtype), KEEP, **SINGLE)


def left_as_it_was(sampler, x_T: Tensor) -> None:
    """A sampler records no gradient and changes neither its arguments nor the model."""
    for training, start in ((True, x_T.clone()), (False, x_T.clone()), (True, *tracked(x_T))):
        model = Timed().train(training)
        result = sampler(model, start)
        expect.tensor(result, KEEP, shape=x_T.shape, dtype=x_T.dtype)
        why = "a sampler records no gradient"
        expect.holds(not result.requires_grad, why, got="a result with a gradient", want="a result without")
        recorded = any(seen.tracked for seen in model.seen) and not start.requires_grad
        why = "a sampler records no gradient on its way, or its memory grows with the steps"
        expect.holds(not recorded, why, got="an x that carries a gradient", want="x without")
        expect.unchanged(KEEP, x_T=(x_T, start.detach()))
        left_alone(model)


def test_euler_maruyama_records_no_gradient_and_leaves_its_arguments_as_they_were(code, rng):
    x_T = cases.normal((2, 3), rng)
    left_as_it_was(lambda model, start: code.euler_maruyama(Bent(), model, start, 3), x_T)


# --------------------------------------------------------------------------------------------------------- ode_sample

HEUN = "Heun's step is x + dt (slope_1 + slope_2) / 2: slope_1 at (x, t), slope_2 at (x + dt slope_1, t + dt)"


def heun(model: Spy, x_T: Tensor, steps: int, t_end: float) -> Tensor:
    """The probability-flow ODE of `Bent` by Heun's method."""

    def slope(x: Tensor, time: float) -> Tensor:
        t = torch.full((len(x),), time, dtype=torch.float64)
        with torch.no_grad():
            return flowing(x, t, model(x, t))

    x, dt = x_T, (t_end - 1) / steps
    for before, after in pairwise(grid(steps, t_end)):
        first = slope(x, before)
        x = x + dt * (first + slope(x + dt * first, after)) / 2
    return x


def descend(code, model: Spy, x_T: Tensor, steps: int, **t_end: float) -> Tensor:
    """`ode_sample` of the process `Bent`, seen to call the model as it should."""
    result = code.ode_sample(Bent(), model, x_T, steps, **t_end)
    expect.tensor(result, KEEP, shape=x_T.shape, dtype=x_T.dtype, device=x_T.device)
    expect.finite(result, "samples are finite")
    why = "Heun's method looks twice a step: at most 2 * steps calls of the score model"
    expect.holds(0 < len(model.seen) <= 2 * steps, why, got=len(model.seen), want=f"at most {2 * steps} calls")
    looked_at(model, x_T)
    return result


@settings(max_examples=20)
@given(shape=shapes, steps=st.integers(1, 5), t_end=st.floats(1e-4, 0.5), seed=seeds)
def test_ode_sample_takes_heuns_steps_on_the_uniform_grid(code, shape, steps, t_end, seed):
    x_T = cases.normal(shape, Generator().manual_seed(seed))
    expect.close(descend(code, Timed(), x_T, steps, t_end=t_end), heun(Timed(), x_T, steps, t_end), HEUN, **GRID)


def test_ode_sample_by_hand_in_one_step(code):
    x_T, sde = numbers(1.0)[None], Drain(0.0, 0.0, 1.0, 0.0)  # f = 0, g = 1, and the score is x
    got = code.ode_sample(sde, Spy(1.0, 0.0), x_T, 1, t_end=0.0)
    why = "dx/dt = -x/2, one step of -1 from 1: slope -0.5, then -0.75 at 1.5, so 1 + 0.625; " + HEUN
    expect.close(got, numbers(1.625)[None], why)


def test_ode_sample_works_on_any_shape_and_layout(code, rng):
    for case in cases.corners(rng):
        got = descend(code, Timed(), case.x_t, 2, t_end=0.1)
        expect.close(got, heun(Timed(), case.x_t, 2, 0.1), HEUN, **GRID)


def turned(rng: Generator, dims: int) -> Correlated:
    """Gaussian data whose axes know of each other."""
    axes, _ = torch.linalg.qr(cases.normal((dims, dims), rng))
    return Correlated(cases.normal((dims,), rng), axes, torch.linspace(0.2, 2.0, dims, dtype=torch.float64))


def test_ode_sample_follows_the_exact_flow_of_gaussian_data_to_second_order(code, rng):
    for sde, t_end in ((FADING, 1e-3), (GROWING, 0.05)):
        world, x_T = turned(rng, 3), 2 * cases.normal((6, 3), rng)
        start, end = (sde.marginal(torch.full((6,), time, dtype=torch.float64), x_T) for time in (1.0, t_end))
        want, errors = world.flow(x_T, start, end), []
        for steps in (20, 40):
            got = code.ode_sample(
                sde, lambda x, t, s=sde, w=world: w.score(x, *s.marginal(t, x)), x_T, steps, t_end=t_end
            )
            expect.tensor(got, KEEP, shape=x_T.shape, dtype=x_T.dtype)
            expect.finite(got, "samples are finite")
            errors.append(float((got - want).abs().max()))
        why = "each step is of second order: half the step makes a quarter of the error"
        order = math.log2(errors[0] / max(errors[1], 1e-12))
        expect.holds(errors[1] < 0.05, "along the exact flow each axis keeps its place within the spread", got=errors[1], want="an error below 0.05 in 40 steps")  # fmt: skip
        expect.holds(order > 1.6, why, got=order, want="an order of about 2")


def test_ode_sample_keeps_the_dtype_and_ends_by_default_at_0_001(code, rng):
    for dtype in (torch.float32, torch.float64):
        x_T = cases.normal((3, 2, 2), rng).to(dtype)
        got = descend(code, Timed().to(dtype), x_T, 3)
        expect.close(got, heun(Timed(), x_T.double(), 3, 1e-3).to(dtype), f"{KEEP}; t_end = 0.001; {HEUN}", **SINGLE)


def test_ode_sample_records_no_gradient_and_leaves_its_arguments_as_they_were(code, rng):
    x_T = cases.normal((2, 3), rng)
    left_as_it_was(lambda model, start: code.ode_sample(Bent(), model, start, 3), x_T)


# --------------------------------------------------------------------------------------------------- langevin_correct

NORMS = "step = 2 (snr ‖noise‖ / ‖score‖)², each norm the mean over the batch of the samples' L2 norms"
LANGEVIN = "x + step score + √(2 step) noise, with " + NORMS


def corrected(x: Tensor, score: Tensor, snr: float, noise: Tensor) -> Tensor:
    norms = [batch.square().flatten(1).sum(1).sqrt().mean() for batch in (noise, score)]
    step = 2 * (snr * norms[0] / norms[1]) ** 2
    return x + step * score + (2 * step).sqrt() * noise


def test_langevin_correct_by_hand(code):
    x, score = numbers(1.0, 1.0)[None].expand(2, 2), torch.stack([numbers(3.0, 4.0), numbers(0.0, 15.0)])
    noise = torch.stack([numbers(0.0, 1.0), numbers(3.0, 0.0)])
    got = code.langevin_correct(x, score, 0.5, noise)
    step, why = 0.02, "‖score‖ = (5 + 15) / 2 and ‖noise‖ = (1 + 3) / 2, so step = 2 (0.5 * 2 / 10)² = 0.02; "
    expect.close(got, x + step * score + 0.2 * noise, why + LANGEVIN)


@given(case=cases.batches(), snr=st.floats(0.01, 1.0))
def test_langevin_correct_steps_along_the_score_and_adds_noise(code, case, snr):
    got = code.langevin_correct(case.x_t, case.eps, snr, case.noise)
    expect.close(got, corrected(case.x_t, case.eps, snr, case.noise), LANGEVIN)


def test_langevin_correct_takes_each_norm_over_all_axes_of_a_sample(code, rng):
    for case in cases.corners(rng):
        score = sizes(len(case.eps), rng, case.eps) * case.eps
        got = code.langevin_correct(case.x_t, score, 0.16, case.noise)
        expect.close(got, corrected(case.x_t, score, 0.16, case.noise), NORMS)


def test_langevin_correct_keeps_the_dtype_and_its_arguments(code, rng):
    for dtype in (torch.float32, torch.float64):
        x, score, noise = (cases.normal((3, 2, 2), rng).to(dtype) for _ in range(3))
        got = expect.untouched(
            lambda x, score, noise: code.langevin_correct(x, score, 0.16, noise), KEEP, x=x, score=score, noise=noise
        )
        expect.close(got, corrected(x.double(), score.double(), 0.16, noise.double()).to(dtype), KEEP, **SINGLE)


def test_langevin_correct_lets_gradients_through(code, rng):
    case = cases.gradual(rng)
    x, score, noise = tracked(case.x_t, case.eps, case.noise)
    want = torch.autograd.grad(corrected(x, score, 0.3, noise), (x, score, noise), case.x0)
    got = code.langevin_correct(x, score, 0.3, noise)
    why = FLOW + ", also through the size of the step"
    expect.gradients(got, case.x0, why, x=(x, want[0]), score=(score, want[1]), noise=(noise, want[2]))


# ---------------------------------------------------------------------------------------------- hutchinson_divergence

PROBE = "the estimate is probe · (∂fn/∂x) probe for each sample, summed over all its axes, with the probe that is given"


class Field(nn.Module):
    """A function of a batch with a known Jacobian: offset + gain_b Σ_j M_ij sin(pitch x_j), a gain for each sample.

    Attributes:
        pulls: how often a gradient was sent back through it.
    """

    def __init__(self, dims: int, gains: Tensor, rng: Generator, pitch: float = 1.0, offset: float = 0.0) -> None:
        super().__init__()
        self.matrix = nn.Parameter(cases.normal((dims, dims), rng).to(gains.dtype))
        self.gains, self.pitch, self.offset, self.pulls = gains, pitch, offset, 0

    def forward(self, x: Tensor) -> Tensor:
        waves = torch.sin(self.pitch * x.flatten(1)) @ self.matrix.T
        answer = (self.gains[:, None] * waves).reshape(x.shape) + self.offset
        if answer.requires_grad:
            answer.register_hook(self._pulled)
        return answer

    def _pulled(self, grad: Tensor) -> None:
        self.pulls += 1

    def estimate(self, x: Tensor, probe: Tensor) -> Tensor:
        """Of each sample probe · J probe, with J_ij = gain M_ij pitch cos(pitch x_j)."""
        slopes, probe = self.pitch * torch.cos(self.pitch * x.flatten(1)), probe.flatten(1)
        return self.gains.to(x) * (probe * ((slopes * probe) @ self.matrix.detach().to(x).T)).sum(1)


def test_hutchinson_divergence_by_hand(code):
    matrix = torch.stack([numbers(1.0, 2.0), numbers(3.0, 4.0)])
    x, probe = numbers(5.0, 6.0)[None].expand(2, 2), torch.stack([numbers(1.0, -1.0), numbers(2.0, 1.0)])
    got = code.hutchinson_divergence(lambda x: x @ matrix.T, x, probe)
    why = "J = [[1, 2], [3, 4]]: (1, -1) · J (1, -1) = 1 - 2 - 3 + 4 = 0, and (2, 1) · J (2, 1) = 4 + 4 + 6 + 4 = 18"
    expect.close(got, numbers(0.0, 18.0), why)


@settings(max_examples=30)
@given(shape=shapes, seed=seeds)
def test_hutchinson_divergence_is_the_quadratic_form_of_the_jacobian(code, shape, seed):
    generator = Generator().manual_seed(seed)
    x, probe = cases.normal(shape, generator), cases.normal(shape, generator)
    field = Field(math.prod(shape[1:]), times(shape[0], generator), generator)
    expect.close(code.hutchinson_divergence(field, x, probe), field.estimate(x, probe), PROBE)


def test_hutchinson_divergence_works_on_any_shape_and_layout(code, rng):
    for case in cases.corners(rng):
        field = Field(case.x0[0].numel(), times(len(case.x0), rng), rng)
        got = code.hutchinson_divergence(field, case.x_t, case.noise)
        expect.close(got, field.estimate(case.x_t, case.noise), PROBE)


def test_hutchinson_divergence_goes_backward_once(code, rng):
    x, probe = cases.normal((2, 5, 4), rng), cases.normal((2, 5, 4), rng)
    field = Field(20, times(2, rng), rng, pitch=30.0, offset=1e8)  # differences of values would lose their digits
    expect.close(code.hutchinson_divergence(field, x, probe), field.estimate(x, probe), PROBE)
    why = "one vector-Jacobian product is enough: the Jacobian itself costs one for each of a sample's numbers"
    expect.holds(field.pulls <= 1, why, got=field.pulls, want="one backward pass")


def test_hutchinson_divergence_keeps_the_dtype_and_leaves_no_trace(code, rng):
    for dtype in (torch.float32, torch.float64):
        x, probe = (cases.normal((3, 2, 2), rng).to(dtype) for _ in range(2))
        field = Field(4, times(3, rng).to(dtype), rng)
        for start in (x.clone(), *tracked(x)):
            flag, aim = start.requires_grad, probe.clone()
            got = code.hutchinson_divergence(field, start, aim)
            expect.tensor(got, KEEP, shape=(3,), dtype=dtype)
            expect.close(got, field.estimate(x.double(), probe.double()).to(dtype), KEEP, **SINGLE)
            expect.unchanged(KEEP, x=(x, start.detach()), probe=(probe, aim))
            expect.equal(start.requires_grad, flag, "x is the caller's: whether it takes gradients is not changed")
            expect.equal(start.grad is None, True, "no gradient is left on x: it is the caller's")
            left_alone(field)


# ----------------------------------------------------------------------------------------------------- log_likelihood

ALONG = "log p(x) = log N(x(1); 0, std(1)² I) + ∫ div v dt along the probability-flow ODE, from t_start to 1, in nats"
STEPS = 64
MILD, STEEP = Drain(0.5, 0.1, 0.6, 0.9), Drain(0.0, 0.0, 1.0, 8.0)
"""Their priors have the variances 1.5 and 9."""
ORDER_2 = {"rtol": 0.0, "atol": 4e-3}
"""For 64 steps along `MILD`, or along `STEEP` from t = 0.2, of data within two standard deviations in three
dimensions: Heun's method, midpoint, Ralston's and Adams-Bashforth's are off by 1.5e-3 at the most, RK4 by 1e-7, while
Euler's for the path or for the divergence is off by 1.1e-2 and more."""


class Asked(nn.Module):
    """The exact score of a Gaussian world under a process, which notes the times at which it is asked."""

    def __init__(self, world: Correlated, sde: Drain) -> None:
        super().__init__()
        self.world, self.sde = world, sde
        self.gain = nn.Parameter(torch.ones((), dtype=torch.float64))
        self.times: list = []

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        self.times.append(t.detach().clone() if isinstance(t, Tensor) else t)
        return self.gain.to(x.dtype) * self.world.score(x, *self.sde.marginal(t, x))


def within(world: Correlated, count: int, rng: Generator) -> Tensor:
    """Points (count, D) within two standard deviations along each axis."""
    offsets = 4 * torch.rand(count, len(world.mean), dtype=torch.float64, generator=rng) - 2
    return world.mean + (offsets * world.variances.sqrt()) @ world.axes.T


def probes(shape: tuple[int, ...], rng: Generator) -> Tensor:
    """Numbers of mean 0 and variance 1, none above √3 and no two alike."""
    return math.sqrt(3) * (2 * torch.rand(shape, dtype=torch.float64, generator=rng) - 1)


def limit(world: Correlated, sde: Drain, x: Tensor, probe: Tensor, t_start: float) -> Tensor:
    """What comes of infinitely many steps with this probe."""
    start, end = (sde.marginal(torch.full((len(x),), time, dtype=torch.float64), x) for time in (t_start, 1.0))
    prior = torch.distributions.Normal(0, end[1]).log_prob(world.flow(x, start, end))
    return prior.flatten(1).sum(1) + world.expansion(probe, start, end)


def test_log_likelihood_of_gaussian_data_is_the_log_of_its_density(code):
    """At t = 1 so little of the data is left (2 %) that the prior is exact to 3e-4."""
    sde, signs = Drain(0.0, 4.0, 0.5, 0.5), torch.tensor([[1.0, -1.0], [-1.0, -1.0], [1.0, 1.0]], dtype=torch.float64)
    x, variance = numbers(0.4, 1.1, -0.1, 0.7, 0.9, 0.3).reshape(3, 2), 0.5
    got = code.log_likelihood(sde, affine_score(0.0, variance, sde), x, STEPS, signs)
    want = (-(x**2) / (2 * variance) - 0.5 * math.log(2 * math.pi * variance)).sum(1)
    why = "the data is N(0, 0.5) in two dimensions, and its score exact; " + ALONG
    expect.close(got, want, why, rtol=0.0, atol=2e-3)  # the prior's 3e-4, and the steps', 1e-3 at the most


def test_log_likelihood_follows_the_flow_with_one_probe_to_second_order(code, rng):
    world, probe = turned(rng, 3), probes((6, 3), rng)
    x = within(world, 6, rng)
    got = code.log_likelihood(MILD, Asked(world, MILD), x, STEPS, probe)
    why = "the same probe at all times, and path and divergence to second order; "
    expect.close(got, limit(world, MILD, x, probe, 1e-5), why + ALONG, **ORDER_2)


def test_log_likelihood_starts_at_t_start_and_ends_in_the_prior_of_the_sde(code, rng):
    world, probe = turned(rng, 3), probes((6, 3), rng)
    x = within(world, 6, rng)
    got = code.log_likelihood(STEEP, Asked(world, STEEP), x, STEPS, probe, t_start=0.2)
    why = "this sde ends at std(1) = 3, with no drift: the prior is N(0, 9 I); "
    expect.close(got, limit(world, STEEP, x, probe, 0.2), why + ALONG, **ORDER_2)


def test_log_likelihood_starts_at_1e_5_by_default(code, rng):
    world, probe = turned(rng, 2), probes((3, 2), rng)
    x, model = within(world, 3, rng), Asked(world, STEEP)
    want = code.log_likelihood(STEEP, model, x, 8, probe, t_start=1e-5)
    expect.tensor(want, ALONG, shape=(3,), dtype=torch.float64)
    got = code.log_likelihood(STEEP, model, x, 8, probe)
    expect.close(got, want.detach(), "t_start is 1e-5 where nothing else is said")


def test_log_likelihood_gives_one_number_for_each_sample_of_any_shape(code, rng):
    for shape, layout in (
        ((3, 3), "strided"),
        ((1, 2), "contiguous"),
        ((2, 2, 1, 2), "contiguous"),
        ((4, 3), "expanded"),
    ):
        world = turned(rng, math.prod(shape[1:]))
        x = within(world, shape[0], rng).reshape(shape)
        x, probe = x[:1].expand(shape) if layout == "expanded" else x, probes(shape, rng)
        got = code.log_likelihood(MILD, Asked(world, MILD), x, STEPS // 4, probe)
        why = "log p(x) is one number for each sample, of shape (B,), summed over all axes of the sample; "
        expect.close(got, limit(world, MILD, x, probe, 1e-5), why + ALONG, rtol=0.0, atol=16 * ORDER_2["atol"])


def test_log_likelihood_asks_the_model_where_each_of_the_steps_begins(code, rng):
    world = turned(rng, 2)
    x, probe = within(world, 3, rng), probes((3, 2), rng)
    for steps in (1, 3):
        model = Asked(world, MILD)
        code.log_likelihood(MILD, model, x, steps, probe, t_start=0.1)
        for t in model.times:
            expect.tensor(t, PEOPLE, shape=(3,), dtype=torch.float64)
        seen = torch.stack(model.times) if model.times else torch.zeros(0, 3, dtype=torch.float64)
        for step in range(steps):
            time = 0.1 + 0.9 * step / steps
            found = bool(((seen - time).abs() < 1e-5).all(1).any()) if len(seen) else False
            why = "the steps are uniform from t_start to 1, and each looks at the score where it begins"
            expect.holds(found, why, got=seen, want=f"a call with t = {time:.3g}")
        outside = bool(((seen < 0.1 - 1e-5) | (seen > 1 + 1e-5)).any())
        expect.holds(not outside, "times stay between t_start and 1", got=seen, want="0.1 <= t <= 1")
        why = "`steps` says how many steps there are, of a few calls each"
        expect.holds(len(seen) <= 20 * steps, why, got=len(seen), want=f"a few times {steps} calls")


def test_log_likelihood_keeps_the_dtype_its_arguments_and_the_model(code, rng):
    world = turned(rng, 3)
    for dtype, mode in ((torch.float32, True), (torch.float64, False)):
        x, probe = within(world, 3, rng).to(dtype), probes((3, 3), rng).to(dtype)
        for start in (x.clone(), *tracked(x)):
            model, flag, aim = Asked(world, MILD).train(mode), start.requires_grad, probe.clone()
            got = code.log_likelihood(MILD, model, start, 16, aim)
            expect.tensor(got, KEEP, shape=(3,), dtype=dtype)
            want = limit(world, MILD, x.double(), probe.double(), 1e-5)
            expect.close(got.detach(), want.to(dtype), f"{KEEP}; {ALONG}", rtol=0.0, atol=0.1)  # 16 times ORDER_2
            expect.unchanged(KEEP, x=(x, start.detach()), probe=(probe, aim))
            expect.equal(start.requires_grad, flag, "x is the caller's: whether it takes gradients is not changed")
            expect.equal(start.grad is None, True, "no gradient is left on x: it is the caller's")
            left_alone(model)
