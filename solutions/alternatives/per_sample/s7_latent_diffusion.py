"""Different: one sample, token or pixel at a time, with Python's floats and NumPy; a transformer written out by hand."""

import math
from fractions import Fraction

import numpy as np
import torch
from torch import nn


def reparameterize(mean, logvar, noise):
    rows = [m + (v / 2).exp() * n for m, v, n in zip(mean, logvar, noise, strict=True)]
    return torch.stack(rows)


def kl_standard_normal(mean, logvar):
    rows = []
    for m, v in zip(mean, logvar, strict=True):
        rows.append(-0.5 * torch.sum(1 + v - m**2 - v.exp()))
    return torch.stack(rows)


def vae_loss(recon, x, mean, logvar, beta=1e-3):
    total = 0.0
    for k in range(len(x)):
        nats = -0.5 * torch.sum(1 + logvar[k] - mean[k] ** 2 - logvar[k].exp())
        total = total + torch.sum((x[k] - recon[k]) ** 2) + beta * nats
    return total / len(x)


def latent_scale(latents):
    numbers = latents.detach().cpu().numpy().astype(np.float64).ravel()
    return float(1.0 / np.sqrt(np.mean((numbers - numbers.mean()) ** 2)))


def patchify(x, p):
    _, _, height, width = x.shape
    for side in (height, width):
        if side != side // p * p:
            raise ValueError(f"a side of {side} pixels is not a whole number of patches of {p}")
    tokens = []
    for top in range(0, height, p):
        for left in range(0, width, p):
            patch = x[:, :, top : top + p, left : left + p]
            tokens.append(patch.permute(0, 2, 3, 1).reshape(len(x), -1))
    return torch.stack(tokens, dim=1)


def unpatchify(tokens, p, channels):
    side = int(np.sqrt(tokens.shape[1]) + 0.5)
    rows = []
    for row in range(side):
        patches = [
            tokens[:, row * side + column].reshape(-1, p, p, channels).permute(0, 3, 1, 2) for column in range(side)
        ]
        rows.append(torch.cat(patches, dim=3))
    return torch.cat(rows, dim=2)


def position_embedding_2d(side, dim):
    if dim % 4:
        raise ValueError("dim must be a multiple of four")
    table = np.zeros((side * side, dim))
    for place in range(side * side):
        row, column = divmod(place, side)
        for i in range(dim // 4):
            speed = math.exp(-math.log(10000.0) * i / (dim // 4))
            for half, where in ((0, column), (dim // 2, row)):
                table[place, half + i] = math.sin(where * speed)
                table[place, half + dim // 4 + i] = math.cos(where * speed)
    return torch.from_numpy(table).float()


def modulate(x, shift, scale):
    return torch.stack([x[k] + x[k] * scale[k] + shift[k] for k in range(len(x))])


class Attention(nn.Module):
    """A loop over the heads, each with three maps of its own, and the softmax by hand."""

    def __init__(self, dim, heads, context_dim=None):
        super().__init__()
        if dim < heads or dim % heads:
            raise ValueError("dim / heads must be whole")
        d, other = dim // heads, context_dim or dim
        self.ask = nn.ModuleList([nn.Linear(dim, d, bias=False) for _ in range(heads)])
        self.key = nn.ModuleList([nn.Linear(other, d, bias=False) for _ in range(heads)])
        self.say = nn.ModuleList([nn.Linear(other, d, bias=False) for _ in range(heads)])
        self.join = nn.Linear(dim, dim)

    def forward(self, x, context=None):
        other, heard = x if context is None else context, []
        for ask, key, say in zip(self.ask, self.key, self.say, strict=True):
            scores = torch.einsum("bid,bjd->bij", ask(x), key(other)) / math.sqrt(ask.out_features)
            scores = (scores - scores.amax(-1, keepdim=True)).exp()
            weights = scores / scores.sum(-1, keepdim=True)
            heard.append(torch.einsum("bij,bjd->bid", weights, say(other)))
        return self.join(torch.cat(heard, dim=-1))


class DiTBlock(nn.Module):
    """Six small maps of the condition instead of one."""

    def __init__(self, dim, heads, mlp_ratio=4.0):
        super().__init__()
        names = ("shift1", "scale1", "gate1", "shift2", "scale2", "gate2")
        self.says = nn.ModuleDict({name: nn.Linear(dim, dim) for name in names})
        for gate in ("gate1", "gate2"):
            nn.init.zeros_(self.says[gate].weight)
            nn.init.zeros_(self.says[gate].bias)
        self.attention = Attention(dim, heads)
        self.mlp = nn.Sequential(nn.Linear(dim, int(dim * mlp_ratio)), nn.Tanh(), nn.Linear(int(dim * mlp_ratio), dim))

    def forward(self, x, c):
        says = {name: say(c) for name, say in self.says.items()}
        h = modulate(normalised(x), says["shift1"], says["scale1"])
        x = x + says["gate1"][:, None] * self.attention(h)
        h = modulate(normalised(x), says["shift2"], says["scale2"])
        return x + says["gate2"][:, None] * self.mlp(h)


def normalised(x):
    middle = x.mean(-1, keepdim=True)
    return (x - middle) / ((x - middle).square().mean(-1, keepdim=True) + 1e-6).sqrt()


class DiT(nn.Module):
    def __init__(self, side, patch, channels, dim, depth, heads, classes):
        super().__init__()
        self.patch, self.channels, self.classes, self.dim = patch, channels, classes, dim
        self.enter = nn.Linear(patch * patch * channels, dim)
        self.register_buffer("place", position_embedding_2d(side // patch, dim), persistent=False)
        self.about = nn.Linear(dim + classes + 1, dim)
        self.blocks = nn.Sequential(*[DiTBlock(dim, heads) for _ in range(depth)])
        self.leave = nn.Linear(dim, patch * patch * channels)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x, t, y):
        rows = []
        for time, label in zip(t.tolist(), y.tolist(), strict=True):
            clocks = [math.cos(time * 10000 ** (-i / self.dim)) for i in range(self.dim)]
            rows.append(clocks + [float(label == k) for k in range(self.classes + 1)])
        c = self.about(torch.tensor(rows, dtype=x.dtype, device=x.device)).relu()
        h = self.enter(patchify(x, self.patch)) + self.place
        for block in self.blocks:
            h = block(h, c)
        return unpatchify(self.leave(normalised(h)), self.patch, self.channels)


class SpatialTransformer(nn.Module):
    def __init__(self, channels, heads, context_dim):
        super().__init__()
        self.loud, self.off = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.look, self.read = Attention(channels, heads), Attention(channels, heads, context_dim)
        self.think = nn.Sequential(nn.Linear(channels, 2 * channels), nn.SiLU(), nn.Linear(2 * channels, channels))
        self.leave = nn.Linear(channels, channels)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x, context):
        rows = []
        for picture, words in zip(x, context, strict=True):
            grouped = picture.reshape(8, -1)
            grouped = (grouped - grouped.mean(1, keepdim=True)) / (
                grouped.var(1, correction=0, keepdim=True) + 1e-5
            ) ** 0.5
            places = grouped.reshape(picture.shape).movedim(0, -1)
            h = (places * self.loud + self.off).reshape(1, -1, picture.shape[0])
            h = h + self.look(normalised(h))
            h = h + self.read(normalised(h), words[None])
            h = h + self.think(normalised(h))
            rows.append(picture + self.leave(h).reshape(places.shape).movedim(-1, 0))
        return torch.stack(rows)


class Autoencoder(nn.Module):
    """Every patch of 4 by 4 pixels by itself, through an MLP: small, and enough."""

    def __init__(self, in_channels=1, latent_channels=4, width=32):
        super().__init__()
        self.channels = in_channels
        pixels = 16 * in_channels
        self.shrink = nn.Sequential(nn.Linear(pixels, width), nn.ELU(), nn.Linear(width, 2 * latent_channels))
        self.grow = nn.Sequential(nn.Linear(latent_channels, width), nn.ELU(), nn.Linear(width, pixels))

    def encode(self, x):
        said = []
        for row in patchify(x, 4):
            said.append(self.shrink(row).unflatten(0, (x.shape[2] // 4, x.shape[3] // 4)).movedim(2, 0))
        both = torch.stack(said)
        half = both.shape[1] // 2
        return both[:, :half], torch.minimum(torch.maximum(both[:, half:], both.new_tensor(-30)), both.new_tensor(20))

    def decode(self, z):
        drawn = self.grow(z.movedim(1, -1)).unflatten(-1, (4, 4, self.channels))  # (B, h, w, 4, 4, C)
        return drawn.permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)

    def forward(self, x, noise):
        mean, logvar = self.encode(x)
        return self.decode(reparameterize(mean, logvar, noise)), mean, logvar


def latent_loss(model, autoencoder, x, y, t, noise, alpha_bar, scale):
    with torch.no_grad():
        latents = float(scale) * autoencoder.encode(x)[0]
    rows = []
    for latent, level, eps in zip(latents, t.tolist(), noise, strict=True):
        angle = math.acos(math.sqrt(alpha_bar[level].item()))
        rows.append(math.cos(angle) * latent + math.sin(angle) * eps)
    error = model(torch.stack(rows), t, y) - noise
    return (error * error).sum() / error.numel()


def generate(model, autoencoder, z_T, y, null, alpha_bar, scale, guidance, n):
    T = len(alpha_bar)
    kept, steps = {-1: 1.0}, []
    for i in range(n):
        steps.append(round(Fraction(T * (n - i), n)) - 1)
        kept[steps[-1]] = alpha_bar[steps[-1]].item()
    with torch.no_grad():
        z = z_T.detach()
        for time, to in zip(steps, [*steps[1:], -1], strict=True):
            t = torch.tensor([time] * len(z) * 2)
            both = model(z.repeat(2, 1, 1, 1), t, torch.tensor(y.tolist() + [null] * len(z)))
            labelled, plain = both[: len(z)], both[len(z) :]
            eps = plain + float(guidance) * (labelled - plain)
            # In units in which the clean latent has size 1, a step is a straight line along the noise
            now, then = (math.sqrt(1 / kept[k] - 1) for k in (time, to))
            z = (z / math.sqrt(kept[time]) + (then - now) * eps) * math.sqrt(kept[to])
        pictures = autoencoder.decode(z / float(scale))
    return torch.minimum(torch.maximum(pictures, torch.full_like(pictures, -1)), torch.ones_like(pictures))
