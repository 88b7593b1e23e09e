"""Different: on top of diffusers: its scheduler noises and steps, its guidance rescale; other parts are left out."""

import torch
from diffusers import DDIMScheduler, DDPMScheduler
from diffusers.guiders.guider_utils import rescale_noise_cfg


def noised(x0, t, noise, alpha_bar):
    made = DDPMScheduler(num_train_timesteps=len(alpha_bar))
    made.alphas_cumprod = alpha_bar
    return made.add_noise(x0, noise, t)


def noisy_classifier_loss(classifier, x0, y, t, noise, alpha_bar):
    return torch.nn.functional.cross_entropy(classifier(noised(x0, t, noise, alpha_bar), t), y)


def cfg_loss(model, x0, y, t, noise, alpha_bar, null, p, generator=None):
    labels = torch.where(torch.rand(y.shape, generator=generator) < p, torch.full_like(y, null), y)
    return torch.nn.functional.mse_loss(model(noised(x0, t, noise, alpha_bar), t, labels), noise)


def guided_eps(model, x_t, t, y, null, scale):
    """As in its pipelines: the unconditional half comes first."""
    if isinstance(scale, torch.Tensor):
        scale = scale.to(x_t.dtype)[(...,) + (None,) * (x_t.ndim - 1)]
    noise_pred = model(torch.cat([x_t] * 2), torch.cat([t] * 2), torch.cat([torch.full_like(y, null), y]))
    noise_pred_uncond, noise_pred_text = noise_pred.chunk(2)
    return noise_pred_uncond + scale * (noise_pred_text - noise_pred_uncond)


def rescale_guidance(guided, conditional, phi):
    return rescale_noise_cfg(guided, conditional, guidance_rescale=phi)


@torch.no_grad()
def guided_sample(model, x_T, y, alpha_bar, null, scale, n):
    """Its scheduler steps by T // n levels, which is wrong where n does not divide T: give it a table of the n levels."""
    T, x = len(alpha_bar), x_T
    levels = [round(T - i * T / n) - 1 for i in range(n)]
    made = DDIMScheduler(num_train_timesteps=n, clip_sample=False, set_alpha_to_one=True)
    made.alphas_cumprod, made.final_alpha_cumprod = alpha_bar[levels[::-1]], torch.tensor(1.0)
    made.set_timesteps(n)
    for step, level in zip(made.timesteps, levels, strict=True):
        eps = guided_eps(model, x, torch.full_like(y, level), y, null, scale)
        x = made.step(eps, step, x).prev_sample
    return x
