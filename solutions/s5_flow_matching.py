"""Section 5, straight lines: flow matching, rectified flow, and consistency models, which jump in one step.

Conventions of flows: time `t` is a float in [0, 1], one for each of the B samples; **0 is noise, 1 is data**, and the two
ends are called `noise` and `data`. A velocity model is called as `velocity(x_t, t)`, with t of shape (B,) in x's dtype, and
answers dx/dt in x's shape. Half of the field counts the other way, with noise at t = 1: a formula copied from there has
its signs and its ends exchanged.

Conventions of consistency models: the noise level `sigma` is a float, one for each sample, and x = data + sigma noise.

The papers are "Flow matching for generative modeling", arXiv:2210.02747 (Lipman et al.), "Flow straight and fast",
arXiv:2209.03003 (Liu et al.), and "Consistency models", arXiv:2303.01469 (Song et al.).
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment
from torch import Generator, Tensor, nn


def _shaped(values: Float[Tensor, "B"], like: Float[Tensor, "B *S"]) -> Float[Tensor, "B ..."]:
    """Given: one number a sample, in like's dtype and device, shaped (B, 1, ..., 1) to multiply `like`."""
    return values.to(like).reshape(-1, *[1] * (like.ndim - 1))


def interpolate(
    noise: Float[Tensor, "B *S"], data: Float[Tensor, "B *S"], t: Float[Tensor, "B"]
) -> Float[Tensor, "B *S"]:
    """Where each sample is at its time t, on the straight line from its noise to its data, at constant speed.

    It leaves `noise` at t = 0 and arrives at `data` at t = 1, both ends exact. (Liu et al., arXiv:2209.03003, eq. 1)

    Args:
        noise: standard normal.
        data: the partner of each noise.
        t: the time of each sample, in [0, 1].
    """
    ### BEGIN SOLUTION
    t = _shaped(t, data)
    return (1 - t) * noise + t * data
    ### END SOLUTION


def target_velocity(noise: Float[Tensor, "B *S"], data: Float[Tensor, "B *S"]) -> Float[Tensor, "B *S"]:
    """The velocity dx_t/dt of `interpolate`, which is the same at all times.

    (Liu et al., arXiv:2209.03003, eq. 1)

    Args:
        noise: where the line is at t = 0.
        data: where it is at t = 1.
    """
    ### BEGIN SOLUTION
    return data - noise
    ### END SOLUTION


def gaussian_path(
    noise: Float[Tensor, "B *S"], data: Float[Tensor, "B *S"], t: Float[Tensor, "B"], sigma_min: float = 1e-4
) -> tuple[Float[Tensor, "B *S"], Float[Tensor, "B *S"]]:
    """Draw from the optimal-transport conditional path: the cloud of noise shrinks, at constant speed, onto one data point.

        x_t ~ N(t data, s(t)² I),  s(t) going in a straight line from 1 at t = 0 to sigma_min at t = 1
        (Lipman et al., arXiv:2210.02747, eqs. 20, 22 and 23)

    Args:
        noise: the standard normal numbers that x_t is drawn with.
        data: the point that the cloud shrinks onto.
        t: the time of each sample, in [0, 1].
        sigma_min: the standard deviation that is left at t = 1.

    Returns:
        (x_t, u_t), the draw and its velocity u_t = dx_t/dt for this noise and data.
    """
    ### BEGIN SOLUTION
    std = 1 - (1 - sigma_min) * _shaped(t, data)
    x_t = std * noise + _shaped(t, data) * data
    return x_t, data - (1 - sigma_min) * noise
    ### END SOLUTION


def cfm_loss(
    model: nn.Module, noise: Float[Tensor, "B *S"], data: Float[Tensor, "B *S"], t: Float[Tensor, "B"]
) -> Float[Tensor, ""]:
    """Conditional flow matching on straight paths: regress the model on the velocity of each sample's own line.

        L = E |v(x_t, t) - dx_t/dt|²,  the mean over every element
        (Lipman et al., arXiv:2210.02747, eq. 9; Liu et al., arXiv:2209.03003, eq. 1)

    One call of `model(x_t, t)`.

    Args:
        model: the velocity model.
        noise: where the lines begin.
        data: where they end.
        t: the time of each sample, in [0, 1], as the model is told it.
    """
    ### BEGIN SOLUTION
    x_t = interpolate(noise, data, t)
    return (model(x_t, t) - target_velocity(noise, data)).square().mean()
    ### END SOLUTION


def euler_sample(velocity: nn.Module, noise: Float[Tensor, "B *S"], steps: int) -> Float[Tensor, "B *S"]:
    """Follow dx/dt = v(x, t) from noise at t = 0 to data at t = 1 by Euler's method, in `steps` equal steps.

    Each step goes all the way with the velocity where it begins: one call of `velocity(x, t)` a step. Records no gradient.
    (Euler 1768; Liu et al., arXiv:2209.03003, algorithm 1)

    Args:
        velocity: the velocity model.
        noise: where to start.
        steps: how many, at least 1.
    """
    ### BEGIN SOLUTION
    x, dt = noise, 1 / steps
    with torch.no_grad():
        for step in range(steps):
            t = x.new_full((len(x),), step * dt)
            x = x + dt * velocity(x, t)
    return x
    ### END SOLUTION


def midpoint_sample(velocity: nn.Module, noise: Float[Tensor, "B *S"], steps: int) -> Float[Tensor, "B *S"]:
    """As `euler_sample`, by the midpoint method: second order for two calls of the velocity model a step.

    A trial step of Euler's goes to the middle of the step; from where the step began, the whole of it is then taken with
    the velocity met in the middle, at the middle's place and time. Records no gradient. (Runge 1895)

    Args:
        velocity: the velocity model.
        noise: where to start.
        steps: how many, at least 1.
    """
    ### BEGIN SOLUTION
    x, dt = noise, 1 / steps
    with torch.no_grad():
        for step in range(steps):
            start = x.new_full((len(x),), step * dt)
            half = x + dt / 2 * velocity(x, start)
            x = x + dt * velocity(half, start + dt / 2)
    return x
    ### END SOLUTION


def logit_normal_times(
    n: int, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Float[Tensor, "n"]:
    """Draw n training times t in (0, 1), float32, most of them in the middle, where the velocity is hardest to guess.

        logit(t) = log(t / (1 - t)) ~ N(mean, std²)         (Esser et al., Stable Diffusion 3, arXiv:2403.03206, sec. 3.1)

    Here 1 is data, so a mean above 0 draws times with more data than noise.

    Args:
        n: how many.
        mean: of logit(t).
        std: of logit(t), a standard deviation.
        generator: the source of the randomness.
    """
    ### BEGIN SOLUTION
    normal = torch.randn(n, generator=generator)
    return torch.sigmoid(mean + std * normal)
    ### END SOLUTION


def shift_times(t: Float[Tensor, "B"], shift: float) -> Float[Tensor, "B"]:
    """Move times towards noise, as Stable Diffusion 3 does for large images.

    The odds of data against noise, t : (1 - t), are divided by `shift`: a shift of 1 changes nothing, a larger one moves
    times towards 0, which is noise here, and the ends 0 and 1 stay. The paper has noise at 1.
    (Esser et al., arXiv:2403.03206, sec. 5.3.2)

    Args:
        t: times, in [0, 1].
        shift: above 0.
    """
    ### BEGIN SOLUTION
    return t / (t + shift * (1 - t))
    ### END SOLUTION


def velocity_to_data(
    v: Float[Tensor, "B *S"], x_t: Float[Tensor, "B *S"], t: Float[Tensor, "B"]
) -> Float[Tensor, "B *S"]:
    """The data end of the straight line that runs through x_t at time t with velocity v.

    For a model's v it is the model's guess of the data, E[data | x_t]. (Liu et al., arXiv:2209.03003, eq. 1, solved for X_1)

    Args:
        v: the velocity of the line, or a model's guess of it.
        x_t: where we are.
        t: the time of each sample, in [0, 1].
    """
    ### BEGIN SOLUTION
    return x_t + (1 - _shaped(t, x_t)) * v
    ### END SOLUTION


def velocity_to_eps(
    v: Float[Tensor, "B *S"], x_t: Float[Tensor, "B *S"], t: Float[Tensor, "B"]
) -> Float[Tensor, "B *S"]:
    """The noise end of the straight line that runs through x_t at time t with velocity v.

    For a model's v it is the model's guess of the noise, E[noise | x_t]. (Liu et al., arXiv:2209.03003, eq. 1, solved for X_0)

    Args:
        v: the velocity of the line, or a model's guess of it.
        x_t: where we are.
        t: the time of each sample, in [0, 1].
    """
    ### BEGIN SOLUTION
    return x_t - _shaped(t, x_t) * v
    ### END SOLUTION


def velocity_to_score(
    v: Float[Tensor, "B *S"], x_t: Float[Tensor, "B *S"], t: Float[Tensor, "B"]
) -> Float[Tensor, "B *S"]:
    """The score, the gradient of log p_t at x_t, that a velocity on straight paths stands for.

    Given its data end, x_t is normal around t data; the gradient of the log of that density is what the noise in x_t says,
    over the standard deviation that it has there.                            (SiT, arXiv:2401.08740, sec. 2)

    Args:
        v: the velocity of the line, or a model's guess of it.
        x_t: where we are.
        t: the time of each sample, in [0, 1): at t = 1 there is no noise left, and no score.
    """
    ### BEGIN SOLUTION
    eps = velocity_to_eps(v, x_t, t)
    return -eps / (1 - _shaped(t, x_t))
    ### END SOLUTION


def ot_pairing(noise: Float[Tensor, "B *S"], data: Float[Tensor, "B *S"]) -> Float[Tensor, "B *S"]:
    """Reorder the data of a batch so that its partners in noise are as near as can be: exact optimal transport.

        the permutation p that makes Σ_i |noise_i - data_p(i)|² least
        (minibatch OT: Tong et al., arXiv:2302.00482; Pooladian et al., arXiv:2304.14772)

    The distance of two samples is over all their axes. Each data sample is used once; noise stays where it is. Among
    pairings that are equally good, any will do. `scipy.optimize.linear_sum_assignment` finds the best one.

    Args:
        noise: B samples.
        data: as many.

    Returns:
        data in its new order, partner i for noise i.
    """
    ### BEGIN SOLUTION
    differences = noise.detach().flatten(1)[:, None] - data.detach().flatten(1)[None]
    cost = differences.double().square().sum(-1)
    _, partners = linear_sum_assignment(cost.cpu().numpy())
    return data[torch.from_numpy(partners).to(data.device)]
    ### END SOLUTION


def reflow_pairs(
    velocity: nn.Module, noise: Float[Tensor, "B *S"], steps: int
) -> tuple[Float[Tensor, "B *S"], Float[Tensor, "B *S"]]:
    """Pairs to train the next, straighter flow on: each noise with the sample that the present flow makes of it.

    (Liu et al., arXiv:2209.03003, algorithm 1)

    Args:
        velocity: the present velocity model.
        noise: where to start.
        steps: how many of Euler's, at least 1.

    Returns:
        (noise, data_hat): the noise that was given, and where Euler's method carries it. Records no gradient.
    """
    ### BEGIN SOLUTION
    data_hat = euler_sample(velocity, noise, steps)
    return noise, data_hat
    ### END SOLUTION


def straightness(velocity: nn.Module, noise: Float[Tensor, "B *S"], steps: int) -> Float[Tensor, ""]:
    """How far the flow's paths are from straight lines at constant speed; 0 if they are that.

        S = ∫₀¹ E |(data_hat - noise) - v(x_t, t)|² dt                (Liu et al., arXiv:2209.03003, sec. 2.2)

    along Euler's path of `steps` equal steps from `noise` to its own end data_hat: the mean over the beginnings of the
    steps and over the batch, |·|² being summed over all the axes of a sample. The gradient may be recorded or not.

    Args:
        velocity: the velocity model.
        noise: where to start.
        steps: how many, at least 1.
    """
    ### BEGIN SOLUTION
    x, velocities = noise, []
    with torch.no_grad():
        for step in range(steps):
            t = x.new_full((len(x),), step / steps)
            velocities.append(velocity(x, t))
            x = x + velocities[-1] / steps
        off = (x - noise) - torch.stack(velocities)
        return off.square().flatten(2).sum(2).mean()
    ### END SOLUTION


def consistency_coefficients(
    sigma: Float[Tensor, "B"], sigma_data: float = 0.5, sigma_min: float = 0.002
) -> tuple[Float[Tensor, "B"], Float[Tensor, "B"]]:
    """How much of a consistency function is its input, and how much its network.

        c_skip = σ_data² / ((σ - σ_min)² + σ_data²),  c_out = σ_data (σ - σ_min) / √(σ² + σ_data²)
        (Song et al., arXiv:2303.01469, appendix C)

    At σ = σ_min they are 1 and 0, exactly.

    Args:
        sigma: noise levels, standard deviations, σ_min or more.
        sigma_data: the standard deviation of the data.
        sigma_min: the level that counts as clean.

    Returns:
        (c_skip, c_out), each of sigma's shape.
    """
    ### BEGIN SOLUTION
    above = sigma - sigma_min
    c_skip = sigma_data**2 / (above**2 + sigma_data**2)
    c_out = sigma_data * above / (sigma**2 + sigma_data**2).sqrt()
    return c_skip, c_out
    ### END SOLUTION


def consistency_function(
    network: nn.Module,
    x: Float[Tensor, "B *S"],
    sigma: Float[Tensor, "B"],
    sigma_data: float = 0.5,
    sigma_min: float = 0.002,
) -> Float[Tensor, "B *S"]:
    """From anywhere on an ODE path straight to its beginning, the sample at level σ_min.

        f(x, σ) = c_skip x + c_out F(c_in x, c_noise),  c_in = 1 / √(σ² + σ_data²),  c_noise = ln(σ) / 4
        (Song et al., arXiv:2303.01469, eq. 5; c_in and c_noise: EDM, arXiv:2206.00364, table 1)

    Whatever the network F says, f(x, σ_min) = x. One call of `network(c_in x, c_noise)`, with c_noise of shape (B,).

    Args:
        network: F, unbounded and of x's shape.
        x: data + sigma noise.
        sigma: the noise level of each sample, σ_min or more.
        sigma_data: the standard deviation of the data.
        sigma_min: the level that counts as clean.
    """
    ### BEGIN SOLUTION
    sigma = sigma.to(x)
    c_skip, c_out = consistency_coefficients(sigma, sigma_data, sigma_min)
    c_in = (sigma**2 + sigma_data**2).rsqrt()
    c_noise = sigma.log() / 4
    answer = network(_shaped(c_in, x) * x, c_noise)
    return _shaped(c_skip, x) * x + _shaped(c_out, x) * answer
    ### END SOLUTION


def consistency_training_loss(
    network: nn.Module,
    ema_network: nn.Module,
    data: Float[Tensor, "B *S"],
    noise: Float[Tensor, "B *S"],
    sigma_lo: Float[Tensor, "B"],
    sigma_hi: Float[Tensor, "B"],
    sigma_data: float = 0.5,
    sigma_min: float = 0.002,
) -> Float[Tensor, ""]:
    """Consistency training: two neighbouring levels on the way of one data point and one noise must lead to one sample.

        L = E |f(x_hi, σ_hi) - f_ema(x_lo, σ_lo)|²,  the mean over every element
        (Song et al., arXiv:2303.01469, algorithm 3)

    The low side is a constant: no gradient goes through it to anything, not to `network` either, should `ema_network` be
    the same one, and not to data and noise.

    Args:
        network: F on the high side, which learns.
        ema_network: F on the low side, a slow copy of it.
        data: clean.
        noise: the same noise for both sides.
        sigma_lo: the lower level of each sample, σ_min or more.
        sigma_hi: the higher one.
        sigma_data: the standard deviation of the data.
        sigma_min: the level that counts as clean.
    """
    ### BEGIN SOLUTION
    x_hi = data + _shaped(sigma_hi, data) * noise
    guess = consistency_function(network, x_hi, sigma_hi, sigma_data, sigma_min)
    with torch.no_grad():
        x_lo = data + _shaped(sigma_lo, data) * noise
        target = consistency_function(ema_network, x_lo, sigma_lo, sigma_data, sigma_min)
    return (guess - target).square().mean()
    ### END SOLUTION


def consistency_distillation_loss(
    network: nn.Module,
    ema_network: nn.Module,
    denoiser: nn.Module,
    data: Float[Tensor, "B *S"],
    noise: Float[Tensor, "B *S"],
    sigma_lo: Float[Tensor, "B"],
    sigma_hi: Float[Tensor, "B"],
    sigma_data: float = 0.5,
    sigma_min: float = 0.002,
) -> Float[Tensor, ""]:
    """Consistency distillation: as `consistency_training_loss`, but a teacher says where the ODE goes from the high level.

        L = E |f(x_hi, σ_hi) - f_ema(x̂_lo, σ_lo)|²,  the mean over every element
        (Song et al., arXiv:2303.01469, algorithm 2)

    x̂_lo is one step of Heun's method, from σ_hi to σ_lo, along dx/dσ = (x - D(x, σ)) / σ: the mean of the slope where the
    step begins and of the slope where Euler's step would end (EDM, arXiv:2206.00364, algorithm 1). The low side is a
    constant: no gradient goes through it to anything, nor to the teacher.

    Args:
        network: F on the high side, which learns.
        ema_network: F on the low side, a slow copy of it.
        denoiser: the teacher D, called as `denoiser(x, sigma)` with sigma of shape (B,); answers the clean data.
        data: clean.
        noise: what x_hi is noised with.
        sigma_lo: the lower level of each sample, σ_min or more, above 0.
        sigma_hi: the higher one.
        sigma_data: the standard deviation of the data.
        sigma_min: the level that counts as clean.
    """
    ### BEGIN SOLUTION
    hi, lo = _shaped(sigma_hi, data), _shaped(sigma_lo, data)
    x_hi = data + hi * noise
    guess = consistency_function(network, x_hi, sigma_hi, sigma_data, sigma_min)
    with torch.no_grad():
        first = (x_hi - denoiser(x_hi, sigma_hi)) / hi
        trial = x_hi + (lo - hi) * first
        second = (trial - denoiser(trial, sigma_lo)) / lo
        x_lo = x_hi + (lo - hi) * (first + second) / 2
        target = consistency_function(ema_network, x_lo, sigma_lo, sigma_data, sigma_min)
    return (guess - target).square().mean()
    ### END SOLUTION


def consistency_sample(
    f: Callable[[Tensor, Tensor], Tensor],
    x: Float[Tensor, "B *S"],
    sigmas: Sequence[float] | Float[Tensor, "n"],
    sigma_min: float = 0.002,
    generator: Generator | None = None,
) -> Float[Tensor, "B *S"]:
    """Sample in as many steps as there are levels: jump to clean data, noise it again to the next level, jump again.

    f's answer is at level σ_min already, and fresh noise brings it to level σ: variances add. The last jump is the sample.
    (Song et al., arXiv:2303.01469, algorithm 1)

    One call of `f(x, sigma)` a level, with sigma of shape (B,) in x's dtype. Records no gradient.

    Args:
        f: the consistency function.
        x: static, noise of standard deviation sigmas[0].
        sigmas: the levels, descending, none below σ_min.
        sigma_min: the level that counts as clean.
        generator: the source of the fresh noise.
    """
    ### BEGIN SOLUTION
    levels = [float(sigma) for sigma in sigmas]
    with torch.no_grad():
        x = f(x, x.new_full((len(x),), levels[0]))
        for sigma in levels[1:]:
            noise = torch.randn(x.shape, dtype=x.dtype, device=x.device, generator=generator)
            added = max(sigma**2 - sigma_min**2, 0) ** 0.5
            x = f(x + added * noise, x.new_full((len(x),), sigma))
    return x
    ### END SOLUTION
