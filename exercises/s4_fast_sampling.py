# Generated from solutions/s4_fast_sampling.py by `python -m grader.source.stubs`. Your answers go here.
"""Section 4, fast sampling: the same model in twenty steps instead of a thousand, then in four.

Conventions: as in DDPM, `t` counts from 0, `alpha_bar[t]` is the share of the data's variance that is left at level t,
and t = -1 means clean data, where that share is 1. A step here is taken by the whole batch at once, so its times are
plain ints; the model is still called as `model(x_t, t)` with t of shape (B,), int64, and predicts eps. Solvers count
time in λ, half the log of the signal-to-noise ratio; EDM counts it in σ, the standard deviation of noise added to data
that is never shrunk. The papers are DDIM, arXiv:2010.02502; DPM-Solver, arXiv:2206.00927, and DPM-Solver++,
arXiv:2211.01095; EDM, arXiv:2206.00364; and progressive distillation, arXiv:2202.00512.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn


def timesteps(T: int, n: int) -> Int[Tensor, "n"]:
    """Which n of the T levels a fast sampler visits: descending, from the last level, "trailing" spacing.

        t_i = round(T - i T/n) - 1,  i = 0 .. n-1             (Lin et al., arXiv:2305.08891, table 2)

    A half may be rounded either way. n = T visits every level.

    Raises:
        ValueError: n is not in 1 .. T.
    """
    raise NotImplementedError


def ddim_step(
    x_t: Float[Tensor, "B *S"],
    eps: Float[Tensor, "B *S"],
    t: int,
    t_prev: int,
    alpha_bar: Float[Tensor, "T"],
    eta: float = 0.0,
    noise: Float[Tensor, "B *S"] | None = None,
) -> Float[Tensor, "B *S"]:
    """Step from level t to any lower level t_prev, along the line from the predicted clean data to the predicted noise.

        σ = eta √((1-ᾱ_prev) / (1-ᾱ_t)) √(1 - ᾱ_t / ᾱ_prev)           (DDIM, arXiv:2010.02502, eqs. 12 and 16)

    x_prev is made of three parts: x̂_0, the clean data that x_t comes from if its noise was eps; eps; and fresh noise
    times σ. It is noised as level t_prev has it: were eps right, and as independent of `noise` as it should be, x̂_0
    would be in it with the root of ᾱ_prev, and both noises together would have the variance 1-ᾱ_prev.

    Args:
        x_t: where we are.
        eps: the model's guess of the noise in x_t.
        t: the level of the whole batch, 0 <= t < T.
        t_prev: where to go, below t; -1 means clean data, ᾱ = 1.
        alpha_bar: the schedule.
        eta: 0 takes no fresh noise, 1 as much as ancestral sampling.
        noise: standard normal; needed where eta > 0.
    """
    raise NotImplementedError


def ddim_sample(
    model: nn.Module,
    x_T: Float[Tensor, "B *S"],
    alpha_bar: Float[Tensor, "T"],
    n: int,
    eta: float = 0.0,
    generator: Generator | None = None,
) -> Float[Tensor, "B *S"]:
    """From static to clean data in n DDIM steps: through the levels of `timesteps`, the last step to t = -1.

    (DDIM, arXiv:2010.02502, section 4.) Calls `model(x_t, t)` exactly n times, with t of shape (B,); records no
    gradient; where eta > 0, fresh noise for each step comes from `generator`.
    """
    raise NotImplementedError


def ddim_invert(
    model: nn.Module, x0: Float[Tensor, "B *S"], alpha_bar: Float[Tensor, "T"], n: int
) -> Float[Tensor, "B *S"]:
    """Find the static that data comes from: DDIM upwards, from clean data to t = T-1, through the same n levels.

    (DDIM, arXiv:2010.02502, section 4.3.) Each of the n steps calls `model(x, t)` once, with the state it has and the
    time it goes to, and takes that answer for the noise at both ends of the step. Records no gradient.
    """
    raise NotImplementedError


def half_log_snr(alpha_bar: Float[Tensor, "T"]) -> Float[Tensor, "T"]:
    """The solvers' clock λ: half the log of the signal-to-noise ratio of each level, in nats.

        λ_t = log(√ᾱ_t / √(1-ᾱ_t))                            (DPM-Solver, arXiv:2206.00927, section 3)

    It grows as the noise goes: -∞ where ᾱ = 0, +∞ where ᾱ = 1.
    """
    raise NotImplementedError


def _alpha_sigma(lam: float | Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """(α, σ) of the variance-preserving process at λ, as 0-d tensors in like's dtype: α/σ = e^λ and α² + σ² = 1."""
    lam = torch.as_tensor(lam, dtype=like.dtype, device=like.device)
    return torch.sigmoid(2 * lam).sqrt(), torch.sigmoid(-2 * lam).sqrt()


def dpm_solver2_step(
    eps_fn: Callable[[Tensor, float | Tensor], Tensor],
    x: Float[Tensor, "B *S"],
    lam_s: float | Tensor,
    lam_t: float | Tensor,
) -> Float[Tensor, "B *S"]:
    """One step of DPM-Solver-2 from λ_s to λ_t: a first-order step to the middle, then the whole step with its eps.

        x_t = (α_t/α_s) x_s - α_t ∫ e^(-λ) ε(x_λ, λ) dλ,  from λ_s to λ_t     (DPM-Solver, arXiv:2206.00927, prop. 3.1)

    A first-order step takes ε as constant, which leaves an integral that can be done; this one takes ε at the middle of
    λ_s and λ_t (algorithm 1 of the paper). Of second order in λ_t - λ_s.

    Args:
        eps_fn: `eps_fn(x, lam)` answers the noise in x; lam may be given as a float, a 0-d tensor or (B,).
        x: where we are, at λ_s.
        lam_s: a float or a 0-d tensor.
        lam_t: the same; above λ_s, for λ grows as noise goes.
    """
    raise NotImplementedError


def dpmpp_2m_step(
    x: Float[Tensor, "B *S"],
    x0_pred: Float[Tensor, "B *S"],
    x0_prev: Float[Tensor, "B *S"] | None,
    lam_prev: float | Tensor | None,
    lam_s: float | Tensor,
    lam_t: float | Tensor,
) -> Float[Tensor, "B *S"]:
    """One step of DPM-Solver++(2M) from λ_s to λ_t, which looks back at the prediction of the step before.

        x_t = (σ_t/σ_s) x_s + σ_t ∫ e^λ x̂_0(x_λ, λ) dλ,  from λ_s to λ_t   (DPM-Solver++, arXiv:2211.01095, prop. 4.1)

    The first-order step takes x̂_0 as constant. The multistep one takes the value that the line through x0_prev at
    λ_prev and x0_pred at λ_s has at the middle of the step ahead (algorithm 2 of the paper); steps may differ in length.

    Args:
        x: where we are, at λ_s.
        x0_pred: the clean data that the model predicts from x.
        x0_prev: what it predicted one step earlier, at lam_prev; None gives the first-order step.
        lam_prev: a float or a 0-d tensor, below lam_s; may be None where x0_prev is.
        lam_s: a float or a 0-d tensor.
        lam_t: the same; above λ_s. Infinity is clean data: there the step is first order whatever x0_prev is.
    """
    raise NotImplementedError


def dpmpp_2m_sample(
    model: nn.Module, x_T: Float[Tensor, "B *S"], alpha_bar: Float[Tensor, "T"], n: int
) -> Float[Tensor, "B *S"]:
    """From static to clean data in n steps of DPM-Solver++(2M), through the levels of `timesteps`.

    (DPM-Solver++, arXiv:2211.01095, algorithm 2.) The model predicts eps, and is called n times with t of shape (B,).
    The first step has no past, and the last goes to clean data, λ = ∞: both are first order. Records no gradient.
    """
    raise NotImplementedError


def karras_sigmas(n: int, sigma_min: float = 0.002, sigma_max: float = 80.0, rho: float = 7.0) -> Float[Tensor, "n+1"]:
    """EDM's noise levels: n > 1 of them from sigma_max down to sigma_min, and a final 0, in float32.

    Evenly spaced is σ^(1/rho), not σ itself: the larger rho, the shorter the steps near sigma_min.
    (EDM, arXiv:2206.00364, eq. 5.)

    Args:
        n: how many levels above 0.
        sigma_min: the last of them, a standard deviation.
        sigma_max: the first of them.
        rho: the bend.
    """
    raise NotImplementedError


def edm_precondition(
    sigma: Float[Tensor, "B"], sigma_data: float = 0.5
) -> tuple[Float[Tensor, "B"], Float[Tensor, "B"], Float[Tensor, "B"], Float[Tensor, "B"]]:
    """What to wrap a network F in, so that what it sees and what it is to answer has variance 1 at every noise level.

        D(x, σ) = c_skip x + c_out F(c_in x, c_noise),  x = x_0 + σ ε,  c_noise = ln(σ)/4    (EDM, arXiv:2206.00364, eq. 7)

    For data of standard deviation sigma_data: c_in x has variance 1; so has F's target, (x_0 - c_skip x) / c_out; and of
    all c_skip that allow it, this one makes c_out, by which F's errors are multiplied, the smallest (appendix B.6).

    Args:
        sigma: the noise's standard deviation, above 0.
        sigma_data: the data's.

    Returns:
        (c_skip, c_out, c_in, c_noise), each of sigma's shape.
    """
    raise NotImplementedError


def heun_sample(
    denoiser: Callable[[Tensor, Tensor], Tensor], x: Float[Tensor, "B *S"], sigmas: Sequence[float] | Tensor
) -> Float[Tensor, "B *S"]:
    """EDM's deterministic sampler: Heun's method down the noise levels, where the noise's level is the time itself.

        dx/dσ = (x - D(x, σ)) / σ                                    (EDM, arXiv:2206.00364, algorithm 1)

    Every step averages the slope where it begins with the slope where an Euler step would end; the step to 0, where no
    slope can be had, is Euler's. In all `2 * (len(sigmas) - 1) - 1` calls. Records no gradient.

    Args:
        denoiser: `denoiser(x, sigma)` answers clean data; sigma is of shape (B,).
        x: where we start: data with noise of standard deviation sigmas[0] added.
        sigmas: the levels, descending to a final 0; a list or a tensor.
    """
    raise NotImplementedError


def distillation_target(
    teacher: Callable[[Tensor, Tensor], Tensor],
    x_t: Float[Tensor, "B *S"],
    t: int,
    t_mid: int,
    t_prev: int,
    alpha_bar: Float[Tensor, "T"],
) -> Float[Tensor, "B *S"]:
    """What a student must predict as clean data to get in one DDIM step where its teacher gets in two.

    The teacher steps from t to t_mid and on to t_prev, deterministically; the answer is the x_0 for which a single DDIM
    step from x_t at t to t_prev lands in the same place. (Progressive distillation, arXiv:2202.00512, algorithm 2.)
    A constant to learn from: it carries no gradient to the teacher, nor leaves one on its parameters.

    Args:
        teacher: `teacher(x, t)` predicts eps.
        x_t: where both start.
        t: the level of x_t, an int.
        t_mid: between t and t_prev.
        t_prev: where both end; -1 means clean data.
        alpha_bar: the schedule.
    """
    raise NotImplementedError


def distill(
    teacher: Callable[[Tensor, Tensor], Tensor],
    student: nn.Module,
    data: Float[Tensor, "N *S"],
    alpha_bar: Float[Tensor, "T"],
    n: int,
    steps: int,
    batch_size: int = 256,
    lr: float = 1e-3,
    generator: Generator | None = None,
) -> list[float]:
    """One round of progressive distillation: teach a student of n/2 steps what its teacher does in n.

    (Progressive distillation, arXiv:2202.00512, algorithm 2.) Each of `steps` updates, in place and by Adam or one
    of its family, draws `batch_size` rows of data, one of the student's n/2 trailing levels, and fresh noise, all from
    `generator`. At the noised rows the clean data that the student's eps stands for is drawn to `distillation_target`
    of the two teacher steps, from that level of the student to its next one, by a squared error with any weight.

    Args:
        teacher: `teacher(x, t)` predicts eps, and samples in n trailing steps; stays as it is.
        student: predicts eps; often a copy of the teacher.
        data: clean.
        alpha_bar: the schedule.
        n: how many steps the teacher takes, even.
        steps: how many updates.
        batch_size: rows an update.
        lr: the optimiser's learning rate.
        generator: where the randomness comes from.

    Returns:
        the loss of each update, as floats.

    Raises:
        ValueError: n is odd.
    """
    raise NotImplementedError
