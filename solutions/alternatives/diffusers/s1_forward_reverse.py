"""Different: on top of diffusers, whose DDPMScheduler adds the noise and steps back; what it has no call for is left out."""

import torch
from diffusers import DDPMScheduler
from diffusers.models.embeddings import get_timestep_embedding


def scheduler(betas=None, alpha_bar=None):
    """A scheduler with these tables; its own constructor would round the betas to float32."""
    if alpha_bar is None:
        alpha_bar = torch.cumprod(1 - betas.double(), dim=0)
    made = DDPMScheduler(num_train_timesteps=len(alpha_bar), variance_type="fixed_small", clip_sample=False)
    made.alphas_cumprod = alpha_bar
    made.set_timesteps(len(alpha_bar))
    return made


def compute_alpha_bar(betas):
    return scheduler(betas).alphas_cumprod.to(betas.dtype)


def q_sample(x0, t, noise, alpha_bar):
    return scheduler(alpha_bar=alpha_bar).add_noise(x0, noise, t)


def forward_step(x, beta, noise):
    """One step is the jump to level 0 of a schedule that has only this step."""
    betas = torch.as_tensor(beta).reshape(1)
    return q_sample(x, torch.zeros(len(x), dtype=torch.int64), noise, 1 - betas.double())


def predict_x0(x_t, t, eps, alpha_bar):
    """The scheduler guesses x_0 on the way to its step, for one level at a time."""
    made = scheduler(alpha_bar=alpha_bar)
    rows = [made.step(e[None], int(s), x[None]).pred_original_sample for x, s, e in zip(x_t, t, eps, strict=True)]
    return torch.cat(rows)


def simple_loss(model, x0, t, noise, alpha_bar):
    return torch.nn.functional.mse_loss(model(q_sample(x0, t, noise, alpha_bar), t), noise)


def timestep_embedding(t, dim, max_period=10000.0):
    embedding = get_timestep_embedding(t, dim, flip_sin_to_cos=True, downscale_freq_shift=0, max_period=max_period)
    if not t.is_floating_point():
        return embedding
    exponents = torch.arange(dim // 2, dtype=torch.float64) / (dim // 2)  # diffusers computes in float32 only
    angles = t[:, None].double() * float(max_period) ** -exponents
    return torch.cat([angles.cos(), angles.sin()], dim=1).to(t.dtype)


@torch.no_grad()
def sample(model, x_T, betas, generator=None):
    made, x = scheduler(betas), x_T
    for t in made.timesteps:
        eps = model(x, t.repeat(len(x)))
        x = made.step(eps, t, x, generator=generator).prev_sample
    return x
