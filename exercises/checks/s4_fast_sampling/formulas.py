"""The papers' formulas, in float64 and one level at a time, for what the checks of section 4 expect."""

import math

import torch
from torch import Tensor


def trailing(T: int, n: int) -> list[int]:
    """The trailing steps, where none of them falls on a half."""
    return [round(T - i * T / n) - 1 for i in range(n)]


def level(table: Tensor, t: int) -> float:
    """ᾱ at level t, 1 for clean data."""
    return table[t].item() if t >= 0 else 1.0


def clean(x: Tensor, eps: Tensor, a: float) -> Tensor:
    """The x_0 of which x is the noised version, if eps is its noise."""
    return (x.double() - math.sqrt(1 - a) * eps.double()) / math.sqrt(a)


def fresh(a: float, b: float, eta: float) -> float:
    """DDIM's σ for a step from ᾱ = a to ᾱ = b."""
    return eta * math.sqrt((1 - b) / (1 - a) * (1 - a / b)) if eta else 0.0


def ddim(x: Tensor, eps: Tensor, a: float, b: float, eta: float = 0.0, noise: Tensor | None = None) -> Tensor:
    """A DDIM step from ᾱ = a to ᾱ = b; without noise its mean."""
    sigma = fresh(a, b, eta)
    mean = math.sqrt(b) * clean(x, eps, a) + math.sqrt(max(0.0, 1 - b - sigma**2)) * eps.double()
    return mean if noise is None else mean + sigma * noise.double()


def alpha_sigma(lam: float) -> tuple[float, float]:
    """α and σ of the variance-preserving process at λ."""
    return 1 / math.sqrt(1 + math.exp(-2 * lam)), 1 / math.sqrt(1 + math.exp(2 * lam))


def half_log(a: float) -> float:
    """λ at ᾱ = a."""
    return math.inf if a == 1 else 0.5 * math.log(a / (1 - a))


def multistep(x: Tensor, x0: Tensor, x0_prev: Tensor | None, lam_prev: float, lam_s: float, lam_t: float) -> Tensor:
    """A step of DPM-Solver++(2M), of first order where x0_prev is None or lam_t is infinite."""
    if math.isinf(lam_t):
        return x0.double()
    (_, sigma_s), (alpha_t, sigma_t) = alpha_sigma(lam_s), alpha_sigma(lam_t)
    h, used = lam_t - lam_s, x0.double()
    if x0_prev is not None:
        used = used + h / (2 * (lam_s - lam_prev)) * (x0.double() - x0_prev.double())
    return sigma_t / sigma_s * x.double() + alpha_t * (1 - math.exp(-h)) * used


def flow(x: Tensor, mean: float, variance: float, start: tuple[float, float], end: tuple[float, float]) -> Tensor:
    """Where the exact flow of data from N(mean, variance) carries x, from (α, σ) to (α, σ).

    As many standard deviations from the mean as before.
    """
    spread = [math.sqrt(alpha**2 * variance + sigma**2) for alpha, sigma in (start, end)]
    return end[0] * mean + spread[1] / spread[0] * (x - start[0] * mean)


def order(errors: list[Tensor]) -> float:
    """The order of convergence that two errors show, of which the second was made with half the step."""
    coarse, fine = (float(error.abs().max()) for error in errors)
    return math.log2(max(coarse, 1e-300) / max(fine, 1e-300)) if math.isfinite(coarse + fine) else math.nan


def stacked(states: list[Tensor]) -> Tensor:
    return torch.stack([state.detach() for state in states])
