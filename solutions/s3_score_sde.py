"""Section 3, the score view: noise added in continuous time, run backwards by an SDE or by an ODE.

Conventions: time `t` is a float in [0, 1], one for each of the B samples; 0 is data, 1 is noise. An `sde` is any object
with the two methods of `VPSDE` and `VESDE`: `marginal(t, like)` says how data looks at time t, `coefficients(x, t)` how
it moves, dx = f(x, t) dt + g(t) dw. A score model is called as `score_model(x, t)`, with t of shape (B,) in x's dtype,
and answers the score, the gradient of log p_t at x; where an argument is called `score` it is that answer, a tensor.
The paper is "Score-based generative modeling through stochastic differential equations", arXiv:2011.13456 (Song et al.).
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.distributions import Normal


def score_from_eps(eps: Float[Tensor, "B *S"], std: Float[Tensor, "B ..."]) -> Float[Tensor, "B *S"]:
    """The score that a guess of the noise stands for: the gradient of log N(x_t; mean_coef x_0, std² I) in x_t.

        x_t = mean_coef x_0 + std ε    (Vincent 2011; the normal distributions of Song et al., arXiv:2011.13456, eq. 29)

    Args:
        eps: the noise in x_t, or a model's guess of it: x_t = mean_coef x_0 + std ε.
        std: (B, 1, ..., 1), the standard deviation of the noise in x_t, not 0.
    """
    ### BEGIN SOLUTION
    return -eps / std
    ### END SOLUTION


def score_from_x0(
    x0: Float[Tensor, "B *S"],
    x_t: Float[Tensor, "B *S"],
    mean_coef: Float[Tensor, "B ..."],
    std: Float[Tensor, "B ..."],
) -> Float[Tensor, "B *S"]:
    """The score that a guess of the clean data stands for: the gradient of log N(x_t; mean_coef x_0, std² I) in x_t.

    (Vincent 2011; Song et al., arXiv:2011.13456, eq. 7.) With E[x_0 | x_t] for x0 it is Tweedie's formula, and the score of the noised data itself.

    Args:
        x0: the clean data, or a model's guess of it.
        x_t: where we are.
        mean_coef: (B, 1, ..., 1), what is left of the data.
        std: (B, 1, ..., 1), the standard deviation of the noise, not 0.
    """
    ### BEGIN SOLUTION
    return (mean_coef * x0 - x_t) / std.square()
    ### END SOLUTION


class VPSDE:
    """The variance-preserving SDE, DDPM in continuous time: data shrinks as noise comes in.

        dx = -½ β(t) x dt + √β(t) dw,  β(t) = beta_min + t (beta_max - beta_min)
        (Song et al., arXiv:2011.13456, eqs. 11 and 32)

    Args:
        beta_min: β(0), a variance per unit of time.
        beta_max: β(1).
    """

    def __init__(self, beta_min: float = 0.1, beta_max: float = 20.0):
        self.beta_min, self.beta_max = beta_min, beta_max

    def marginal(
        self, t: Float[Tensor, "B"], like: Float[Tensor, "B *S"]
    ) -> tuple[Float[Tensor, "B ..."], Float[Tensor, "B ..."]]:
        """How x_t comes from x_0 in one jump, x_t ~ N(mean_coef x_0, std² I).

            mean_coef = exp(-½ ∫₀ᵗ β(s) ds),  std² = 1 - mean_coef²      (Song et al., arXiv:2011.13456, eq. 33)

        Returns:
            (mean_coef, std), each (B, 1, ..., 1) to multiply `like`, in like's dtype and device.
        """
        ### BEGIN SOLUTION
        t = _shaped(t, like)
        log_mean_coef = -t * (self.beta_min / 2 + t * (self.beta_max - self.beta_min) / 4)
        return log_mean_coef.exp(), (-torch.expm1(2 * log_mean_coef)).sqrt()  # 1 - exp would cancel at small t
        ### END SOLUTION

    def coefficients(
        self, x: Float[Tensor, "B *S"], t: Float[Tensor, "B"]
    ) -> tuple[Float[Tensor, "B *S"], Float[Tensor, "B ..."]]:
        """(drift, diffusion) of the SDE at x: f(x, t) of x's shape, and g(t), a standard deviation, (B, 1, ..., 1)."""
        ### BEGIN SOLUTION
        beta = self.beta_min + _shaped(t, x) * (self.beta_max - self.beta_min)
        return -beta / 2 * x, beta.sqrt()
        ### END SOLUTION


class VESDE:
    """The variance-exploding SDE: data stays as it is, and drowns in growing noise.

        dx = σ(t) √(2 log(sigma_max / sigma_min)) dw,  σ(t) = sigma_min (sigma_max / sigma_min)^t
        (Song et al., arXiv:2011.13456, eqs. 9 and 30)

    Args:
        sigma_min: σ(0), a standard deviation.
        sigma_max: σ(1).
    """

    def __init__(self, sigma_min: float = 0.01, sigma_max: float = 50.0):
        self.sigma_min, self.sigma_max = sigma_min, sigma_max

    def marginal(
        self, t: Float[Tensor, "B"], like: Float[Tensor, "B *S"]
    ) -> tuple[Float[Tensor, "B ..."], Float[Tensor, "B ..."]]:
        """How x_t comes from x_0 in one jump, x_t ~ N(mean_coef x_0, std² I): the exact solution of this SDE.

            mean_coef = 1,  std² = ∫₀ᵗ g(s)² ds = σ(t)² - σ(0)²           (Song et al., arXiv:2011.13456, eq. 29)

        Returns:
            (mean_coef, std), each (B, 1, ..., 1) to multiply `like`, in like's dtype and device.
        """
        ### BEGIN SOLUTION
        growth = torch.expm1(2 * math.log(self.sigma_max / self.sigma_min) * _shaped(t, like))
        std = self.sigma_min * growth.sqrt()
        return torch.ones_like(std), std
        ### END SOLUTION

    def coefficients(
        self, x: Float[Tensor, "B *S"], t: Float[Tensor, "B"]
    ) -> tuple[Float[Tensor, "B *S"], Float[Tensor, "B ..."]]:
        """(drift, diffusion) of the SDE at x: f(x, t) of x's shape, and g(t), a standard deviation, (B, 1, ..., 1)."""
        ### BEGIN SOLUTION
        log_ratio = math.log(self.sigma_max / self.sigma_min)
        sigma = self.sigma_min * (log_ratio * _shaped(t, x)).exp()
        return torch.zeros_like(x), sigma * math.sqrt(2 * log_ratio)
        ### END SOLUTION


def _shaped(t: Float[Tensor, "B"], like: Float[Tensor, "B *S"]) -> Float[Tensor, "B ..."]:
    """Given: t in like's dtype and device, shaped (B, 1, ..., 1) to multiply `like`."""
    return t.to(like).reshape(-1, *[1] * (like.ndim - 1))


def dsm_loss(
    score_model: nn.Module,
    x0: Float[Tensor, "B *S"],
    t: Float[Tensor, "B"],
    noise: Float[Tensor, "B *S"],
    sde: "VPSDE | VESDE",
) -> Float[Tensor, ""]:
    """Denoising score matching, each level weighted by std²: the mean over every element of (std score + ε)².

        x_t = mean_coef x_0 + std ε, whose own score is -ε / std
        (Vincent 2011; Song et al., arXiv:2011.13456, eq. 7 with λ(t) = std²)

    One call of `score_model(x_t, t)`.
    """
    ### BEGIN SOLUTION
    mean_coef, std = sde.marginal(t, x0)
    x_t = mean_coef * x0 + std * noise
    return (std * score_model(x_t, t) + noise).square().mean()
    ### END SOLUTION


def reverse_coefficients(
    sde: "VPSDE | VESDE", score: Float[Tensor, "B *S"], x: Float[Tensor, "B *S"], t: Float[Tensor, "B"]
) -> tuple[Float[Tensor, "B *S"], Float[Tensor, "B ..."]]:
    """The SDE that runs the process backwards.

        dx = (f(x, t) - g(t)² score) dt + g(t) dw̄,  dt < 0   (Anderson 1982; Song et al., arXiv:2011.13456, eq. 6)

    Args:
        sde: the forward process.
        score: the score at (x, t), a tensor.
        x: where we are.
        t: the time of each sample.

    Returns:
        (drift, diffusion) in forward time's sign: a step back in time multiplies the drift by a negative dt. The
        diffusion is (B, 1, ..., 1), a standard deviation.
    """
    ### BEGIN SOLUTION
    drift, diffusion = sde.coefficients(x, t)
    return drift - diffusion.square() * score, diffusion
    ### END SOLUTION


def euler_maruyama(
    sde: "VPSDE | VESDE",
    score_model: nn.Module,
    x_T: Float[Tensor, "B *S"],
    steps: int,
    t_end: float = 1e-3,
    generator: Generator | None = None,
) -> Float[Tensor, "B *S"]:
    """Rebuild data from static by the reverse SDE, on the uniform grid of `steps` steps from t = 1 down to t_end.

        x ← x + drift dt + diffusion √|dt| z,  dt = (t_end - 1) / steps,  no z on the last step
        (Song et al., arXiv:2011.13456, sec. 4.1)

    Each step takes its coefficients where it begins: `steps` calls of `score_model(x, t)`, with t of shape (B,) in x's
    dtype. Records no gradient; fresh noise for each step comes from `generator`.

    Args:
        sde: the forward process.
        score_model: answers the score.
        x_T: a draw of the prior, N(0, std(1)² I).
        steps: how many, at least 1.
        t_end: where to stop: at t = 0 the score may be infinite.
        generator: the source of the noise.
    """
    ### BEGIN SOLUTION
    x, dt = x_T, (t_end - 1) / steps
    with torch.no_grad():
        for step in range(steps):
            t = x.new_full((len(x),), 1 + step * dt)
            drift, diffusion = reverse_coefficients(sde, score_model(x, t), x, t)
            x = x + drift * dt
            if step < steps - 1:
                noise = torch.randn(x.shape, dtype=x.dtype, device=x.device, generator=generator)
                x = x + diffusion * abs(dt) ** 0.5 * noise
    return x
    ### END SOLUTION


def probability_flow_drift(
    sde: "VPSDE | VESDE", score: Float[Tensor, "B *S"], x: Float[Tensor, "B *S"], t: Float[Tensor, "B"]
) -> Float[Tensor, "B *S"]:
    """The velocity of the ODE that carries the same densities p_t as the SDE, without any noise.

        dx/dt = f(x, t) - ½ g(t)² score                      (Song et al., arXiv:2011.13456, eq. 13)

    Args:
        sde: the forward process.
        score: the score at (x, t), a tensor.
        x: where we are.
        t: the time of each sample.
    """
    ### BEGIN SOLUTION
    drift, diffusion = sde.coefficients(x, t)
    return drift - diffusion.square() / 2 * score
    ### END SOLUTION


def ode_sample(
    sde: "VPSDE | VESDE", score_model: nn.Module, x_T: Float[Tensor, "B *S"], steps: int, t_end: float = 1e-3
) -> Float[Tensor, "B *S"]:
    """Rebuild data from static by the probability-flow ODE, on `euler_maruyama`'s grid, with Heun's method.

        slope_1 = v(x, t);  slope_2 = v(x + dt slope_1, t + dt);  x ← x + dt (slope_1 + slope_2) / 2
        (Heun 1900; Song et al., arXiv:2011.13456, sec. 4.3)

    Every step is of second order, the last one too: at most `2 * steps` calls of `score_model(x, t)`, with t of shape
    (B,) in x's dtype. Records no gradient.

    Args:
        sde: the forward process.
        score_model: answers the score.
        x_T: a draw of the prior, N(0, std(1)² I).
        steps: how many, at least 1.
        t_end: where to stop: at t = 0 the score may be infinite.
    """
    ### BEGIN SOLUTION

    def slope(x: Tensor, time: float) -> Tensor:
        t = x.new_full((len(x),), time)
        return probability_flow_drift(sde, score_model(x, t), x, t)

    x, dt = x_T, (t_end - 1) / steps
    with torch.no_grad():
        for step in range(steps):
            first = slope(x, 1 + step * dt)
            second = slope(x + dt * first, 1 + (step + 1) * dt)
            x = x + dt * (first + second) / 2
    return x
    ### END SOLUTION


def langevin_correct(
    x: Float[Tensor, "B *S"], score: Float[Tensor, "B *S"], snr: float, noise: Float[Tensor, "B *S"]
) -> Float[Tensor, "B *S"]:
    """One step of Langevin dynamics, which moves samples towards p_t without changing the time.

        x + η score + √(2 η) z,  η = 2 (snr ‖z‖ / ‖score‖)²  (Song et al., arXiv:2011.13456, algorithms 4 and 5, α = 1)

    Args:
        x: where we are.
        score: the score at x, a tensor.
        snr: the wanted ratio of the push to the noise, a float.
        noise: z, standard normal.

    ‖·‖ is the mean over the batch of the samples' L2 norms, each over all the axes of a sample.
    """
    ### BEGIN SOLUTION
    noise_norm, score_norm = (batch.flatten(1).norm(dim=1).mean() for batch in (noise, score))
    step = 2 * (snr * noise_norm / score_norm) ** 2
    return x + step * score + (2 * step).sqrt() * noise
    ### END SOLUTION


def hutchinson_divergence(
    fn: Callable[[Tensor], Tensor], x: Float[Tensor, "B *S"], probe: Float[Tensor, "B *S"]
) -> Float[Tensor, "B"]:
    """Estimate the divergence of fn at each sample with one probe: probe · (∂fn/∂x) probe.

        E[probe · J probe] = tr J  if E[probe probeᵀ] = I      (Hutchinson 1990; FFJORD, arXiv:1810.01367, eq. 7)

    One vector-Jacobian product, probeᵀ J, whatever the size of a sample. The result need not carry a gradient.

    Args:
        fn: a function of a batch, each sample's output depending on that sample alone.
        x: where.
        probe: independent numbers of mean 0 and variance 1, say +1 or -1.
    """
    ### BEGIN SOLUTION
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        (product,) = torch.autograd.grad(fn(x), x, probe)
    return (product * probe).flatten(1).sum(1)
    ### END SOLUTION


def log_likelihood(
    sde: "VPSDE | VESDE",
    score_model: nn.Module,
    x: Float[Tensor, "B *S"],
    steps: int,
    probe: Float[Tensor, "B *S"],
    t_start: float = 1e-5,
) -> Float[Tensor, "B"]:
    """How probable each sample is: log p(x) in nats, a density over all the axes of a sample.

        log p(x) = log N(x(1); 0, std(1)² I) + ∫ div v(x(t), t) dt      (Song et al., arXiv:2011.13456, eq. 39)

    along the probability-flow ODE dx/dt = v(x, t) from x at t_start up to t = 1, in `steps` uniform steps of a method of
    order 2 or better. The divergence is estimated with the same `probe` at all times. Need not carry a gradient.

    Args:
        sde: the forward process.
        score_model: answers the score.
        x: data.
        steps: how many, at least 1.
        probe: independent numbers of mean 0 and variance 1, say +1 or -1.
        t_start: where to start: at t = 0 the score may be infinite.
    """
    ### BEGIN SOLUTION

    def rates(x: Tensor, time: float) -> tuple[Tensor, Tensor]:
        """The velocity, and its divergence."""
        t = x.new_full((len(x),), time)

        def velocity(x: Tensor) -> Tensor:
            return probability_flow_drift(sde, score_model(x, t), x, t)

        return velocity(x), hutchinson_divergence(velocity, x, probe)

    dt = (1 - t_start) / steps
    integral = x.new_zeros(len(x))
    with torch.no_grad():
        for step in range(steps):
            first, first_divergence = rates(x, t_start + step * dt)
            second, second_divergence = rates(x + dt * first, t_start + (step + 1) * dt)
            x = x + dt * (first + second) / 2
            integral = integral + dt * (first_divergence + second_divergence) / 2
        _, std = sde.marginal(x.new_ones(len(x)), x)
        return Normal(0, std).log_prob(x).flatten(1).sum(1) + integral
    ### END SOLUTION
