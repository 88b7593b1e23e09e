"""Section 1 in the library that you will use: your functions give the numbers of diffusers' DDPMScheduler."""

from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

BETAS = torch.linspace(0.01, 0.2, 20)
"""Not from 1e-4, as usual: the scheduler keeps its tables in float32, where 1 - ᾱ would lose half of its digits."""
CLOSE = {"rtol": 1e-4, "atol": 1e-5}
"""Float32 tables: 1 - ᾱ at the first level, 0.01, is known to 1e-7 / 0.01, and a few operations follow."""


@pytest.fixture
def scheduler():
    """The library's noise schedule with our betas.

    By default it clips the predicted x0 to [-1, 1], which suits images and no other data.
    """
    diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'diffusers>=0.30'")
    return diffusers.DDPMScheduler(
        num_train_timesteps=len(BETAS),
        trained_betas=BETAS.tolist(),
        clip_sample=False,
        variance_type="fixed_small",
        prediction_type="epsilon",
    )


@pytest.mark.needs("compute_alpha_bar", "q_sample")
def test_add_noise_is_q_sample(code, rng: Generator, scheduler, record_property: Callable[[str, object], None]) -> None:
    x0, noise = torch.randn(2, len(BETAS), 3, 4, generator=rng)
    t = torch.randperm(len(BETAS), generator=rng)
    yours = code.q_sample(x0, t, noise, code.compute_alpha_bar(BETAS))
    torch.testing.assert_close(yours, scheduler.add_noise(x0, noise, t), **CLOSE)
    record_property("says", "diffusers.DDPMScheduler.add_noise gives the numbers of your q_sample")


@pytest.mark.needs("reverse_step")
def test_step_is_reverse_step(code, rng: Generator, scheduler, record_property: Callable[[str, object], None]) -> None:
    """The library steps a whole batch from one t; yours takes a t for each sample."""
    x_t, eps = torch.randn(2, len(BETAS), 3, 4, generator=rng)
    noise = torch.stack([_noise(level, x_t) for level in range(len(BETAS))])
    yours = code.reverse_step(x_t, torch.arange(len(BETAS)), eps, BETAS, noise)
    for level in range(len(BETAS)):
        step = scheduler.step(eps[[level]], level, x_t[[level]], generator=Generator().manual_seed(level))
        torch.testing.assert_close(yours[[level]], step.prev_sample, **CLOSE)
    record_property("says", "diffusers.DDPMScheduler.step gives the numbers of your reverse_step")


def _noise(level: int, x_t: Tensor) -> Tensor:
    """What the scheduler draws when it is given a generator with this level as its seed."""
    return torch.randn(x_t[[level]].shape, generator=Generator().manual_seed(level))[0]
