"""Different: newer parts in every place: RMS norms, normalised queries and keys, gated MLPs, pixel shuffles, one matrix."""

import itertools

import torch
import torch.nn.functional as F
from torch import nn


def reparameterize(mean, logvar, noise):
    return torch.distributions.Normal(mean, (logvar * 0.5).exp()).mean + noise * torch.exp(logvar) ** 0.5


def kl_standard_normal(mean, logvar):
    variance = torch.exp(logvar)
    return torch.einsum("b...->b", (mean * mean + (variance - 1) - logvar) * 0.5)


def vae_loss(recon, x, mean, logvar, beta=1e-3):
    squares = torch.linalg.vector_norm((recon - x).flatten(1), dim=1) ** 2
    return squares.mean() + beta * kl_standard_normal(mean, logvar).mean()


class Autoencoder(nn.Module):
    """Both halvings at once, by shuffling 4 by 4 pixels into channels; ConvNeXt blocks around."""

    def __init__(self, in_channels=1, latent_channels=4, width=32):
        super().__init__()
        self.enter = nn.Conv2d(16 * in_channels, width, 1)
        self.inward, self.outward = nn.Sequential(_Next(width), _Next(width)), nn.Sequential(_Next(width), _Next(width))
        self.moments = nn.Conv2d(width, 2 * latent_channels, 1)
        self.open = nn.Conv2d(latent_channels, width, 1)
        self.leave = nn.Conv2d(width, 16 * in_channels, 1)

    def encode(self, x):
        moments = self.moments(self.inward(self.enter(F.pixel_unshuffle(x, 4))))
        mean, logvar = torch.tensor_split(moments, 2, dim=1)
        return mean, F.hardtanh(logvar, -30.0, 20.0)

    def decode(self, z):
        return F.pixel_shuffle(self.leave(self.outward(self.open(z))), 4)

    def forward(self, x, noise):
        mean, logvar = self.encode(x)
        return self.decode(mean + torch.exp(logvar * 0.5) * noise), mean, logvar


class _Next(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.spread = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.up, self.down = nn.Conv2d(width, 4 * width, 1), nn.Conv2d(4 * width, width, 1)

    def forward(self, x):
        return x + self.down(F.gelu(self.up(_rms(self.spread(x), 1))))


def _rms(x, axis=-1):
    return x * torch.rsqrt(x.square().mean(axis, keepdim=True) + 1e-6)


def latent_scale(latents):
    centred = latents - latents.mean()
    return (latents.numel() ** 0.5) / torch.linalg.vector_norm(centred)


def patchify(x, p):
    if any(side % p for side in x.shape[2:]):
        raise ValueError(f"{tuple(x.shape[2:])} is not a multiple of {p}")
    patches = x.unfold(2, p, p).unfold(3, p, p)  # (B, C, rows, columns, p, p)
    return patches.movedim(1, -1).flatten(3).flatten(1, 2)


def unpatchify(tokens, p, channels):
    side = int(tokens.shape[1] ** 0.5 + 0.5)
    return torch.einsum("brcijk->bkricj", tokens.reshape(-1, side, side, p, p, channels)).reshape(
        -1, channels, side * p, side * p
    )


def position_embedding_2d(side, dim):
    if dim & 3:
        raise ValueError("dim % 4 must be 0")
    turns = (
        torch.arange(side, dtype=torch.float64)[:, None] * torch.logspace(0, -4, dim // 4 + 1, dtype=torch.float64)[:-1]
    )
    wave = torch.view_as_real(torch.polar(torch.ones_like(turns), turns)).flip(-1).mT.flatten(1)  # sines, then cosines
    grid = torch.cat([wave.expand(side, side, -1), wave[:, None].expand(side, side, -1)], dim=-1)
    return grid.reshape(side * side, dim).to(torch.float32)


def modulate(x, shift, scale):
    return torch.lerp(x, 2 * x, scale.unsqueeze(-2)) + shift.unsqueeze(-2)


class Attention(nn.Module):
    """Queries and keys of unit size with a learned sharpness, and weights that are bare parameters."""

    def __init__(self, dim, heads, context_dim=None):
        super().__init__()
        size, rest = divmod(dim, heads)
        if rest:
            raise ValueError(f"{dim} numbers do not go evenly into {heads} heads")
        other = dim if context_dim is None else context_dim
        self.ask = nn.Parameter(torch.randn(heads, dim, size) / dim**0.5)
        self.tell = nn.Parameter(torch.randn(2, heads, other, size) / other**0.5)
        self.out = nn.Parameter(torch.randn(heads, size, dim) / dim**0.5)
        self.sharpness = nn.Parameter(torch.full((heads, 1, 1), 2.0))

    def forward(self, x, context=None):
        q = F.normalize(torch.einsum("bnd,hde->bhne", x, self.ask), dim=-1)
        k, v = torch.einsum("bmd,shde->sbhme", x if context is None else context, self.tell)
        scores = self.sharpness * torch.einsum("bhne,bhme->bhnm", q, F.normalize(k, dim=-1))
        return torch.einsum("bhnm,bhme,hed->bnd", torch.softmax(scores, dim=-1), v, self.out)


class _Gated(nn.Module):
    def __init__(self, dim, inside):
        super().__init__()
        self.gate, self.up, self.down = nn.Linear(dim, inside), nn.Linear(dim, inside), nn.Linear(inside, dim)

    def forward(self, x):
        return self.down(F.silu(self.gate(x)) * self.up(x))


class DiTBlock(nn.Module):
    def __init__(self, dim, heads, mlp_ratio=4.0):
        super().__init__()
        self.attention, self.mlp = Attention(dim, heads), _Gated(dim, int(mlp_ratio * dim))
        self.says = nn.Parameter(torch.zeros(6, dim, dim))
        self.always = nn.Parameter(torch.zeros(6, dim))

    def forward(self, x, c):
        says = torch.einsum("bd,sde->sbe", F.silu(c), self.says) + self.always[:, None]
        x = x + says[2].unsqueeze(1) * self.attention(modulate(_rms(x), says[0], says[1]))
        return x + says[5].unsqueeze(1) * self.mlp(modulate(_rms(x), says[3], says[4]))


class DiT(nn.Module):
    """Time and label as a token of their own at the end of the row, and a gain of zero."""

    def __init__(self, side, patch, channels, dim, depth, heads, classes):
        super().__init__()
        self.patch, self.channels = patch, channels
        self.enter, self.leave = nn.Linear(patch**2 * channels, dim), nn.Linear(dim, patch**2 * channels)
        self.register_buffer("place", position_embedding_2d(side // patch, dim))
        self.register_buffer("speeds", torch.logspace(0, -4, 16, dtype=torch.float64))
        self.hours, self.label = nn.Linear(32, dim), nn.Embedding(classes + 1, dim)
        self.blocks = nn.ModuleList([DiTBlock(dim, heads, 2.0) for _ in range(depth)])
        self.gain = nn.Parameter(torch.zeros(1))

    def forward(self, x, t, y):
        wave = torch.polar(torch.ones(len(t), 16, dtype=torch.float64), torch.outer(t.double(), self.speeds.double()))
        c = self.hours(torch.view_as_real(wave).flatten(1).to(x.dtype)) + self.label(y)
        h = torch.cat([self.enter(patchify(x, self.patch)) + self.place, c.unsqueeze(1)], dim=1)
        for block in self.blocks:
            h = block(h, c)
        return self.gain * unpatchify(self.leave(_rms(h[:, :-1])), self.patch, self.channels)


class SpatialTransformer(nn.Module):
    def __init__(self, channels, heads, context_dim):
        super().__init__()
        self.norm = nn.GroupNorm(channels // 8, channels)
        self.enter, self.leave = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.look, self.read = Attention(channels, heads), Attention(channels, heads, context_dim)
        self.think = _Gated(channels, 3 * channels)
        self.weights = nn.Parameter(torch.ones(3, channels))
        self.gain = nn.Parameter(torch.zeros(channels))

    def forward(self, x, context):
        h = self.enter(self.norm(x).permute(0, 2, 3, 1).flatten(1, 2))
        h = h + self.look(_rms(h) * self.weights[0])
        h = h + self.read(_rms(h) * self.weights[1], context)
        h = self.gain * self.leave(h + self.think(_rms(h) * self.weights[2]))
        return x + h.unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)


def latent_loss(model, autoencoder, x, y, t, noise, alpha_bar, scale):
    with torch.inference_mode(False), torch.set_grad_enabled(False):
        latent, _ = autoencoder.encode(x)
    a = alpha_bar[t][:, None, None, None].to(noise)
    z_t = torch.lerp(torch.zeros_like(latent), latent * scale, a.sqrt()).addcmul((1 - a).sqrt(), noise)
    return torch.mean(torch.square(model(z_t, t, y) - noise))


def generate(model, autoencoder, z_T, y, null, alpha_bar, scale, guidance, n):
    levels = [*alpha_bar.double().cpu().tolist(), 1.0]  # the last one is reached as levels[-1]
    T = len(alpha_bar)
    stops = [T - round(i * T / n) - 1 for i in range(n)] + [-1]
    weights = torch.tensor([guidance, 1 - guidance], dtype=z_T.dtype, device=z_T.device)
    with torch.no_grad():
        z = z_T
        for now, then in itertools.pairwise(stops):
            t = y.new_full((2 * len(y),), now)
            both = model(torch.cat([z, z], dim=0), t, torch.cat([y, torch.full_like(y, null)]))
            eps = torch.tensordot(weights, both.unflatten(0, (2, -1)), dims=1)
            # One DDIM step as a rotation: angles whose cosine is the root of the level
            here, there = (torch.arccos(torch.tensor(levels[k], dtype=torch.float64).sqrt()) for k in (now, then))
            turn = (there.cos() / here.cos()).item()
            z = turn * z + (there.sin() - turn * here.sin()).item() * eps
        return F.hardtanh(autoencoder.decode(z / scale))
