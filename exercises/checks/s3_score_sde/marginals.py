"""What the checks ask of an sde that the learner wrote."""

import torch
from torch import Generator, Tensor

from exercises.checks import cases, expect
from exercises.checks.s3_score_sde.inputs import times
from exercises.checks.s3_score_sde.rules import JUMP, KEEP, MOVE, PARAMETERS, SINGLE


def marginal(sde, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """(mean_coef, std), seen to be of the right shape and dtype."""
    mean_coef, std = expect.tensors(sde.marginal(t, like), 2, JUMP, ("mean coefficient", "std"))
    for part in (mean_coef, std):
        expect.tensor(part, JUMP, shape=(len(t), *[1] * (like.ndim - 1)), dtype=like.dtype, device=like.device)
        expect.finite(part, JUMP)
    return mean_coef, std


def coefficients(sde, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """(drift, diffusion), seen to be of the right shape and dtype."""
    drift, diffusion = expect.tensors(sde.coefficients(x, t), 2, MOVE, ("drift", "diffusion"))
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


def compared(code_marginal, want: tuple[Tensor, Tensor], why: str, **near: float) -> None:
    for part, exact in zip(code_marginal, want, strict=True):
        expect.close(part, exact, why, **(near or PARAMETERS))
