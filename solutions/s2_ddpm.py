"""Section 2, DDPM: schedules, what a network may be asked to predict, and the bound behind the loss.

Conventions are section 1's: `t` counts from 0 (t = 0 has one step of noise), `alpha_bar[t]` is the product of
`1 - betas[s]` over s <= t, and functions work on data of any shape (B, *S) with a `t` for each of the B samples.
"Bits per dimension" are nats / ln 2, averaged over the elements of a sample.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from exercises.toolkit import extract

KINDS = ("eps", "x0", "v")
"""What a model may predict: the noise, the clean data, or the velocity."""


def _posterior_tables(betas: Float[Tensor, "T"]) -> tuple[Tensor, Tensor, Tensor]:
    """Section 1's posterior, given: q(x_{t-1} | x_t, x_0) has mean of_x0[t] x_0 + of_x_t[t] x_t and this variance.

        of_x0 = √ᾱ_{t-1} β_t / (1-ᾱ_t),  of_x_t = √α_t (1-ᾱ_{t-1}) / (1-ᾱ_t),  variance = (1-ᾱ_{t-1}) β_t / (1-ᾱ_t)
        (DDPM, arXiv:2006.11239, eqs. 6 and 7; at t = 0 they are 1, 0 and 0)

    Returns:
        of_x0, of_x_t, variance: (T,) each, in float64, where 1 - ᾱ keeps its digits.
    """
    betas = betas.double()
    alpha_bar = torch.cumprod(1 - betas, dim=0)
    alpha_bar_prev = torch.cat([torch.ones_like(alpha_bar[:1]), alpha_bar[:-1]])
    of_x0 = alpha_bar_prev.sqrt() * betas / (1 - alpha_bar)
    of_x_t = (1 - betas).sqrt() * (1 - alpha_bar_prev) / (1 - alpha_bar)
    variance = (1 - alpha_bar_prev) / (1 - alpha_bar) * betas
    return of_x0, of_x_t, variance


def linear_schedule(T: int, beta_start: float = 1e-4, beta_end: float = 0.02) -> Float[Tensor, "T"]:
    """DDPM's schedule: T betas, equally spaced, both ends included.

        β_t = beta_start + t / (T-1) (beta_end - beta_start)    (DDPM, arXiv:2006.11239, section 4)

    Computed in float64 and returned as float32. T = 1 gives beta_start.

    Raises:
        ValueError: T < 1.
    """
    ### BEGIN SOLUTION
    if T < 1:
        raise ValueError(f"T must be at least 1, got {T}")
    return torch.linspace(beta_start, beta_end, T, dtype=torch.float64).float()
    ### END SOLUTION


def cosine_schedule(T: int, s: float = 0.008, max_beta: float = 0.999) -> Float[Tensor, "T"]:
    """The schedule under which the signal falls along a cosine: noise comes slowly at both ends.

        f(u) = cos²(π/2 (u + s) / (1 + s)),  β_t = min(1 - f((t+1)/T) / f(t/T), max_beta)
        (Nichol & Dhariwal, arXiv:2102.09672, eq. 17)

    Computed in float64 and returned as float32.

    Raises:
        ValueError: T < 1.
    """
    ### BEGIN SOLUTION
    if T < 1:
        raise ValueError(f"T must be at least 1, got {T}")
    u = torch.arange(T + 1, dtype=torch.float64) / T
    f = (math.pi / 2 * (u + s) / (1 + s)).cos().square()
    return (1 - f[1:] / f[:-1]).clamp(max=max_beta).float()
    ### END SOLUTION


def snr(alpha_bar: Float[Tensor, "T"]) -> Float[Tensor, "T"]:
    """The signal-to-noise ratio of each level: it falls from large to (nearly) 0.

    The variance of the signal over that of the noise in x_t = √ᾱ_t x_0 + √(1-ᾱ_t) ε, for x_0 of variance 1
    (VDM, arXiv:2107.00630, eq. 2).
    """
    ### BEGIN SOLUTION
    return alpha_bar / (1 - alpha_bar)
    ### END SOLUTION


def zero_terminal_snr(betas: Float[Tensor, "T"]) -> Float[Tensor, "T"]:
    """Mend a schedule that stops short of static: new betas whose last level has SNR 0 and whose first is kept.

        √ᾱ'_t = (√ᾱ_t - √ᾱ_{T-1}) √ᾱ_0 / (√ᾱ_0 - √ᾱ_{T-1})    (Lin et al., arXiv:2305.08891, algorithm 1)

    The last beta is 1.

    Args:
        betas: T > 1 of them.
    """
    ### BEGIN SOLUTION
    root = torch.cumprod(1 - betas.double(), dim=0).sqrt()
    root = (root - root[-1]) * root[0] / (root[0] - root[-1])
    alpha_bar = root.square()
    alphas = torch.cat([alpha_bar[:1], alpha_bar[1:] / alpha_bar[:-1]])
    return (1 - alphas).to(betas.dtype)
    ### END SOLUTION


def velocity(
    x0: Float[Tensor, "B *S"], eps: Float[Tensor, "B *S"], t: Int[Tensor, "B"], alpha_bar: Float[Tensor, "T"]
) -> Float[Tensor, "B *S"]:
    """The third thing to predict: how x_t moves when data turns into noise.

    v = √ᾱ_t ε - √(1-ᾱ_t) x_0        (Salimans & Ho, arXiv:2202.00512, appendix D)
    """
    ### BEGIN SOLUTION
    a = extract(alpha_bar, t, x0)
    return a.sqrt() * eps - (1 - a).sqrt() * x0
    ### END SOLUTION


def to_x0(
    prediction: Float[Tensor, "B *S"],
    x_t: Float[Tensor, "B *S"],
    t: Int[Tensor, "B"],
    alpha_bar: Float[Tensor, "T"],
    kind: str,
) -> Float[Tensor, "B *S"]:
    """The clean data that goes with a prediction of any kind.

        x_t = √ᾱ_t x_0 + √(1-ᾱ_t) ε and v = √ᾱ_t ε - √(1-ᾱ_t) x_0, solved for x_0    (arXiv:2202.00512, appendix D)

    Args:
        prediction: what the model said.
        x_t: what the model saw.
        t: the level of each sample.
        alpha_bar: the schedule.
        kind: what `prediction` is: "eps", "x0" or "v".

    Raises:
        ValueError: an unknown kind; the message names the argument.
    """
    ### BEGIN SOLUTION
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {KINDS}, got {kind!r}")
    if kind == "x0":
        return prediction
    a = extract(alpha_bar, t, x_t)
    if kind == "eps":
        return (x_t - (1 - a).sqrt() * prediction) / a.sqrt()
    return a.sqrt() * x_t - (1 - a).sqrt() * prediction
    ### END SOLUTION


def to_eps(
    prediction: Float[Tensor, "B *S"],
    x_t: Float[Tensor, "B *S"],
    t: Int[Tensor, "B"],
    alpha_bar: Float[Tensor, "T"],
    kind: str,
) -> Float[Tensor, "B *S"]:
    """The noise that goes with a prediction of any kind.

        x_t = √ᾱ_t x_0 + √(1-ᾱ_t) ε and v = √ᾱ_t ε - √(1-ᾱ_t) x_0, solved for ε    (arXiv:2202.00512, appendix D)

    Args:
        prediction: what the model said.
        x_t: what the model saw.
        t: the level of each sample.
        alpha_bar: the schedule.
        kind: what `prediction` is: "eps", "x0" or "v".

    Raises:
        ValueError: an unknown kind; the message names the argument.
    """
    ### BEGIN SOLUTION
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {KINDS}, got {kind!r}")
    if kind == "eps":
        return prediction
    a = extract(alpha_bar, t, x_t)
    if kind == "x0":
        return (x_t - a.sqrt() * prediction) / (1 - a).sqrt()
    return (1 - a).sqrt() * x_t + a.sqrt() * prediction
    ### END SOLUTION


def prediction_loss(
    model: nn.Module,
    x0: Float[Tensor, "B *S"],
    t: Int[Tensor, "B"],
    noise: Float[Tensor, "B *S"],
    alpha_bar: Float[Tensor, "T"],
    kind: str = "eps",
    gamma: float | None = None,
) -> Float[Tensor, ""]:
    """How badly the model predicts what it is asked for: mean over every element of w_t (target - prediction)².

        target = ε, x_0 or v;  w_t = 1, or with gamma (min-SNR-γ, arXiv:2303.09556, section 3.4)
        w_t = min(SNR_t, γ) / SNR_t for eps,  min(SNR_t, γ) for x0,  min(SNR_t, γ) / (SNR_t + 1) for v

    One call of `model(x_t, t)`.

    Args:
        model: predicts `kind`.
        x0: clean data.
        t: the level of each sample.
        noise: standard normal.
        alpha_bar: the schedule; for "eps" with gamma every SNR must be above 0.
        kind: the target: "eps", "x0" or "v".
        gamma: the largest weight that a squared error of x_0 gets, or None for no weights.

    Raises:
        ValueError: an unknown kind; the message names the argument.
    """
    ### BEGIN SOLUTION
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {KINDS}, got {kind!r}")
    a = extract(alpha_bar, t, x0)
    x_t = a.sqrt() * x0 + (1 - a).sqrt() * noise
    target = {"eps": noise, "x0": x0, "v": velocity(x0, noise, t, alpha_bar)}[kind]
    error = (target - model(x_t, t)).square()
    if gamma is not None:
        ratio = extract(snr(alpha_bar), t, x0)
        of_x0 = ratio.clamp(max=gamma)
        error = {"eps": of_x0 / ratio, "x0": of_x0, "v": of_x0 / (ratio + 1)}[kind] * error
    return error.mean()
    ### END SOLUTION


def gaussian_kl(mean1: Tensor, logvar1: Tensor, mean2: Tensor, logvar2: Tensor) -> Tensor:
    """KL(N(mean1, var1) || N(mean2, var2)) of normal distributions in one dimension, elementwise, in nats.

        KL(p_1 || p_2) = E_1[log p_1 - log p_2]

    (In closed form also in the code of Improved DDPM, arXiv:2102.09672.) The four tensors are broadcast against each other.
    """
    ### BEGIN SOLUTION
    apart = (mean1 - mean2).square() * torch.exp(-logvar2)
    return 0.5 * (logvar2 - logvar1 - 1 + torch.exp(logvar1 - logvar2) + apart)
    ### END SOLUTION


def decoder_nll(
    x0: Float[Tensor, "B *S"], mean: Float[Tensor, "B *S"], logvar: Float[Tensor, "B *S"]
) -> Float[Tensor, "B *S"]:
    """What a byte costs under a normal distribution: -log of the mass of x0's bin, elementwise, in nats.

        -log (Φ((x_0 + 1/255 - mean) / σ) - Φ((x_0 - 1/255 - mean) / σ))    (DDPM, arXiv:2006.11239, eq. 13)

    The first and the last of the 256 bins reach to minus and plus infinity, so that the masses add up to 1. To within
    1e-3 nats, and finite with a gradient that points to the mean however far in a tail x0 lies.

    Args:
        x0: 8-bit data scaled to [-1, 1]: k / 127.5 - 1 for k in 0..255.
        mean: of the normal distribution.
        logvar: log σ².
    """
    ### BEGIN SOLUTION
    std = torch.exp(0.5 * logvar)
    far, half = x0 - mean, 1 / 255
    # Seen from the mean, mirrored to the left where needed: only there do small masses keep their digits
    near_end = torch.special.log_ndtr((half - far.abs()) / std)
    far_end = torch.special.log_ndtr((-half - far.abs()) / std)
    log_mass = near_end + torch.log(-torch.expm1(far_end - near_end))
    log_mass = torch.where(x0 < -0.999, torch.special.log_ndtr((half + far) / std), log_mass)
    log_mass = torch.where(x0 > 0.999, torch.special.log_ndtr((half - far) / std), log_mass)
    return -log_mass
    ### END SOLUTION


def prior_kl(x0: Float[Tensor, "B *S"], alpha_bar: Float[Tensor, "T"]) -> Float[Tensor, "B"]:
    """What is left of the data in the static: L_T of each sample, in bits per dimension.

    L_T = KL(q(x_T | x_0) || N(0, 1)),  q(x_T | x_0) = N(√ᾱ x_0, 1-ᾱ) at the last level    (arXiv:2006.11239, eq. 5)
    """
    ### BEGIN SOLUTION
    last = alpha_bar[-1].to(x0)
    zero = torch.zeros_like(last)
    nats = gaussian_kl(last.sqrt() * x0, torch.log1p(-last), zero, zero)
    return nats.flatten(1).mean(dim=1) / math.log(2)
    ### END SOLUTION


def vlb_term(
    x0: Float[Tensor, "B *S"],
    x_t: Float[Tensor, "B *S"],
    t: Int[Tensor, "B"],
    eps: Float[Tensor, "B *S"],
    betas: Float[Tensor, "T"],
) -> Float[Tensor, "B"]:
    """One term of the variational bound for each sample, in bits per dimension.

        KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)) for t > 0, and -log p(x_0 | x_t) for t = 0, each divided by D log 2
        (DDPM, arXiv:2006.11239, eqs. 5 and 13: L_{t-1} and L_0 there, where t counts from 1; D numbers a sample)

    p has the posterior's mean at the x_0 that goes with eps (not clipped), and the posterior's variance β̃_t; at t = 0,
    where that is 0, the variance of t = 1 and the 8-bit likelihood of `decoder_nll`.

    Args:
        x0: 8-bit data scaled to [-1, 1].
        x_t: the same, noised to level t.
        t: the level of each sample.
        eps: the model's guess of the noise in x_t.
        betas: the schedule, T > 1.
    """
    ### BEGIN SOLUTION
    of_x0, of_x_t, variance = _posterior_tables(betas)
    guess = to_x0(eps, x_t, t, torch.cumprod(1 - betas.double(), dim=0), "eps")
    seen = extract(of_x_t, t, x_t) * x_t
    true_mean, mean = (extract(of_x0, t, x0) * x + seen for x in (x0, guess))
    logvar = extract(torch.cat([variance[1:2], variance[1:]]).log(), t, x0)
    kl = gaussian_kl(true_mean, logvar, mean, logvar)
    last_step = (t == 0).reshape(-1, *[1] * (x0.ndim - 1))
    nats = torch.where(last_step, decoder_nll(x0, mean, logvar), kl)
    return nats.flatten(1).mean(dim=1) / math.log(2)
    ### END SOLUTION


def learned_log_variance(
    v: Float[Tensor, "B *S"], t: Int[Tensor, "B"], betas: Float[Tensor, "T"]
) -> Float[Tensor, "B *S"]:
    """Turn a network's second output into a log-variance between the two choices of DDPM.

        log σ² runs along a line in v: from log β̃_t at v = -1 to log β_t at v = +1

    (Improved DDPM, arXiv:2102.09672, eq. 15, whose v runs from 0 to 1; its code's runs as ours.) β̃_0 is 0; the variance of t = 1 stands for it.
    """
    ### BEGIN SOLUTION
    _, _, small = _posterior_tables(betas)
    log_small = extract(torch.cat([small[1:2], small[1:]]).log(), t, v)
    log_large = extract(betas.double().log(), t, v)
    share = (v + 1) / 2
    return share * log_large + (1 - share) * log_small
    ### END SOLUTION


def ancestral_sample(
    model: nn.Module,
    x_T: Float[Tensor, "B *S"],
    betas: Float[Tensor, "T"],
    kind: str = "eps",
    variance: str = "small",
    clip: bool = False,
    generator: Generator | None = None,
) -> Float[Tensor, "B *S"]:
    """Rebuild data from static by T ancestral steps, with a model of any kind.

        x_{t-1} = μ̃_t(x_t, x̂_0) + σ_t z,  and no noise in the step from t = 0    (DDPM, arXiv:2006.11239, algorithm 2)

    Calls `model(x_t, t)` exactly T times, with t of shape (B,); records no gradient; fresh noise for each step comes
    from `generator`.

    Args:
        model: predicts `kind`.
        x_T: standard normal.
        betas: the schedule.
        kind: "eps", "x0" or "v".
        variance: σ_t² is β̃_t if "small", β_t if "large" (arXiv:2006.11239, section 3.2).
        clip: whether the predicted x_0 is clamped to [-1, 1] before it enters the posterior mean.
        generator: the source of the noise.

    Raises:
        ValueError: an unknown kind or variance; the message names the argument.
    """
    ### BEGIN SOLUTION
    of_x0, of_x_t, small = _posterior_tables(betas)
    if variance not in ("small", "large"):
        raise ValueError(f"variance must be 'small' or 'large', got {variance!r}")
    std = (small if variance == "small" else betas.double()).sqrt()
    alpha_bar = torch.cumprod(1 - betas.double(), dim=0)
    x = x_T
    with torch.no_grad():
        for level in reversed(range(len(betas))):
            t = torch.full((len(x),), level, dtype=torch.int64, device=x.device)
            x0 = to_x0(model(x, t), x, t, alpha_bar, kind)
            x0 = x0.clamp(-1, 1) if clip else x0
            x = extract(of_x0, t, x) * x0 + extract(of_x_t, t, x) * x
            if level > 0:
                noise = torch.randn(x.shape, dtype=x.dtype, device=x.device, generator=generator)
                x = x + extract(std, t, x) * noise
    return x
    ### END SOLUTION


def ema_update(ema_model: nn.Module, model: nn.Module, decay: float) -> None:
    """Let a slow copy of a model follow it, in place: the copy that samples are drawn with.

        θ_ema ← decay θ_ema + (1 - decay) θ        (DDPM, arXiv:2006.11239, appendix B)

    for every parameter and floating-point buffer, each once even if the model has it under two names; other buffers
    are copied. The copy's tensors stay the same tensors, and no gradient is recorded.
    """
    ### BEGIN SOLUTION
    slow = [*ema_model.parameters(), *ema_model.buffers()]
    fast = [*model.parameters(), *model.buffers()]
    with torch.no_grad():
        for ours, theirs in zip(slow, fast, strict=True):
            if ours.is_floating_point():
                ours.lerp_(theirs, 1 - decay)
            else:
                ours.copy_(theirs)
    ### END SOLUTION


### BEGIN SOLUTION
def _clocks(t: Int[Tensor, "B"], dim: int) -> Float[Tensor, "B dim"]:
    """Cosines and sines of t at dim/2 frequencies from 1 down to 1e-4, in float64."""
    half = dim // 2
    frequencies = 10000.0 ** (-torch.arange(half, dtype=torch.float64, device=t.device) / half)
    angles = t[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)


class _Residual(nn.Module):
    """Two convolutions around the condition, and a way past them; all of it within a sample."""

    def __init__(self, in_channels: int, channels: int, condition: int):
        super().__init__()
        self.first = nn.Sequential(nn.GroupNorm(8, in_channels), nn.SiLU(), nn.Conv2d(in_channels, channels, 3, 1, 1))
        self.condition = nn.Linear(condition, channels)
        self.second = nn.Sequential(nn.GroupNorm(8, channels), nn.SiLU(), nn.Conv2d(channels, channels, 3, 1, 1))
        self.past = nn.Conv2d(in_channels, channels, 1) if in_channels != channels else nn.Identity()

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        h = self.first(x) + self.condition(c)[:, :, None, None]
        return self.past(x) + self.second(h)


class _SelfAttention(nn.Module):
    """Every position looks at every other one."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.qkv, self.out = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.norm(x).flatten(2).mT  # (B, H W, C)
        q, k, v = self.qkv(tokens).chunk(3, dim=2)
        seen = self.out(F.scaled_dot_product_attention(q, k, v))
        return x + seen.mT.reshape(x.shape)


### END SOLUTION
class UNet(nn.Module):
    """The network that DDPM draws images with: down through the resolutions, and up again with skips.

    `forward(x, t, y=None)` takes images (B, in_channels, H, W), integer t of shape (B,) and any size, and, if the
    network was made for `classes`, labels y of shape (B,) in 0..classes-1; it returns x's shape. H and W are divisible
    by 2**(levels-1). A sample's output depends on that sample, its t and its y, and on nothing else in the batch.

    On the way down each level's features are kept and handed to the same level on the way up (skips), so that detail
    need not pass the bottom; at the lowest level self-attention over positions lets every place see every other; time
    and label are added within the blocks. At initialisation the output is zero.

    (DDPM, arXiv:2006.11239, appendix B, after U-Net, arXiv:1505.04597.)

    Args:
        in_channels: of the images.
        width: channels of the first level, a multiple of 8.
        multipliers: channels of each level, in widths; their number is the number of levels.
        classes: how many labels there are, or None for a network without labels.
    """

    def __init__(
        self,
        in_channels: int = 1,
        width: int = 32,
        multipliers: tuple[int, ...] = (1, 2, 2),
        classes: int | None = None,
    ):
        super().__init__()
        ### BEGIN SOLUTION
        channels = [width * multiplier for multiplier in multipliers]
        condition = 4 * width
        self.width = width
        self.time = nn.Sequential(nn.Linear(width, condition), nn.SiLU(), nn.Linear(condition, condition))
        self.label = nn.Embedding(classes, condition) if classes is not None else None

        self.stem = nn.Conv2d(in_channels, width, 3, padding=1)
        before = [width, *channels[:-1]]
        self.down = nn.ModuleList(_Residual(a, b, condition) for a, b in zip(before, channels, strict=True))
        self.shrink = nn.ModuleList(nn.Conv2d(c, c, 3, stride=2, padding=1) for c in channels[:-1])
        self.middle = _Residual(channels[-1], channels[-1], condition)
        self.attention = _SelfAttention(channels[-1])
        self.up = nn.ModuleList(_Residual(2 * b, a, condition) for a, b in zip(before, channels, strict=True))
        self.head = nn.Sequential(nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, in_channels, 3, padding=1))
        nn.init.zeros_(self.head[-1].weight)
        nn.init.zeros_(self.head[-1].bias)
        ### END SOLUTION

    def forward(
        self, x: Float[Tensor, "B C H W"], t: Int[Tensor, "B"], y: Int[Tensor, "B"] | None = None
    ) -> Float[Tensor, "B C H W"]:
        ### BEGIN SOLUTION
        c = self.time(_clocks(t, self.width).to(x.dtype))
        if self.label is not None:
            c = c + self.label(y)
        levels, skips = len(self.down), []
        h = self.stem(x)
        for level in range(levels):
            h = self.down[level](h, c)
            skips.append(h)
            if level < levels - 1:
                h = self.shrink[level](h)
        h = self.attention(self.middle(h, c))
        for level in reversed(range(levels)):
            h = self.up[level](torch.cat([h, skips.pop()], dim=1), c)
            if level > 0:
                h = F.interpolate(h, scale_factor=2, mode="nearest")
        return self.head(h)
        ### END SOLUTION
