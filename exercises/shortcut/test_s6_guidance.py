"""Section 6 in the library that you will use: diffusers' guiders and its DDIM scheduler come to your numbers."""

from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

from exercises.toolkit.labelled import THREE

BETAS = torch.linspace(1e-3, 0.2, 100)
ALPHA_BAR = torch.cumprod(1 - BETAS, dim=0)
STEPS = 10
FLOAT32 = {"rtol": 1e-4, "atol": 1e-4}
"""diffusers keeps its levels in float32, good to 1e-7; at the last level that is divided by the root of 2e-5, and a scale of up to
7.5 and ten steps follow."""

Says = Callable[[str, object], None]


@pytest.fixture
def diffusers():
    return pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'diffusers>=0.30'")


@pytest.fixture
def guiders():
    reason = "diffusers is not installed, or has no guiders yet: pip install 'diffusers>=0.35'"
    return pytest.importorskip("diffusers.guiders", reason=reason)


@pytest.fixture
def rescale_noise_cfg(diffusers):
    """Stable Diffusion's; where transformers is absent, which that pipeline wants, the guiders' copy of it."""
    for home in ("diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion", "diffusers.guiders.guider_utils"):
        try:
            return pytest.importorskip(home, exc_type=ImportError).rescale_noise_cfg
        except pytest.skip.Exception:
            continue
    pytest.skip("diffusers' rescale_noise_cfg wants transformers: pip install transformers")


def model(x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
    """Nothing has to be trained: the best guess for three labels is known."""
    return THREE.eps(x_t.double(), t, y, ALPHA_BAR.double()).to(x_t.dtype)


def asked(rng: Generator, count: int = 12) -> tuple[Tensor, Tensor, Tensor]:
    """Places, levels and labels."""
    t = torch.randint(len(BETAS), (count,), generator=rng)
    return torch.randn(count, 2, generator=rng), t, torch.randint(3, (count,), generator=rng)


@pytest.mark.needs("guided_eps")
def test_its_guider_is_your_guided_eps_in_both_conventions(
    code, rng: Generator, guiders, record_property: Says
) -> None:
    x_t, t, y = asked(rng)
    cond, uncond = model(x_t, t, y), model(x_t, t, torch.full_like(y, THREE.null))
    for scale in (0.5, 2.0, 7.5):
        yours = code.guided_eps(model, x_t, t, y, THREE.null, scale)
        for original, told in ((False, scale), (True, scale - 1)):
            guider = guiders.ClassifierFreeGuidance(guidance_scale=told, use_original_formulation=original)
            torch.testing.assert_close(yours, guider.forward(cond, uncond).pred, rtol=1e-4, atol=1e-5)
    record_property("says", "diffusers.guiders.ClassifierFreeGuidance is your guided_eps: at your scale, or by the paper's count at scale - 1")  # fmt: skip


@pytest.mark.needs("negative_guided_eps")
def test_a_negative_prompt_is_your_negative_guided_eps(code, rng: Generator, guiders, record_property: Says) -> None:
    """In diffusers the negative prompt takes the place of the empty one."""
    x_t, t, y = asked(rng)
    away = (y + 1) % THREE.null
    theirs = guiders.ClassifierFreeGuidance(guidance_scale=3.0).forward(model(x_t, t, y), model(x_t, t, away)).pred
    yours = code.negative_guided_eps(model, x_t, t, y, away, 3.0)
    torch.testing.assert_close(yours, theirs, rtol=1e-4, atol=1e-5)
    record_property(
        "says", "a negative prompt in diffusers, in the place of the empty one, is your negative_guided_eps"
    )


@pytest.mark.needs("rescale_guidance")
def test_rescale_noise_cfg_is_your_rescale_guidance(
    code, rng: Generator, rescale_noise_cfg, record_property: Says
) -> None:
    guided, conditional = torch.randn(2, 5, 3, 4, 6, generator=rng)
    guided = guided * torch.tensor([0.5, 1.0, 2.0, 4.0, 8.0])[:, None, None, None] + 0.3
    for phi in (0.0, 0.7, 1.0):
        theirs = rescale_noise_cfg(guided, conditional, guidance_rescale=phi)
        torch.testing.assert_close(code.rescale_guidance(guided, conditional, phi), theirs)
    record_property("says", "diffusers' rescale_noise_cfg gives the numbers of your rescale_guidance")


@pytest.mark.needs("guided_sample")
def test_guidance_by_hand_around_its_ddim_is_your_sampler(
    code, rng: Generator, diffusers, record_property: Says
) -> None:
    """Its levels begin at the last one, as yours, only if they are "trailing"."""
    x_T, y = torch.randn(12, 2, generator=rng), torch.arange(12) % 3
    for scale in (0.0, 1.0, 3.0):
        made = diffusers.DDIMScheduler(
            len(BETAS),
            trained_betas=BETAS.tolist(),
            timestep_spacing="trailing",
            clip_sample=False,
            set_alpha_to_one=True,
        )
        made.set_timesteps(STEPS)
        theirs = x_T
        for step in made.timesteps:
            t = torch.full((len(y),), int(step))
            eps_y, eps_null = model(theirs, t, y), model(theirs, t, torch.full_like(y, THREE.null))
            theirs = made.step(torch.lerp(eps_null, eps_y, scale), step, theirs, eta=0.0).prev_sample
        yours = code.guided_sample(model, x_T, y, ALPHA_BAR, THREE.null, scale, STEPS)
        torch.testing.assert_close(yours, theirs, **FLOAT32)
    record_property("says", "guidance by hand around diffusers.DDIMScheduler, with trailing levels, gives the samples of your guided_sample")  # fmt: skip
