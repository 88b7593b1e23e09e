"""Different: on top of diffusers: its scheduler's schedules, velocity and steps, and its U-Net; other parts are left out."""

import torch
from diffusers import DDPMScheduler, UNet2DModel
from diffusers.schedulers.scheduling_ddpm import rescale_zero_terminal_snr
from torch import nn

PREDICTIONS = {"eps": "epsilon", "x0": "sample", "v": "v_prediction"}


def scheduler(betas=None, alpha_bar=None, **options):
    """A scheduler with these tables; its own constructor would round the betas to float32."""
    if alpha_bar is None:
        alpha_bar = torch.cumprod(1 - betas.double(), dim=0)
    made = DDPMScheduler(num_train_timesteps=len(alpha_bar), **({"clip_sample": False} | options))
    made.alphas_cumprod = alpha_bar
    made.set_timesteps(len(alpha_bar))
    return made


def linear_schedule(T, beta_start=1e-4, beta_end=0.02):
    if T < 1:
        raise ValueError(f"T is {T}, less than 1")
    return DDPMScheduler(T, beta_start, beta_end, beta_schedule="linear").betas


def zero_terminal_snr(betas):
    return rescale_zero_terminal_snr(betas.clone())


def velocity(x0, eps, t, alpha_bar):
    return scheduler(alpha_bar=alpha_bar).get_velocity(x0, eps, t)


def to_x0(prediction, x_t, t, alpha_bar, kind):
    if kind not in PREDICTIONS:
        raise ValueError(f"kind is {kind!r}, not one of {list(PREDICTIONS)}")
    made = scheduler(alpha_bar=alpha_bar, prediction_type=PREDICTIONS[kind])
    rows = [
        made.step(p[None], int(s), x[None]).pred_original_sample for p, s, x in zip(prediction, t, x_t, strict=True)
    ]
    return torch.cat(rows).to(x_t.dtype)


@torch.no_grad()
def ancestral_sample(model, x_T, betas, kind="eps", variance="small", clip=False, generator=None):
    if kind not in PREDICTIONS:
        raise ValueError(f"kind is {kind!r}, not one of {list(PREDICTIONS)}")
    if variance not in ("small", "large"):
        raise ValueError(f"variance is {variance!r}, neither 'small' nor 'large'")
    options = {"prediction_type": PREDICTIONS[kind], "variance_type": f"fixed_{variance}", "clip_sample": clip}
    made, x = scheduler(betas, **options), x_T
    for t in made.timesteps:
        x = made.step(model(x, t.repeat(len(x))), t, x, generator=generator).prev_sample.to(x_T.dtype)
    return x


class UNet(nn.Module):
    """diffusers' own, made to begin with zero; its skips, its attention in the middle, its time and class embedding."""

    def __init__(self, in_channels=1, width=32, multipliers=(1, 2, 2), classes=None):
        super().__init__()
        levels = len(multipliers)
        self.net = UNet2DModel(
            in_channels=in_channels,
            out_channels=in_channels,
            block_out_channels=tuple(width * multiplier for multiplier in multipliers),
            down_block_types=("DownBlock2D",) * levels,
            up_block_types=("UpBlock2D",) * levels,
            layers_per_block=1,
            norm_num_groups=8,
            attention_head_dim=8,
            num_class_embeds=classes,
        )
        nn.init.zeros_(self.net.conv_out.weight)
        nn.init.zeros_(self.net.conv_out.bias)

    def forward(self, x, t, y=None):
        return self.net(x, t, class_labels=y).sample
