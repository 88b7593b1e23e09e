"""Different: autoencoder, transformer blocks, positions, noising and DDIM are the library's."""

import diffusers
import torch
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.attention_processor import Attention as LibraryAttention
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.models.embeddings import LabelEmbedding, Timesteps, get_2d_sincos_pos_embed
from torch import nn


def reparameterize(mean, logvar, noise):
    latent = DiagonalGaussianDistribution(torch.cat([mean, logvar], dim=1))
    return latent.mean + latent.std * noise


def kl_standard_normal(mean, logvar):
    rows = mean.flatten(1)[:, :, None, None], logvar.flatten(1)[:, :, None, None]  # the library's wants pictures
    return DiagonalGaussianDistribution(torch.cat(rows, dim=1)).kl()


def vae_loss(recon, x, mean, logvar, beta=1e-3):
    error = nn.functional.mse_loss(recon, x, reduction="none").sum() / len(x)
    return error + beta * kl_standard_normal(mean, logvar).mean()


class Autoencoder(nn.Module):
    def __init__(self, in_channels=1, latent_channels=4, width=32):
        super().__init__()
        self.kl = diffusers.AutoencoderKL(
            in_channels,
            in_channels,
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            block_out_channels=(width, width, 2 * width),
            latent_channels=latent_channels,
            norm_num_groups=8,
        )

    def encode(self, x):
        latent = self.kl.encode(x).latent_dist
        return latent.mean, latent.logvar

    def decode(self, z):
        return self.kl.decode(z).sample

    def forward(self, x, noise):
        latent = self.kl.encode(x).latent_dist
        return self.decode(latent.mean + latent.std * noise), latent.mean, latent.logvar


def position_embedding_2d(side, dim):
    if dim % 4 != 0:
        raise ValueError("dim must be a multiple of 4")
    return get_2d_sincos_pos_embed(dim, side, base_size=side, output_type="pt").float()


class Attention(nn.Module):
    def __init__(self, dim, heads, context_dim=None):
        super().__init__()
        if dim % heads:
            raise ValueError("heads must divide dim")
        self.attention = LibraryAttention(dim, context_dim, heads=heads, dim_head=dim // heads)

    def forward(self, x, context=None):
        return self.attention(x, encoder_hidden_states=context)


class DiTBlock(nn.Module):
    """The library's attention and feed-forward; its adaLN-Zero is not zero at first, so the modulation is our own."""

    def __init__(self, dim, heads, mlp_ratio=4.0):
        super().__init__()
        self.attention = LibraryAttention(dim, heads=heads, dim_head=dim // heads, bias=True)
        self.mlp = diffusers.models.attention.FeedForward(dim, inner_dim=int(dim * mlp_ratio), activation_fn="geglu")
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(dim, 6 * dim))
        nn.init.zeros_(self.modulation[1].weight)
        nn.init.zeros_(self.modulation[1].bias)

    def forward(self, x, c):
        shift, scale, gate, shift2, scale2, gate2 = self.modulation(c)[:, None].chunk(6, dim=2)
        x = x + gate * self.attention(nn.functional.layer_norm(x, x.shape[2:]) * (1 + scale) + shift)
        return x + gate2 * self.mlp(nn.functional.layer_norm(x, x.shape[2:]) * (1 + scale2) + shift2)


class DiT(nn.Module):
    def __init__(self, side, patch, channels, dim, depth, heads, classes):
        super().__init__()
        self.cut = diffusers.models.embeddings.PatchEmbed(side, side, patch, channels, dim)
        self.patch, self.channels = patch, channels
        self.clocks = Timesteps(dim, flip_sin_to_cos=True, downscale_freq_shift=0)
        self.time = diffusers.models.embeddings.TimestepEmbedding(dim, dim)
        self.label = LabelEmbedding(classes, dim, dropout_prob=0.1).embedding_table
        self.blocks = nn.ModuleList([DiTBlock(dim, heads) for _ in range(depth)])
        self.leave = nn.Linear(dim, patch * patch * channels)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x, t, y):
        c = self.time(self.clocks(t).to(x.dtype)) + self.label(y)
        h = self.cut(x)
        for block in self.blocks:
            h = block(h, c)
        patches = self.leave(nn.functional.layer_norm(h, h.shape[2:]))
        side = x.shape[2] // self.patch
        patches = patches.reshape(len(x), side, side, self.patch, self.patch, self.channels)
        return torch.einsum("nhwpqc->nchpwq", patches).reshape(x.shape)


class SpatialTransformer(nn.Module):
    def __init__(self, channels, heads, context_dim):
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.proj_in, self.proj_out = nn.Conv2d(channels, channels, 1), nn.Conv2d(channels, channels, 1)
        self.block = BasicTransformerBlock(channels, heads, channels // heads, cross_attention_dim=context_dim)

    def forward(self, x, context):
        h = self.proj_in(self.norm(x)).flatten(2).transpose(1, 2)
        h = self.block(h, encoder_hidden_states=context)
        return self.proj_out(h.transpose(1, 2).reshape(x.shape)) + x


def scheduler_of(alpha_bar):
    """The library's DDIM on any table of alpha_bar, trailing, ending at clean data."""
    scheduler = diffusers.DDIMScheduler(
        num_train_timesteps=len(alpha_bar), timestep_spacing="trailing", clip_sample=False, set_alpha_to_one=True
    )
    scheduler.alphas_cumprod = alpha_bar
    scheduler.final_alpha_cumprod = torch.ones((), dtype=alpha_bar.dtype)
    return scheduler


def latent_loss(model, autoencoder, x, y, t, noise, alpha_bar, scale):
    with torch.no_grad():
        z0 = autoencoder.encode(x)[0] * scale
    z_t = scheduler_of(alpha_bar).add_noise(z0, noise, t)
    return nn.functional.mse_loss(model(z_t, t, y), noise)


@torch.no_grad()
def generate(model, autoencoder, z_T, y, null, alpha_bar, scale, guidance, n):
    scheduler, z, dtype = scheduler_of(alpha_bar.double()), z_T, z_T.dtype
    scheduler.set_timesteps(n)
    times = scheduler.timesteps.tolist()[:n]  # for some T and n the library's strides of floats come to n + 1
    for time, to in zip(times, [*times[1:], -1], strict=True):
        t = torch.full((2 * len(z),), time, dtype=torch.int64)
        eps, eps_y = model(torch.cat([z, z]), t, torch.cat([torch.full_like(y, null), y])).chunk(2)
        eps = eps + guidance * (eps_y - eps)
        # The library's step goes T // n levels down, wherever the next time is: two calls of its parts, to land on that
        clean = scheduler.step(eps.double(), time, z.double()).pred_original_sample
        z = clean if to < 0 else scheduler.add_noise(clean, eps.double(), torch.full((len(z),), to))
        z = z.to(dtype)
    return autoencoder.decode(z / scale).clamp(-1, 1)
