"""What lesson 7 quotes, measured on the code it is given: the reference, or a learner's module.

`exact(code)` follows from formulas alone, of numbers made by hand or of Gaussian latents whose best model is known;
`measured(code)` is of random networks and of trainings: small autoencoders on glyphs, and the slow reward's two networks on
handwritten digits. Both give each number as the lesson writes it, by its meaning.
"""

import math
import time
from dataclasses import dataclass
from functools import cache
from types import ModuleType, SimpleNamespace

import torch
from torch import Generator, Tensor, nn

from exercises.toolkit.glyphs import glyphs
from exercises.toolkit.latents import (
    ALPHA_BAR,
    SMALL,
    decoded,
    encoded,
    learn_to_compress,
    learn_to_denoise,
    new_model,
)
from exercises.toolkit.mnist import mnist
from exercises.toolkit.training import training

STABLE_DIFFUSION = 0.18215
"""The number by which Stable Diffusion multiplies its latents."""


def rng(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def one(*numbers: float) -> Tensor:
    return torch.tensor([numbers], dtype=torch.float64)


# -------------------------------------------------------------------------------------------------------- exact numbers


def shifted(mean: float):
    """The best guess of the noise where data is N(0, 1) without its label and N(mean, 1) with label 0; 1 is no label."""

    def model(z: Tensor, t: Tensor, y: Tensor) -> Tensor:
        a = ALPHA_BAR[t][:, None]
        return (1 - a).sqrt() * (z - a.sqrt() * mean * (y == 0)[:, None])

    return model


PASS = SimpleNamespace(encode=lambda x: (x, torch.zeros_like(x)), decode=lambda z: z)
"""An autoencoder that leaves everything as it is."""


def guided(code: ModuleType, guidance: float, n: int) -> tuple[float, float]:
    """Mean and standard deviation of guided samples, where the label moves N(0, 1) to N(0.2, 1).

    The chain is affine in z_T, so that two samples tell; small enough to be spared by the clamp.
    """
    ends = code.generate(
        shifted(0.2), PASS, one(-0.1, 0.1).T, torch.zeros(2, dtype=torch.int64), 1, ALPHA_BAR, 1.0, guidance, n
    )
    return ends.mean().item(), (ends[1] - ends[0]).item() / 0.2


def blown_up(code: ModuleType, n: int) -> float:
    """By how much `generate` stretches static with a model that says 0, as a new DiT does."""
    z_T = one(1e-3)
    return code.generate(lambda z, t, y: 0 * z, PASS, z_T, torch.zeros(1, dtype=torch.int64), 1, ALPHA_BAR, 1.0, 0.0, n).item() / 1e-3  # fmt: skip


def half_noise(std: float) -> int:
    """The first level at which noise has more variance than a latent of this standard deviation."""
    return int((ALPHA_BAR * std**2 < 1 - ALPHA_BAR).nonzero()[0])


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def exact(code: ModuleType) -> dict[str, str]:
    logvar = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
    code.reparameterize(one(0.0), logvar, one(1.0)).sum().backward()
    tokens = code.patchify(torch.arange(16.0).reshape(1, 2, 2, 4), 2)
    table = code.position_embedding_2d(4, 8)
    wide = code.position_embedding_2d(4, 64)
    moving = (wide[12:16, :16] - wide[12, :16]).abs().amax(dim=0) > 0.1  # the column's sines
    block = code.DiTBlock(64, 4)
    condition = next(p for p in block.parameters() if p.numel() == 64 * 6 * 64)
    return {
        "z of mean 1, variance 4, noise 0.5": f"{code.reparameterize(one(1.0), one(math.log(4)), one(0.5)).item():g}",
        "dz/dlogvar at logvar 0, noise 1": f"{logvar.grad.item():g}",
        "KL of mean 1": f"{code.kl_standard_normal(one(1.0), one(0.0)).item():g}",
        "KL of std 1/2": f"{code.kl_standard_normal(one(0.0), one(math.log(0.25))).item():.3f}",
        "KL of std 2": f"{code.kl_standard_normal(one(0.0), one(math.log(4.0))).item():.3f}",
        "the decoder's deviation that beta 1e-3 stands for": f"{(1e-3 / 2) ** 0.5:.4f}",
        "in grey levels": f"{(1e-3 / 2) ** 0.5 * 127.5:.1f}",
        "std of Stable Diffusion's latents": f"{1 / STABLE_DIFFUSION:.2f}",
        "level where noise outweighs data": f"{half_noise(1.0)}",
        "level where noise outweighs them, unscaled": f"{half_noise(1 / STABLE_DIFFUSION)}",
        "first token by hand": ", ".join(f"{number:g}" for number in tokens[0, 0].tolist()),
        "second token by hand": ", ".join(f"{number:g}" for number in tokens[0, 1].tolist()),
        "row of patch 1": ", ".join(f"{number:.3f}" for number in table[1].tolist()),
        "frequencies that move, of 16": f"{int(moving.sum())}",
        "a table row's squared length, dim 64": f"{wide[5].square().sum().item():g}",
        "parameters of DiTBlock(64, 4)": f"{parameters(block)}",
        "percent of them in the condition's map": f"{(condition.numel() + 6 * 64) / parameters(block):.0%}",
        "parameters of the reward's DiT": f"{parameters(new_model(code, SMALL, 10))}",
        "parameters of the autoencoder's defaults": f"{parameters(code.Autoencoder())}",
        "guided mean, 1000 steps": f"{guided(code, 3.0, 1000)[0]:.2f}",
        **{f"guided mean, {n} steps": f"{guided(code, 3.0, n)[0]:.2f}" for n in (1, 10)},
        **{f"guided std, {n} steps": f"{guided(code, 3.0, n)[1]:.3f}" for n in (1, 10, 1000)},
        "static under a model that says 0": f"{blown_up(code, 1):.1f}",
        "the same in 50 steps": f"{blown_up(code, 50):.1f}",
    }


# ----------------------------------------------------------------------------------------------------------- measured


@dataclass(frozen=True)
class World:
    """The slow reward's two networks after their training, and what they were taught with."""

    images: Tensor
    labels: Tensor
    autoencoder: nn.Module
    latents: Tensor
    scale: float
    model: nn.Module


@cache
def world(code: ModuleType) -> World:
    """An autoencoder and a DiT in its latent, taught handwritten digits of 16 by 16 pixels: minutes."""
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        generator, (images, labels) = rng(), mnist(size=SMALL.side)

        def batch_of(generator: Generator) -> tuple[Tensor, Tensor]:
            rows = torch.randint(len(images), (SMALL.batch,), generator=generator)
            return images[rows], labels[rows]

        began = time.monotonic() + 1e6  # there is patience
        autoencoder = code.Autoencoder(1, SMALL.latent_channels, SMALL.width)
        learn_to_compress(code, autoencoder, SMALL, batch_of, generator, began)
        latents = encoded(autoencoder, images[:2000])
        scale = float(code.latent_scale(latents))
        model = new_model(code, SMALL, 10)
        learn_to_denoise(code, model, autoencoder, scale, SMALL, 10, batch_of, generator, began)
    return World(images[:2000], labels[:2000], autoencoder, latents, scale, model)


@torch.no_grad()
def loss_at(code: ModuleType, level: int, labelled: bool) -> float:
    """latent_loss of the trained DiT at one level, with labels or without."""
    known = world(code)
    x, y = known.images[:500], known.labels[:500]
    t = torch.full((500,), level)
    shape = known.latents[:500].shape
    y = y if labelled else torch.full_like(y, 10)
    noise = torch.randn(shape, generator=rng(level))
    return code.latent_loss(known.model, known.autoencoder, x, y, t, noise, ALPHA_BAR, known.scale).item()


PRICES = (1e-3, 1.0, 30.0)
"""Of a nat, for three autoencoders of glyphs."""


@cache
def priced(code: ModuleType, beta: float, steps: int = 300) -> nn.Module:
    """An autoencoder of glyphs, trained a little at this price."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = code.Autoencoder(1, 4, 8)

    def loss_of(generator: Generator) -> Tensor:
        x, _ = glyphs(64, generator)
        recon, mean, logvar = model(x, torch.randn(64, 4, 2, 2, generator=generator))
        return code.vae_loss(recon, x, mean, logvar, beta) / 64

    with torch.enable_grad():
        for _ in training(model, loss_of, steps, generator=rng(1), lr=3e-3):
            pass
    return model.eval().requires_grad_(False)


@torch.no_grad()
def bargain(code: ModuleType, beta: float) -> tuple[float, float, float]:
    """Squared error of a picture, nats of its latent, and the standard deviation of the latents' means."""
    x, _ = glyphs(1000, rng(2))
    recon, mean, logvar = priced(code, beta)(x, torch.randn(1000, 4, 2, 2, generator=rng(3)))
    error = (recon - x).square().flatten(1).sum(1).mean().item()
    return error, code.kl_standard_normal(mean, logvar).mean().item(), 1 / float(code.latent_scale(mean))


def sharpness(dim: int, divided: bool, count: int = 16) -> float:
    """The largest weight among so many tokens whose queries and keys are standard normal, on average."""
    q, k = torch.randn(2, 2000, count, dim, generator=rng(4)).unbind(0)
    scores = (q[:, :1] @ k.mT).squeeze(1)
    return (scores / dim**0.5 if divided else scores).softmax(dim=1).amax(dim=1).mean().item()


@torch.no_grad()
def measured(code: ModuleType) -> dict[str, str]:
    known = world(code)
    error = (decoded(known.autoencoder, known.latents) - known.images).square().mean().sqrt().item()
    bargains = {f"{beta:g}": bargain(code, beta) for beta in PRICES}
    return {
        "digits: error a pixel of the autoencoder": f"{error:.2f}",
        "digits: deviation of a pixel": f"{known.images.std().item():.2f}",
        "digits: latent_scale": f"{known.scale:.2f}",
        "digits: standard deviation of latents": f"{known.latents.std().item():.2f}",
        "largest weight of 16, d = 64, divided": f"{sharpness(64, True):.2f}",
        "largest weight of 16, d = 64, not divided": f"{sharpness(64, False):.2f}",
        **{f"loss at t = {t}, labelled": f"{loss_at(code, t, True):.2f}" for t in (50, 300)},
        "loss at t = 300, unlabelled": f"{loss_at(code, 300, False):.2f}",
        **{f"glyphs at beta {name}: error": f"{found[0]:.2f}" for name, found in bargains.items()},
        **{f"glyphs at beta {name}: nats": f"{found[1]:.1f}" for name, found in bargains.items()},
        **{f"glyphs at beta {name}: std of latents": f"{found[2]:.2f}" for name, found in bargains.items()},
    }
