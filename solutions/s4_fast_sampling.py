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
    ### BEGIN SOLUTION
    if not 1 <= n <= T:
        raise ValueError(f"n must be in 1 .. T = {T}, got {n}")
    return torch.tensor([round(T - i * T / n) - 1 for i in range(n)], dtype=torch.int64)
    ### END SOLUTION


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
    ### BEGIN SOLUTION
    a_t, a_prev = (alpha_bar[s].to(x_t) if s >= 0 else x_t.new_ones(()) for s in (t, t_prev))
    x0 = (x_t - (1 - a_t).sqrt() * eps) / a_t.sqrt()
    if not eta:  # and where t = -1 too, as ddim_invert has it, σ would be 0/0
        return a_prev.sqrt() * x0 + (1 - a_prev).sqrt() * eps
    sigma = eta * ((1 - a_prev) / (1 - a_t) * (1 - a_t / a_prev)).sqrt()
    along = (1 - a_prev - sigma**2).clamp(min=0).sqrt()  # rounding may leave it a little below 0
    return a_prev.sqrt() * x0 + along * eps + sigma * noise
    ### END SOLUTION


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
    ### BEGIN SOLUTION
    x, levels = x_T, timesteps(len(alpha_bar), n).tolist()
    with torch.no_grad():
        for t, t_prev in pairwise([*levels, -1]):
            eps = model(x, torch.full((len(x),), t, dtype=torch.int64, device=x.device))
            noise = torch.randn(x.shape, dtype=x.dtype, device=x.device, generator=generator) if eta else None
            x = ddim_step(x, eps, t, t_prev, alpha_bar, eta, noise)
    return x
    ### END SOLUTION


def ddim_invert(
    model: nn.Module, x0: Float[Tensor, "B *S"], alpha_bar: Float[Tensor, "T"], n: int
) -> Float[Tensor, "B *S"]:
    """Find the static that data comes from: DDIM upwards, from clean data to t = T-1, through the same n levels.

    (DDIM, arXiv:2010.02502, section 4.3.) Each of the n steps calls `model(x, t)` once, with the state it has and the
    time it goes to, and takes that answer for the noise at both ends of the step. Records no gradient.
    """
    ### BEGIN SOLUTION
    x, levels = x0, timesteps(len(alpha_bar), n).flip(0).tolist()
    with torch.no_grad():
        for t, t_next in pairwise([-1, *levels]):
            eps = model(x, torch.full((len(x),), t_next, dtype=torch.int64, device=x.device))
            x = ddim_step(x, eps, t, t_next, alpha_bar)
    return x
    ### END SOLUTION


def half_log_snr(alpha_bar: Float[Tensor, "T"]) -> Float[Tensor, "T"]:
    """The solvers' clock λ: half the log of the signal-to-noise ratio of each level, in nats.

        λ_t = log(√ᾱ_t / √(1-ᾱ_t))                            (DPM-Solver, arXiv:2206.00927, section 3)

    It grows as the noise goes: -∞ where ᾱ = 0, +∞ where ᾱ = 1.
    """
    ### BEGIN SOLUTION
    return (alpha_bar.log() - (1 - alpha_bar).log()) / 2
    ### END SOLUTION


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
    ### BEGIN SOLUTION
    lam_mid = (lam_s + lam_t) / 2
    (alpha_s, _), (alpha_mid, sigma_mid), (alpha_t, sigma_t) = (_alpha_sigma(lam, x) for lam in (lam_s, lam_mid, lam_t))
    h = torch.as_tensor(lam_t - lam_s, dtype=x.dtype, device=x.device)
    middle = alpha_mid / alpha_s * x - sigma_mid * torch.expm1(h / 2) * eps_fn(x, lam_s)
    return alpha_t / alpha_s * x - sigma_t * torch.expm1(h) * eps_fn(middle, lam_mid)
    ### END SOLUTION


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
    ### BEGIN SOLUTION
    if math.isinf(lam_t):
        return x0_pred
    (_, sigma_s), (alpha_t, sigma_t) = _alpha_sigma(lam_s, x), _alpha_sigma(lam_t, x)
    h = torch.as_tensor(lam_t - lam_s, dtype=x.dtype, device=x.device)
    x0 = x0_pred
    if x0_prev is not None:
        r = (lam_s - lam_prev) / h
        x0 = (1 + 1 / (2 * r)) * x0_pred - 1 / (2 * r) * x0_prev
    return sigma_t / sigma_s * x - alpha_t * torch.expm1(-h) * x0
    ### END SOLUTION


def dpmpp_2m_sample(
    model: nn.Module, x_T: Float[Tensor, "B *S"], alpha_bar: Float[Tensor, "T"], n: int
) -> Float[Tensor, "B *S"]:
    """From static to clean data in n steps of DPM-Solver++(2M), through the levels of `timesteps`.

    (DPM-Solver++, arXiv:2211.01095, algorithm 2.) The model predicts eps, and is called n times with t of shape (B,).
    The first step has no past, and the last goes to clean data, λ = ∞: both are first order. Records no gradient.
    """
    ### BEGIN SOLUTION
    x, x0_prev, lam_prev = x_T, None, None
    lam = [*half_log_snr(alpha_bar.double()).tolist(), math.inf]  # lam[-1] is clean data
    levels = timesteps(len(alpha_bar), n).tolist()
    with torch.no_grad():
        for t, t_next in pairwise([*levels, -1]):
            eps = model(x, torch.full((len(x),), t, dtype=torch.int64, device=x.device))
            alpha, sigma = _alpha_sigma(lam[t], x)
            x0 = (x - sigma * eps) / alpha
            x = dpmpp_2m_step(x, x0, x0_prev, lam_prev, lam[t], lam[t_next])
            x0_prev, lam_prev = x0, lam[t]
    return x
    ### END SOLUTION


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
    ### BEGIN SOLUTION
    ramp = torch.linspace(0, 1, n, dtype=torch.float64)
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    sigmas = (high + ramp * (low - high)) ** rho
    return torch.cat([sigmas, sigmas.new_zeros(1)]).float()
    ### END SOLUTION


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
    ### BEGIN SOLUTION
    total = sigma**2 + sigma_data**2
    return sigma_data**2 / total, sigma * sigma_data / total.sqrt(), 1 / total.sqrt(), sigma.log() / 4
    ### END SOLUTION


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
    ### BEGIN SOLUTION

    def slope(x: Tensor, sigma: float) -> Tensor:
        return (x - denoiser(x, x.new_full((len(x),), sigma))) / sigma

    with torch.no_grad():
        for sigma, sigma_next in pairwise(map(float, sigmas)):
            first = slope(x, sigma)
            ahead = x + (sigma_next - sigma) * first
            if sigma_next == 0:
                return ahead
            x = x + (sigma_next - sigma) * (first + slope(ahead, sigma_next)) / 2
    return x
    ### END SOLUTION


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
    ### BEGIN SOLUTION
    x = x_t
    with torch.no_grad():
        for start, end in pairwise((t, t_mid, t_prev)):
            eps = teacher(x, torch.full((len(x),), start, dtype=torch.int64, device=x.device))
            x = ddim_step(x, eps, start, end, alpha_bar)
        a_t, a_prev = (alpha_bar[s].to(x) if s >= 0 else x.new_ones(()) for s in (t, t_prev))
        ratio = (1 - a_prev).sqrt() / (1 - a_t).sqrt()
        return (x - ratio * x_t) / (a_prev.sqrt() - ratio * a_t.sqrt())
    ### END SOLUTION


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
    ### BEGIN SOLUTION
    if n % 2:
        raise ValueError(f"n must be even, for the student takes n/2 steps; got {n}")
    levels = [*timesteps(len(alpha_bar), n).tolist(), -1]
    optimizer = torch.optim.Adam(student.parameters(), lr=lr)
    losses = []
    for _ in range(steps):
        rows = torch.randint(len(data), (batch_size,), generator=generator)
        first = 2 * int(torch.randint(n // 2, (), generator=generator))
        noise = torch.randn((batch_size, *data.shape[1:]), dtype=data.dtype, generator=generator).to(data.device)

        t, t_mid, t_prev = levels[first : first + 3]
        a = alpha_bar[t].to(data)
        x_t = a.sqrt() * data[rows.to(data.device)] + (1 - a).sqrt() * noise
        target = distillation_target(teacher, x_t, t, t_mid, t_prev, alpha_bar)
        eps = student(x_t, torch.full((batch_size,), t, dtype=torch.int64, device=data.device))
        x0 = (x_t - (1 - a).sqrt() * eps) / a.sqrt()
        weight = (a / (1 - a)).clamp(min=1)  # the larger of the errors in x_0 and in eps: the paper's truncated SNR
        loss = (weight * (x0 - target).square()).mean()

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
    ### END SOLUTION
