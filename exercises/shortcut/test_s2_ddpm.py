"""Section 2 in the library that you will use: your functions give the numbers of diffusers' DDPMScheduler."""

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

BETAS = torch.linspace(0.01, 0.2, 20)
"""Not from 1e-4, as usual: the scheduler keeps its tables in float32, where 1 - ᾱ would lose half of its digits."""
CLOSE = {"rtol": 1e-4, "atol": 2e-5}
"""Float32 tables: 1 - ᾱ at the first level, 0.01, is known to 1e-7 / 0.01, and a few operations follow."""
PREDICTIONS = {"eps": "epsilon", "x0": "sample", "v": "v_prediction"}
"""What the library calls the three kinds."""

Says = Callable[[str, object], None]


@pytest.fixture
def diffusers():
    return pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'diffusers>=0.30'")


@pytest.mark.needs("linear_schedule", "cosine_schedule")
def test_its_betas_are_your_schedules(code, diffusers, record_property: Says) -> None:
    theirs = {name: diffusers.DDPMScheduler(1000, beta_schedule=name).betas for name in ("linear", "squaredcos_cap_v2")}
    torch.testing.assert_close(code.linear_schedule(1000), theirs["linear"], rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(code.cosine_schedule(1000), theirs["squaredcos_cap_v2"], rtol=1e-5, atol=1e-8)
    record_property(
        "says", 'its beta_schedule "linear" is your linear_schedule, "squaredcos_cap_v2" your cosine_schedule'
    )


@pytest.mark.needs("zero_terminal_snr")
def test_rescale_betas_zero_snr_is_zero_terminal_snr(code, diffusers, record_property: Says) -> None:
    made = diffusers.DDPMScheduler(20, trained_betas=BETAS.tolist(), rescale_betas_zero_snr=True)
    torch.testing.assert_close(code.zero_terminal_snr(BETAS), made.betas, **CLOSE)
    record_property("says", "rescale_betas_zero_snr=True mends the betas as your zero_terminal_snr does")


@pytest.mark.needs("velocity")
def test_get_velocity_is_velocity(code, rng: Generator, diffusers, record_property: Says) -> None:
    made = diffusers.DDPMScheduler(20, trained_betas=BETAS.tolist())
    x0, eps = torch.randn(2, 20, 3, 4, generator=rng)
    t = torch.randperm(20, generator=rng)
    yours = code.velocity(x0, eps, t, torch.cumprod(1 - BETAS, dim=0))
    torch.testing.assert_close(yours, made.get_velocity(x0, eps, t), **CLOSE)
    record_property("says", "diffusers.DDPMScheduler.get_velocity gives the numbers of your velocity")


@pytest.mark.needs("ancestral_sample")
def test_its_loop_is_your_sampler(code, rng: Generator, diffusers, record_property: Says) -> None:
    """Given the same noise, step by step: a sampler that draws its noise otherwise is as good, and is not compared."""
    x_T, seed = torch.randn(5, 3, 4, generator=rng), int(torch.randint(2**31, (), generator=rng))

    def model(x_t: Tensor, t: Tensor) -> Tensor:
        return 0.5 * x_t - 0.1

    for kind, variance, clip in itertools.product(PREDICTIONS, ("small", "large"), (False, True)):
        made = diffusers.DDPMScheduler(
            20,
            trained_betas=BETAS.tolist(),
            prediction_type=PREDICTIONS[kind],
            variance_type=f"fixed_{variance}",
            clip_sample=clip,
        )
        theirs, generator = x_T, Generator().manual_seed(seed)
        for t in made.timesteps:
            theirs = made.step(model(theirs, t), t, theirs, generator=generator).prev_sample
        yours = code.ancestral_sample(model, x_T, BETAS, kind, variance, clip, Generator().manual_seed(seed))
        if not torch.allclose(yours, theirs, rtol=1e-3, atol=1e-3):
            pytest.skip("your sampler draws its noise in another order than the library, which is as good")
    record_property(
        "says", "its loop gives the samples of your ancestral_sample, whatever is predicted, added and clipped"
    )
