"""Toy worlds in which everything is known: data whose best possible denoiser is a formula.

With x_t = α x_0 + σ ε, α² = ᾱ_t and σ² = 1-ᾱ_t, the best guess of the noise is ε* = E[ε | x_t], and the score of the
noised data is -ε*/σ. All functions take a batch (B, *S) with its levels (B,), like the course's.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from exercises.toolkit.extract import extract


@dataclass(frozen=True)
class Gaussian:
    """Every number in a sample is drawn from N(mean, variance), independently of the others."""

    mean: float
    variance: float

    def sample(self, *shape: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw clean data of this shape, in float64."""
        return self.mean + self.variance**0.5 * torch.randn(shape, dtype=torch.float64, generator=generator)

    def eps(
        self, x_t: Float[Tensor, "B *S"], t: Int[Tensor, "B"], alpha_bar: Float[Tensor, "T"]
    ) -> Float[Tensor, "B *S"]:
        """ε* = σ (x_t - α mean) / (α² variance + σ²)."""
        a = extract(alpha_bar, t, x_t)
        return (1 - a).sqrt() * (x_t - a.sqrt() * self.mean) / (a * self.variance + 1 - a)

    def score(
        self, x_t: Float[Tensor, "B *S"], t: Int[Tensor, "B"], alpha_bar: Float[Tensor, "T"]
    ) -> Float[Tensor, "B *S"]:
        """The gradient of log p_t at x_t: -(x_t - α mean) / (α² variance + σ²)."""
        return -self.eps(x_t, t, alpha_bar) / (1 - extract(alpha_bar, t, x_t)).sqrt()

    def ancestral(self, betas: Float[Tensor, "T"], mean: float = 0.0, variance: float = 1.0) -> tuple[float, float]:
        """Mean and variance of what ancestral sampling with ε* makes of x_T ~ N(mean, variance).

        With ε* and the posterior variance β̃_t each step is affine with Gaussian noise,
        x_{t-1} = k (x_t - √ᾱ_t m) + √ᾱ_{t-1} m + √β̃_t z,  k = (1 - β_t / (ᾱ_t λ + 1 - ᾱ_t)) / √α_t,
        for data from N(m, λ), so mean and variance follow exactly.
        """
        level = 1.0
        steps = []
        for beta in betas.tolist():
            steps.append((beta, level, level * (1 - beta)))
            level *= 1 - beta
        for beta, before, after in reversed(steps):
            k = (1 - beta / (after * self.variance + 1 - after)) / (1 - beta) ** 0.5
            mean = k * (mean - after**0.5 * self.mean) + before**0.5 * self.mean
            variance = k**2 * variance + beta * (1 - before) / (1 - after)
        return mean, variance


@dataclass(frozen=True)
class Mixture:
    """A sample is drawn around one of K centres: N(centres[k], variances[k] I) with probability weights[k].

    Attributes:
        centres: (K, *S), for samples of shape S.
        variances: (K,).
        weights: (K,), summing to 1.
    """

    centres: Float[Tensor, "K *S"]
    variances: Float[Tensor, "K"]
    weights: Float[Tensor, "K"]

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw `count` clean samples, in the dtype of the centres."""
        which = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        centres = self.centres[which]
        noise = torch.randn(centres.shape, dtype=centres.dtype, generator=generator)
        return centres + extract(self.variances.sqrt(), which, centres) * noise

    def eps(
        self, x_t: Float[Tensor, "B *S"], t: Int[Tensor, "B"], alpha_bar: Float[Tensor, "T"]
    ) -> Float[Tensor, "B *S"]:
        """ε* = σ Σ_k r_k (x_t - α c_k) / (α² λ_k + σ²), with r_k the probability that x_t comes from centre k."""
        offsets, spread, share = self._components(x_t, t, alpha_bar)
        pull = (share / spread).reshape(*share.shape, *[1] * (x_t.ndim - 1)) * offsets
        return (1 - extract(alpha_bar, t, x_t)).sqrt() * pull.sum(1)

    def x0(
        self, x_t: Float[Tensor, "B *S"], t: Int[Tensor, "B"], alpha_bar: Float[Tensor, "T"]
    ) -> Float[Tensor, "B *S"]:
        """E[x_0 | x_t] = Σ_k r_k (c_k + α λ_k (x_t - α c_k) / (α² λ_k + σ²)): with ε* it makes up x_t, also where ᾱ is 0."""
        offsets, spread, share = self._components(x_t, t, alpha_bar)
        shrink = extract(alpha_bar, t, x_t).sqrt().reshape(-1, 1) * self.variances.to(x_t) / spread
        ones = [1] * (x_t.ndim - 1)
        guesses = self.centres.to(x_t) + shrink.reshape(*shrink.shape, *ones) * offsets
        return (share.reshape(*share.shape, *ones) * guesses).sum(1)

    def score(
        self, x_t: Float[Tensor, "B *S"], t: Int[Tensor, "B"], alpha_bar: Float[Tensor, "T"]
    ) -> Float[Tensor, "B *S"]:
        """The gradient of log p_t at x_t: -ε* / σ."""
        return -self.eps(x_t, t, alpha_bar) / (1 - extract(alpha_bar, t, x_t)).sqrt()

    def log_density(
        self, x_t: Float[Tensor, "B *S"], t: Int[Tensor, "B"], alpha_bar: Float[Tensor, "T"]
    ) -> Float[Tensor, "B"]:
        """Log p_t(x_t), in nats."""
        offsets, spread, _ = self._components(x_t, t, alpha_bar)
        return torch.logsumexp(self._log_joint(offsets, spread), dim=1)

    def _components(self, x_t: Tensor, t: Tensor, alpha_bar: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """For each sample and centre: x_t - α c_k (B, K, *S), its variance (B, K), and the responsibility (B, K)."""
        a = extract(alpha_bar, t, x_t)
        offsets = x_t[:, None] - a.sqrt()[:, None] * self.centres.to(x_t)
        level = a.reshape(-1, 1)
        spread = level * self.variances.to(x_t) + 1 - level
        return offsets, spread, torch.softmax(self._log_joint(offsets, spread), dim=1)

    def _log_joint(self, offsets: Tensor, spread: Tensor) -> Tensor:
        """Log of weights[k] N(x_t; α c_k, spread I), (B, K)."""
        squares = offsets.flatten(2).square().sum(2)
        dims = offsets[0, 0].numel()
        return self.weights.to(spread).log() - squares / (2 * spread) - dims / 2 * (2 * torch.pi * spread).log()


@dataclass(frozen=True)
class Correlated:
    """A sample is drawn from N(mean, covariance), the covariance having variances[k] along axes[:, k].

    Here a level is given by what an sde's marginal says of it, `mean_coef` and `std` (B, 1, ..., 1): with
    x_t = mean_coef x_0 + std ε the noised data has variance mean_coef² variances[k] + std² along axis k. Samples may
    have any shape with D elements.

    Attributes:
        mean: (D,).
        axes: (D, D), orthonormal columns.
        variances: (D,).
    """

    mean: Float[Tensor, "D"]
    axes: Float[Tensor, "D D"]
    variances: Float[Tensor, "D"]

    def sample(self, count: int, generator: torch.Generator | None = None) -> Float[Tensor, "count D"]:
        """Draw `count` clean samples, in the dtype of the mean."""
        noise = torch.randn(count, len(self.mean), dtype=self.mean.dtype, generator=generator)
        return self.mean + (noise * self.variances.sqrt()) @ self.axes.T

    def score(self, x_t: Float[Tensor, "B *S"], mean_coef: Tensor, std: Tensor) -> Float[Tensor, "B *S"]:
        """The gradient of log p_t at x_t."""
        along = self._along(x_t, mean_coef) / self._spread(mean_coef, std)
        return -(along @ self.axes.T.to(x_t)).reshape(x_t.shape)

    def log_density(self, x_t: Float[Tensor, "B *S"], mean_coef: Tensor, std: Tensor) -> Float[Tensor, "B"]:
        """Log p_t(x_t), in nats."""
        spread = self._spread(mean_coef, std)
        return torch.distributions.Normal(0, spread.sqrt()).log_prob(self._along(x_t, mean_coef)).sum(1)

    def flow(
        self, x: Float[Tensor, "B *S"], start: tuple[Tensor, Tensor], end: tuple[Tensor, Tensor]
    ) -> Float[Tensor, "B *S"]:
        """Where the probability-flow ODE carries x, from one level (mean_coef, std) to another.

        Along each axis an equal number of standard deviations from the mean as before.
        """
        along = self._along(x, start[0]) * (self._spread(*end) / self._spread(*start)).sqrt()
        return (end[0].flatten(1) * self.mean.to(x) + along @ self.axes.T.to(x)).reshape(x.shape)

    def expansion(
        self, probe: Float[Tensor, "B *S"], start: tuple[Tensor, Tensor], end: tuple[Tensor, Tensor]
    ) -> Tensor:
        """The integral of probe · J probe along that flow (B,), J being the Jacobian of the ODE's velocity.

        Along each axis J is half the slope of the logarithm of the variance.
        """
        growth = (self._spread(*end) / self._spread(*start)).log() / 2
        return ((probe.flatten(1) @ self.axes.to(probe)).square() * growth).sum(1)

    def _along(self, x_t: Tensor, mean_coef: Tensor) -> Tensor:
        """What x_t differs from its mean by, along each axis (B, D)."""
        return (x_t.flatten(1) - mean_coef.flatten(1) * self.mean.to(x_t)) @ self.axes.to(x_t)

    def _spread(self, mean_coef: Tensor, std: Tensor) -> Tensor:
        """The variance along each axis (B, D)."""
        return mean_coef.flatten(1).square() * self.variances.to(std) + std.flatten(1).square()


@dataclass(frozen=True)
class Labelled:
    """A mixture whose centres have labels: the best guess with a label, without one, and the best classifier.

    Labels count from 0, and the one after the last, `null`, stands for "no label".

    Attributes:
        mixture: the data, all labels together.
        labels: (K,), int64, the label of each centre; each label has a centre.
    """

    mixture: Mixture
    labels: Int[Tensor, "K"]

    @property
    def null(self) -> int:
        """How many labels there are, and the label that stands for none."""
        return int(self.labels.max()) + 1

    def of(self, label: int) -> Mixture:
        """The data with this label alone; all of it for `null`."""
        if label == self.null:
            return self.mixture
        own = self.labels == label
        weights = self.mixture.weights[own]
        return Mixture(self.mixture.centres[own], self.mixture.variances[own], weights / weights.sum())

    def eps(
        self, x_t: Float[Tensor, "B *S"], t: Int[Tensor, "B"], y: Int[Tensor, "B"], alpha_bar: Float[Tensor, "T"]
    ) -> Float[Tensor, "B *S"]:
        """ε* = E[ε | x_t, y], for each sample with its own label."""
        guesses = torch.stack([self.of(label).eps(x_t, t, alpha_bar) for label in range(self.null + 1)])
        return guesses[y, torch.arange(len(y), device=y.device)]

    def log_p(
        self, x_t: Float[Tensor, "B *S"], t: Int[Tensor, "B"], alpha_bar: Float[Tensor, "T"]
    ) -> Float[Tensor, "B null"]:
        """The best classifier of noised data: log p(label | x_t) for each label, in nats."""
        shares = [self.mixture.weights[self.labels == label].sum() for label in range(self.null)]
        joint = [self.of(label).log_density(x_t, t, alpha_bar) + share.log() for label, share in enumerate(shares)]
        return torch.stack(joint, dim=1).log_softmax(dim=1)
