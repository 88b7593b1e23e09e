"""Different: plain torch, no toolkit; gather and view, float64 inside, U-Net of pooling, transposed convolutions and sums."""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn


def coefficient(table, t, x):
    return table.to(x.device).double().gather(0, t.to(x.device)).view([x.size(0)] + [1] * (x.dim() - 1))


def linear_schedule(T, beta_start=1e-4, beta_end=0.02):
    if T < 1:
        raise ValueError("T has to be positive")
    steps = torch.arange(T, dtype=torch.float64) / max(T - 1, 1)
    return (beta_start + steps * (beta_end - beta_start)).to(torch.float32)


def cosine_schedule(T, s=0.008, max_beta=0.999):
    if T < 1:
        raise ValueError("T has to be positive")
    grid = torch.linspace(0, 1, T + 1, dtype=torch.float64)
    f = torch.cos((grid + s) / (1 + s) * torch.pi / 2) ** 2
    alpha_bar = f / f[0]
    return torch.minimum(1 - alpha_bar[1:] / alpha_bar[:-1], torch.tensor(max_beta, dtype=torch.float64)).float()


def snr(alpha_bar):
    return 1 / (1 - alpha_bar) - 1


def zero_terminal_snr(betas):
    """As printed in the paper."""
    alphas = 1 - betas
    alphas_bar = alphas.cumprod(0)
    alphas_bar_sqrt = alphas_bar.sqrt()
    alphas_bar_sqrt_0 = alphas_bar_sqrt[0].clone()
    alphas_bar_sqrt_T = alphas_bar_sqrt[-1].clone()
    alphas_bar_sqrt -= alphas_bar_sqrt_T
    alphas_bar_sqrt *= alphas_bar_sqrt_0 / (alphas_bar_sqrt_0 - alphas_bar_sqrt_T)
    alphas_bar = alphas_bar_sqrt**2
    alphas = alphas_bar[1:] / alphas_bar[:-1]
    return 1 - torch.cat([alphas_bar[0:1], alphas])


def velocity(x0, eps, t, alpha_bar):
    signal = coefficient(alpha_bar, t, x0)
    return (signal.sqrt() * eps.double() - (1.0 - signal).sqrt() * x0.double()).to(x0.dtype)


def to_x0(prediction, x_t, t, alpha_bar, kind):
    signal = coefficient(alpha_bar, t, x_t)
    a, s, p, x = signal.sqrt(), (1.0 - signal).sqrt(), prediction.double(), x_t.double()
    if kind == "eps":
        out = (x - s * p) / a
    elif kind == "x0":
        out = p
    elif kind == "v":
        out = a * x - s * p
    else:
        raise ValueError(f"unknown kind: {kind}")
    return out.to(x_t.dtype)


def to_eps(prediction, x_t, t, alpha_bar, kind):
    signal = coefficient(alpha_bar, t, x_t)
    a, s = signal.sqrt(), (1.0 - signal).sqrt()
    if kind == "x0":
        return ((x_t.double() - a * prediction.double()) / s).to(x_t.dtype)
    if kind == "v":
        return (s * x_t.double() + a * prediction.double()).to(x_t.dtype)
    if kind == "eps":
        return prediction * 1
    raise ValueError(f"unknown kind: {kind}")


def prediction_loss(model, x0, t, noise, alpha_bar, kind="eps", gamma=None):
    targets = {"eps": lambda: noise, "x0": lambda: x0, "v": lambda: velocity(x0, noise, t, alpha_bar)}
    if kind not in targets:
        raise ValueError(f"unknown kind: {kind}")
    signal = coefficient(alpha_bar, t, x0)
    x_t = (signal.sqrt() * x0 + (1 - signal).sqrt() * noise).to(x0.dtype)
    losses = F.mse_loss(model(x_t, t), targets[kind](), reduction="none").flatten(1).mean(1)
    if gamma is None:
        return losses.mean()
    ratio = snr(alpha_bar.double())[t]
    weight = torch.stack([ratio, torch.full_like(ratio, gamma)]).min(0).values
    if kind == "eps":
        weight = weight / ratio
    if kind == "v":
        weight = weight / (ratio + 1)
    return (losses * weight).mean().to(x0.dtype)


def gaussian_kl(mean1, logvar1, mean2, logvar2):
    std_ratio = torch.exp(0.5 * (logvar1 - logvar2))
    distance = (mean1 - mean2) / torch.exp(0.5 * logvar2)
    return 0.5 * (std_ratio**2 + distance**2 - 1) - torch.log(std_ratio)


def decoder_nll(x0, mean, logvar):
    x, m, std = x0.double(), mean.double(), (0.5 * logvar.double()).exp()
    z = (x - m) / std
    width = 1 / (255 * std)
    z = torch.where(z > 0, -z, z)  # to the left by symmetry
    upper, lower = torch.special.log_ndtr(z + width), torch.special.log_ndtr(z - width)
    inside = upper + torch.log1p(-torch.exp(lower - upper).clamp(max=1 - 1e-15))
    left = torch.special.log_ndtr((x - m) / std + width)
    right = torch.special.log_ndtr((m - x) / std + width)
    log_mass = torch.where(x <= -1 + 1e-3, left, torch.where(x >= 1 - 1e-3, right, inside))
    return -log_mass.to(x0.dtype)


def prior_kl(x0, alpha_bar):
    a = alpha_bar[-1].double()
    nats = 0.5 * (a * x0.double() ** 2 - a - torch.log(1 - a))
    return (nats.reshape(len(x0), -1).mean(-1) / torch.log(torch.tensor(2.0))).to(x0.dtype)


def posterior_variance(betas):
    betas = betas.double()
    alpha_bar = (1.0 - betas).cumprod(0)
    before = F.pad(alpha_bar[:-1], (1, 0), value=1.0)
    return betas * (1.0 - before) / (1.0 - alpha_bar)


def vlb_term(x0, x_t, t, eps, betas):
    alpha_bar = (1.0 - betas.double()).cumprod(0)
    now = coefficient(alpha_bar, t, x0)
    before = coefficient(F.pad(alpha_bar[:-1], (1, 0), value=1.0), t, x0)
    guess = (x_t.double() - (1 - now).sqrt() * eps.double()) / now.sqrt()
    # The KL is half a difference of signal-to-noise ratios times the squared error of x0 (VDM, arXiv:2107.00630, eq. 13)
    gain = 0.5 * (before / (1 - before).clamp(min=1e-300) - now / (1 - now))
    kl = gain * (x0.double() - guess) ** 2
    variance = posterior_variance(betas)
    variance[0] = variance[1]
    nll = decoder_nll(x0.double(), guess, coefficient(variance.log(), t, x0).expand_as(guess))
    at_0 = (t == 0).view([-1] + [1] * (x0.dim() - 1))
    total = torch.where(at_0, nll, torch.where(at_0, 0.0, kl))
    return (total.flatten(1).mean(1) / math.log(2.0)).to(x0.dtype)


def learned_log_variance(v, t, betas):
    small = posterior_variance(betas)
    small = torch.where(torch.arange(len(betas)) == 0, small[1], small)
    lowest, highest = coefficient(small.log(), t, v), coefficient(betas.double().log(), t, v)
    return torch.lerp(lowest.expand(v.shape), highest.expand(v.shape), (v.double() + 1) / 2).to(v.dtype)


def ancestral_sample(model, x_T, betas, kind="eps", variance="small", clip=False, generator=None):
    if variance == "small":
        sigma = posterior_variance(betas).sqrt()
    elif variance == "large":
        sigma = betas.double().sqrt()
    else:
        raise ValueError(f"unknown variance: {variance}")
    betas = betas.double()
    alpha_bar = (1.0 - betas).cumprod(0)
    x = x_T.clone()
    with torch.inference_mode():
        for i in range(len(betas) - 1, -1, -1):
            t = x.new_full((x.size(0),), i, dtype=torch.long)
            x0 = to_x0(model(x, t), x, t, alpha_bar, kind).double()
            if clip:
                x0 = x0.clip(-1.0, 1.0)
            now, before = alpha_bar[i], alpha_bar[i - 1] if i > 0 else torch.ones_like(alpha_bar[0])
            mean = (before.sqrt() * betas[i] * x0 + (1 - betas[i]).sqrt() * (1 - before) * x.double()) / (1 - now)
            z = torch.randn(x.size(), generator=generator, dtype=x.dtype).to(x.device)
            x = (mean + float(i > 0) * sigma[i] * z).to(x_T.dtype)
    return x.clone()


@torch.no_grad()
def ema_update(ema_model, model, decay):
    for slow, fast in zip(ema_model.parameters(), model.parameters(), strict=True):
        slow.mul_(decay).add_(fast, alpha=1 - decay)
    for slow, fast in zip(ema_model.buffers(), model.buffers(), strict=True):
        if slow.dtype.is_floating_point:
            slow.mul_(decay).add_(fast, alpha=1 - decay)
        else:
            slow.copy_(fast)


def embed(t, dim):
    frequencies = torch.exp(-math.log(10000) * torch.arange(dim // 2, device=t.device) / (dim // 2 - 1))
    return torch.cat([torch.sin(t[:, None] * frequencies), torch.cos(t[:, None] * frequencies)], -1)


class Block(nn.Module):
    """Two convolutions without a way past them, as in the first U-Net."""

    def __init__(self, before, after, condition):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(before, after, 3, padding=1), nn.Conv2d(after, after, 3, padding=1)
        self.norm1, self.norm2 = nn.GroupNorm(4, after), nn.GroupNorm(4, after)
        self.scale_shift = nn.Linear(condition, 2 * after)

    def forward(self, x, c):
        scale, shift = self.scale_shift(c)[:, :, None, None].chunk(2, 1)
        x = F.relu(self.norm1(self.conv1(x)) * (1 + scale) + shift)
        return F.relu(self.norm2(self.conv2(x)))


class UNet(nn.Module):
    def __init__(self, in_channels=1, width=32, multipliers=(1, 2, 2), classes=None):
        super().__init__()
        sizes = [width * m for m in multipliers]
        self.width = width
        self.mlp = nn.Sequential(nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, 64))
        if classes is not None:
            self.classes = nn.Parameter(torch.randn(classes, 64))
        self.down = nn.ModuleList([Block(a, b, 64) for a, b in zip([in_channels, *sizes], sizes, strict=False)])
        self.qkv, self.proj = nn.Conv2d(sizes[-1], 3 * sizes[-1], 1), nn.Conv2d(sizes[-1], sizes[-1], 1)
        self.widen = nn.ModuleList([nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in pairwise(sizes)])
        self.up = nn.ModuleList([Block(a, a, 64) for a in sizes])
        self.last = nn.Conv2d(width * multipliers[0], in_channels, 1)
        for parameter in self.last.parameters():
            nn.init.constant_(parameter, 0.0)

    def forward(self, x, t, y=None):
        c = self.mlp(embed(t, self.width).to(x.dtype))
        if y is not None:
            c = c + self.classes[y]
        kept = []
        for number, block in enumerate(self.down):
            x = block(F.avg_pool2d(x, 2) if number else x, c)
            kept.append(x)
        q, k, v = self.qkv(x).flatten(2).chunk(3, 1)
        weights = torch.softmax(torch.einsum("bci,bcj->bij", q, k) / math.sqrt(q.shape[1]), dim=-1)
        x = x + self.proj(torch.einsum("bij,bcj->bci", weights, v).view(x.shape))
        for number in reversed(range(len(self.up))):
            if number < len(self.widen):
                x = self.widen[number](x)
            x = self.up[number](x + kept[number], c)
        return self.last(x)
