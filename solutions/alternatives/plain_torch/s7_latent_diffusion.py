"""Different: torch alone. Its own attention, encoder layer, folding, shuffling and distributions; two model calls a step."""

import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Normal, kl_divergence


def reparameterize(mean, logvar, noise):
    return torch.addcmul(mean, logvar.div(2).exp(), noise)


def kl_standard_normal(mean, logvar):
    each = kl_divergence(Normal(mean, torch.exp(logvar / 2)), Normal(0.0, 1.0))
    return each.sum(tuple(range(1, each.ndim)))


def vae_loss(recon, x, mean, logvar, beta=1e-3):
    return (F.mse_loss(recon, x, reduction="sum") + beta * kl_standard_normal(mean, logvar).sum()) / x.shape[0]


class Autoencoder(nn.Module):
    """Patches to channels and back, and plain convolutions in between."""

    def __init__(self, in_channels=1, latent_channels=4, width=32):
        super().__init__()
        self.shrink = nn.Sequential(
            nn.Conv2d(in_channels, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.GroupNorm(1, 2 * width),
            nn.LeakyReLU(0.1),
        )
        self.mean = nn.Conv2d(2 * width, latent_channels, 3, padding=1)
        self.logvar = nn.Conv2d(2 * width, latent_channels, 3, padding=1)
        nn.init.zeros_(self.logvar.weight)
        self.grow = nn.Sequential(
            nn.Conv2d(latent_channels, 2 * width, 3, padding=1),
            nn.LeakyReLU(0.1),
            nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1),
            nn.GroupNorm(8, width),
            nn.LeakyReLU(0.1),
            nn.ConvTranspose2d(width, in_channels, 4, stride=2, padding=1),
            nn.Tanh(),
        )

    def encode(self, x):
        h = self.shrink(x)
        return self.mean(h), torch.clip(self.logvar(h), min=-30.0, max=20.0)

    def decode(self, z):
        return self.grow(z)

    def forward(self, x, noise):
        mean, logvar = self.encode(x)
        z = mean + noise * torch.exp(logvar).sqrt()
        return self.decode(z), mean, logvar


def latent_scale(latents):
    return 1.0 / latents.double().var(correction=0).sqrt().item()


def patchify(x, p):
    if x.shape[-1] % p != 0 or x.shape[-2] % p != 0:
        raise ValueError("the patch size must divide height and width")
    columns = F.unfold(x, p, stride=p)  # (B, C p p, N), channels first
    return columns.unflatten(1, (x.shape[1], p * p)).permute(0, 3, 2, 1).flatten(2)


def unpatchify(tokens, p, channels):
    side = math.isqrt(tokens.shape[1])
    columns = tokens.unflatten(2, (p * p, channels)).permute(0, 3, 2, 1).flatten(1, 2)
    return F.fold(columns, (side * p, side * p), p, stride=p)


def position_embedding_2d(side, dim):
    if dim % 4 != 0:
        raise ValueError(f"{dim} is not a multiple of 4")
    omega = 1.0 / 10000 ** (torch.arange(dim // 4).double() / (dim / 4.0))
    row, column = torch.meshgrid(torch.arange(side).double(), torch.arange(side).double(), indexing="ij")

    def table(places):
        angles = torch.outer(places.flatten(), omega)
        return torch.cat([torch.sin(angles), torch.cos(angles)], dim=-1)

    return torch.cat([table(column), table(row)], dim=-1).to(torch.float32)


def modulate(x, shift, scale):
    return torch.baddbmm(shift.unsqueeze(1).expand_as(x), x, torch.diag_embed(1 + scale))


class Attention(nn.Module):
    def __init__(self, dim, heads, context_dim=None):
        super().__init__()
        if dim % heads != 0:
            raise ValueError("heads must divide dim")
        self.attend = nn.MultiheadAttention(dim, heads, kdim=context_dim, vdim=context_dim, batch_first=True)

    def forward(self, x, context=None):
        other = x if context is None else context
        return self.attend(x, other, other, need_weights=False)[0]


class DiTBlock(nn.Module):
    def __init__(self, dim, heads, mlp_ratio=4.0):
        super().__init__()
        self.attend = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.up, self.down = nn.Linear(dim, round(dim * mlp_ratio)), nn.Linear(round(dim * mlp_ratio), dim)
        self.modulation = nn.Linear(dim, 6 * dim)
        for parameter in self.modulation.parameters():
            parameter.data.fill_(0.0)

    def forward(self, x, c):
        shift, scale, gate, shift_mlp, scale_mlp, gate_mlp = (
            part.unsqueeze(1) for part in self.modulation(F.silu(c)).tensor_split(6, dim=-1)
        )
        h = F.layer_norm(x, x.shape[-1:]) * (1 + scale) + shift
        x = x + gate * self.attend(h, h, h, need_weights=False)[0]
        h = F.layer_norm(x, x.shape[-1:]) * (1 + scale_mlp) + shift_mlp
        return x + gate_mlp * self.down(torch.relu(self.up(h)))


class DiT(nn.Module):
    """A convolution makes the patches, a transposed one unmakes them."""

    def __init__(self, side, patch, channels, dim, depth, heads, classes):
        super().__init__()
        self.dim = dim
        self.cut = nn.Conv2d(channels, dim, patch, stride=patch)
        place = position_embedding_2d(side // patch, dim)
        self.place = nn.Parameter(place.mT.reshape(1, dim, side // patch, side // patch), requires_grad=False)
        self.clock = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))
        self.names = nn.Parameter(torch.randn(classes + 1, dim))
        self.blocks = nn.ModuleList()
        for _ in range(depth):
            self.blocks.append(DiTBlock(dim, heads))
        self.norm = nn.LayerNorm(dim)
        self.paste = nn.ConvTranspose2d(dim, channels, patch, stride=patch)
        nn.init.constant_(self.paste.weight, 0.0)
        nn.init.constant_(self.paste.bias, 0.0)

    def forward(self, x, t, y):
        half = torch.logspace(0, -4, self.dim // 2, dtype=torch.float64, device=t.device)
        angles = t.double()[:, None] * half
        c = self.clock(torch.hstack([angles.sin(), angles.cos()]).type_as(x)) + self.names[y]
        h = self.cut(x) + self.place
        rows, columns = h.shape[2:]
        h = h.flatten(2).transpose(1, 2)
        for block in self.blocks:
            h = block(h, c)
        return self.paste(self.norm(h).transpose(1, 2).unflatten(2, (rows, columns)))


class SpatialTransformer(nn.Module):
    """torch's own decoder layer is self-attention, cross-attention and an MLP, each with norm and residual."""

    def __init__(self, channels, heads, context_dim):
        super().__init__()
        self.norm = nn.GroupNorm(4, channels)
        self.before = nn.Conv2d(channels, channels, 1)
        self.read = nn.Linear(context_dim, channels)
        self.layer = nn.TransformerDecoderLayer(
            channels, heads, 4 * channels, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.after = nn.Conv2d(channels, channels, 1)

    def forward(self, x, context):
        tokens = self.before(self.norm(x)).flatten(2).transpose(1, 2)
        tokens = self.layer(tokens, self.read(context))
        return x + self.after(tokens.transpose(1, 2).unflatten(2, x.shape[2:]))


def latent_loss(model, autoencoder, x, y, t, noise, alpha_bar, scale):
    latent = autoencoder.encode(x)[0].detach() * scale
    kept = alpha_bar.index_select(0, t).to(latent.dtype).view(-1, 1, 1, 1)
    z_t = torch.sqrt(kept) * latent + torch.sqrt(1.0 - kept) * noise
    return F.mse_loss(model(z_t, t, y), noise)


@torch.no_grad()
def generate(model, autoencoder, z_T, y, null, alpha_bar, scale, guidance, n):
    T, z = alpha_bar.shape[0], z_T.clone()
    steps = [math.floor(T - i * T / n + 0.5) - 1 for i in range(n)]
    nothing = torch.full(y.shape, null, dtype=y.dtype, device=y.device)
    for k, now in enumerate(steps):
        t = y.new_full(y.shape, now, dtype=torch.long)
        labelled, plain = model(z, t, y), model(z, t, nothing)
        eps = guidance * labelled + (1 - guidance) * plain
        a = alpha_bar[now].to(z.dtype)
        clean = (z - torch.sqrt(1 - a) * eps) / torch.sqrt(a)
        if k + 1 == n:
            return autoencoder.decode(clean / scale).clip(-1.0, 1.0)
        b = alpha_bar[steps[k + 1]].to(z.dtype)
        z = torch.sqrt(b) * clean + torch.sqrt(1 - b) * eps
