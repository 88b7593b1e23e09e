"""Different: a schedule is an object with its tables, targets and samplers are its methods; the U-Net has many heads."""

from itertools import pairwise

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class Schedule:
    """Tables of one schedule in float64, read by level."""

    def __init__(self, betas=None, alpha_bar=None):
        if betas is not None:
            self.betas = betas.double()
            alpha_bar = torch.exp(torch.log1p(-self.betas).cumsum(0))
        self.alpha_bar = alpha_bar.double()
        self.signal = self.alpha_bar.sqrt()
        self.static = (1 - self.alpha_bar).sqrt()

    def small(self):
        before = torch.ones_like(self.alpha_bar)
        before[1:] = self.alpha_bar[:-1]
        return (1 - before) / (1 - self.alpha_bar) * self.betas

    def read(self, name, t, x):
        table = getattr(self, name)
        return table[t].type_as(x).view((-1,) + (1,) * (x.ndim - 1))


class Eps:
    @staticmethod
    def target(x0, eps, a, s):
        return eps

    @staticmethod
    def clean(p, x, a, s):
        return (x - s * p) / a

    @staticmethod
    def noise(p, x, a, s):
        return p

    @staticmethod
    def share(ratio):
        return 1 / ratio


class X0:
    @staticmethod
    def target(x0, eps, a, s):
        return x0

    @staticmethod
    def clean(p, x, a, s):
        return p

    @staticmethod
    def noise(p, x, a, s):
        return (x - a * p) / s

    @staticmethod
    def share(ratio):
        return torch.ones_like(ratio)


class V:
    @staticmethod
    def target(x0, eps, a, s):
        return a * eps - s * x0

    @staticmethod
    def clean(p, x, a, s):
        return a * x - s * p

    @staticmethod
    def noise(p, x, a, s):
        return a * p + s * x

    @staticmethod
    def share(ratio):
        return 1 / (1 + ratio)


def parameterization(kind):
    try:
        return {"eps": Eps, "x0": X0, "v": V}[kind]
    except KeyError:
        raise ValueError(f"kind should be eps, x0 or v and is {kind!r}") from None


def velocity(x0, eps, t, alpha_bar):
    schedule = Schedule(alpha_bar=alpha_bar)
    return V.target(x0, eps, schedule.read("signal", t, x0), schedule.read("static", t, x0))


def to_x0(prediction, x_t, t, alpha_bar, kind):
    schedule = Schedule(alpha_bar=alpha_bar)
    return parameterization(kind).clean(
        prediction, x_t, schedule.read("signal", t, x_t), schedule.read("static", t, x_t)
    )


def to_eps(prediction, x_t, t, alpha_bar, kind):
    schedule = Schedule(alpha_bar=alpha_bar)
    return parameterization(kind).noise(
        prediction, x_t, schedule.read("signal", t, x_t), schedule.read("static", t, x_t)
    )


def prediction_loss(model, x0, t, noise, alpha_bar, kind="eps", gamma=None):
    schedule, way = Schedule(alpha_bar=alpha_bar), parameterization(kind)
    a, s = schedule.read("signal", t, x0), schedule.read("static", t, x0)
    difference = way.target(x0, noise, a, s) - model(a * x0 + s * noise, t)
    if gamma is not None:
        ratio = (a / s) ** 2
        difference = difference * (torch.minimum(ratio, torch.full_like(ratio, gamma)) * way.share(ratio)).sqrt()
    return torch.mean(difference**2)


def ancestral_sample(model, x_T, betas, kind="eps", variance="small", clip=False, generator=None):
    schedule, way = Schedule(betas), parameterization(kind)
    if variance == "small":
        sigma2 = schedule.small()
    elif variance == "large":
        sigma2 = torch.cat([torch.zeros(1, dtype=torch.float64), schedule.betas[1:]])
    else:
        raise ValueError(f"variance should be small or large and is {variance!r}")
    sigma2[0] = 0
    before = torch.cat([torch.ones(1, dtype=torch.float64), schedule.alpha_bar[:-1]])
    state = x_T
    with torch.no_grad():
        for t in torch.arange(len(betas)).flip(0):
            t = t.repeat(len(state))
            a, s = schedule.read("signal", t, state), schedule.read("static", t, state)
            clean = way.clean(model(state, t), state, a, s)
            clean = clean.clamp(-1, 1) if clip else clean
            eps = (state - a * clean) / s
            # DDIM's form with the posterior's variance: towards x_0, along eps
            level, small = before[t[0]], schedule.small()[t[0]]
            mean = level.sqrt() * clean + (1 - level - small).clamp(min=0).sqrt() * eps
            z = torch.empty_like(state).normal_(generator=generator)
            state = (mean + sigma2[t[0]].sqrt() * z).to(x_T.dtype)
    return state


def ema_update(ema_model, model, decay):
    average = get_ema_multi_avg_fn(decay)
    with torch.no_grad():
        for ours, theirs in (
            (list(ema_model.parameters()), list(model.parameters())),
            (list(ema_model.buffers()), list(model.buffers())),
        ):
            for slow, fast in zip(ours, theirs, strict=True):
                if slow.is_floating_point():
                    average([slow], [fast.detach()], 0)
                else:
                    slow.copy_(fast)


class Fourier(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, t):
        rates = torch.logspace(0, -4, self.dim // 2, dtype=torch.float64, device=t.device)
        return torch.cat([torch.sin(torch.outer(t.double(), rates)), torch.cos(torch.outer(t.double(), rates))], 1)


class ChannelNorm(nn.LayerNorm):
    """Over the channels of each position, as in ConvNeXt."""

    def forward(self, x):
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class ConvNeXt(nn.Module):
    def __init__(self, channels, condition):
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        self.condition = nn.Linear(condition, channels)
        self.norm = ChannelNorm(channels)
        self.mlp = nn.Sequential(nn.Conv2d(channels, 2 * channels, 1), nn.GELU(), nn.Conv2d(2 * channels, channels, 1))
        self.gamma = nn.Parameter(torch.full((channels, 1, 1), 0.1))

    def forward(self, x, c):
        return x + self.gamma * self.mlp(self.norm(self.depthwise(x) + self.condition(c)[..., None, None]))


class Attend(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.attention = nn.MultiheadAttention(channels, num_heads=4, batch_first=True)

    def forward(self, x):
        tokens = self.norm(x.flatten(2).transpose(1, 2))
        return x + self.attention(tokens, tokens, tokens)[0].transpose(1, 2).unflatten(2, x.shape[2:])


class UNet(nn.Module):
    def __init__(self, in_channels=1, width=32, multipliers=(1, 2, 2), classes=None):
        super().__init__()
        sizes = [width * multiplier for multiplier in multipliers]
        self.clock = Fourier(32)
        self.classes = classes
        self.embed = nn.Sequential(nn.Linear(32 + (classes or 0), 48), nn.GELU(), nn.Linear(48, 48))
        self.enter = nn.Conv2d(in_channels, sizes[0], 1)
        self.encode = nn.ModuleList(ConvNeXt(size, 48) for size in sizes)
        self.shrink = nn.ModuleList(
            nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4 * a, b, 1)) for a, b in pairwise(sizes)
        )
        self.centre = Attend(sizes[-1])
        self.grow = nn.ModuleList(nn.Sequential(nn.Conv2d(b, 4 * a, 1), nn.PixelShuffle(2)) for a, b in pairwise(sizes))
        self.merge = nn.ModuleList(nn.Conv2d(2 * size, size, 1) for size in sizes[:-1])
        self.decode = nn.ModuleList(ConvNeXt(size, 48) for size in sizes)
        self.leave = nn.Conv2d(sizes[0], in_channels, 3, padding=1)
        self.gain = nn.Parameter(torch.zeros(()))  # the zero of the beginning

    def forward(self, x, t, y=None):
        clock = self.clock(t).to(x)
        if self.classes is not None:
            clock = torch.cat([clock, nn.functional.one_hot(y, self.classes).to(x)], 1)
        c = self.embed(clock)
        h, kept = self.enter(x), []
        for encode, shrink in zip(self.encode[:-1], self.shrink, strict=True):
            h = encode(h, c)
            kept.append(h)
            h = shrink(h)
        h = self.decode[-1](self.centre(self.encode[-1](h, c)), c)
        for k in range(len(self.grow) - 1, -1, -1):
            h = self.merge[k](torch.cat([self.grow[k](h), kept[k]], 1))
            h = self.decode[k](h, c)
        return self.gain * self.leave(h)
