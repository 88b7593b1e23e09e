"""Section 7's two trainings, given: an autoencoder that makes pictures small, then a DiT in its latent.

What is taught is whatever `code` makes: a module with the section's functions. On a GPU both train in bfloat16, and compiled where
that can be done.
"""

import copy
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

from exercises.toolkit.training import training

ALPHA_BAR = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), dim=0)
"""DDPM's linear schedule, which DiT takes too."""
NO_LABEL = 0.1
"""The share of samples that are shown without their label, so that guidance has something to lead away from."""

Batch = tuple[Tensor, Tensor]
Batches = Callable[[Generator], Batch]
"""Draws pictures and their labels."""


class TooSlowError(Exception):
    """Training would take longer than the plan has patience for."""


@dataclass(frozen=True)
class Plan:
    """How large, and how long.

    Attributes:
        side: of the pictures.
        latent_channels: of the latent, whose side is a quarter as long; a patch is one place of it.
        width: of the autoencoder.
        beta: the price of a nat. A dear one makes a decoder that forgives: its latents came with more noise.
        dim: of the DiT's tokens.
        depth: blocks of the DiT.
        heads: of each block's attention.
        first: steps of the autoencoder's training.
        second: steps of the DiT's training.
        batch: samples a step.
        lr: learning rate at the first step of both.
        decay: of the slow copy of the DiT, with which samples are drawn.
        guidance: how much of the label.
        n: steps of the sampler.
        drawn: samples to draw.
        patience: seconds of the processor for training, at most.
    """

    side: int
    latent_channels: int
    width: int
    beta: float
    dim: int
    depth: int
    heads: int
    first: int
    second: int
    batch: int
    lr: float
    decay: float
    guidance: float
    n: int
    drawn: int
    patience: int


SMALL = Plan(side=16, latent_channels=4, width=16, beta=0.1, dim=96, depth=3, heads=4, first=400, second=2000, batch=64,
             lr=2e-3, decay=0.99, guidance=1.5, n=25, drawn=500, patience=1200)  # fmt: skip
"""Of handwritten digits, 16 by 16 pixels: three minutes of one core."""


def new_model(code: Any, plan: Plan, classes: int) -> nn.Module:
    """An untrained DiT of the plan's size."""
    return code.DiT(plan.side // 4, 1, plan.latent_channels, plan.dim, plan.depth, plan.heads, classes)


def learn_to_compress(
    code: Any, autoencoder: nn.Module, plan: Plan, batch_of: Batches, generator: Generator, began: float
) -> None:
    """Teach the autoencoder, and freeze it."""
    called = faster(autoencoder, next(autoencoder.parameters()).device.type)

    def loss_of(generator: Generator) -> Tensor:
        x, _ = batch_of(generator)
        shape = (len(x), plan.latent_channels, plan.side // 4, plan.side // 4)
        noise = torch.randn(shape, generator=generator).to(x.device)
        with half(x.device.type):
            recon, mean, logvar = called(x, noise)
        return code.vae_loss(recon.float(), x, mean.float(), logvar.float(), plan.beta) / plan.side**2

    train(autoencoder, loss_of, plan.first, plan, generator, began)
    autoencoder.eval().requires_grad_(False)


def learn_to_denoise(
    code: Any,
    model: nn.Module,
    autoencoder: nn.Module,
    scale: float | Tensor,
    plan: Plan,
    null: int,
    batch_of: Batches,
    generator: Generator,
    began: float,
) -> None:
    """Teach the model the noise in latents, now and then without the label, and leave in it the slow copy of itself."""
    slow = copy.deepcopy(model)
    called = faster(model, next(model.parameters()).device.type)

    def loss_of(generator: Generator) -> Tensor:
        x, y = batch_of(generator)
        unlabelled = torch.rand(len(y), generator=generator) < NO_LABEL
        y = torch.where(unlabelled.to(y.device), null, y)
        t = torch.randint(len(ALPHA_BAR), (len(x),), generator=generator).to(x.device)
        shape = (len(x), plan.latent_channels, plan.side // 4, plan.side // 4)
        noise = torch.randn(shape, generator=generator).to(x.device)
        with half(x.device.type):
            return code.latent_loss(called, autoencoder, x, y, t, noise, ALPHA_BAR, scale)

    train(model, loss_of, plan.second, plan, generator, began, slow)
    model.load_state_dict(slow.state_dict())
    model.eval().requires_grad_(False)


def train(
    model: nn.Module,
    loss_of: Callable[[Generator], Tensor],
    steps: int,
    plan: Plan,
    generator: Generator,
    began: float,
    slow: nn.Module | None = None,
) -> None:
    """Train, unless this machine would take longer than the plan's patience from when it began."""
    follow = {"ema": slow, "ema_update": follow_slowly, "ema_decay": plan.decay} if slow else {}
    start = 0.0
    for step, _ in training(model, loss_of, steps, generator=generator, lr=plan.lr, **follow):
        if step == 5:  # the first steps warm up, or compile
            start = time.process_time()
        if step == 15 and (needed := (time.process_time() - start) / 10 * steps + start - began) > plan.patience:
            name = type(model).__name__
            raise TooSlowError(
                f"training would take {needed:.0f} seconds of the processor on this machine with this {name}"
            )


@torch.no_grad()
def follow_slowly(slow: nn.Module, model: nn.Module, decay: float) -> None:
    """Section 2's running average of the weights."""
    for old, new in zip(slow.parameters(), model.parameters(), strict=True):
        old.lerp_(new, 1 - decay)


def half(device: str) -> torch.autocast:
    """On a GPU matrices are multiplied in bfloat16; elsewhere nothing changes."""
    return torch.autocast(device, torch.bfloat16, enabled=device == "cuda")


def faster(model: nn.Module, device: str, told: Callable[[str], None] = print) -> Callable[..., Tensor]:
    """On a GPU the model compiled, which shares its weights; elsewhere the model, as compiling takes longer than it saves.

    Where compiling fails, as without Triton, without a C compiler or on an old GPU, that is told once and the model is called.
    """
    if device != "cuda":
        return model
    compiled: Callable[..., Tensor] | None = None
    plain = False

    def called(*given: Tensor) -> Tensor:
        nonlocal compiled, plain
        if not plain:
            try:
                if compiled is not None:
                    return compiled(*given)
                with _without_logs():
                    compiled = torch.compile(model)
                    return compiled(*given)
            except Exception as error:
                why = _root_of(error)
        result = model(*given)  # and what the model itself raises comes from here, at its own line
        if not plain:
            plain = True
            told(f"torch.compile fails here ({why}): it learns uncompiled, which takes longer")
        return result

    return called


@contextmanager
def _without_logs() -> Iterator[None]:
    """What cannot be compiled is also logged, with the whole way to it in torch."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)


def _root_of(error: BaseException) -> str:
    """What an exception came from, in a line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), '')[:120]}"


@torch.no_grad()
def encoded(autoencoder: nn.Module, images: Tensor) -> Tensor:
    """The means of the images' latents."""
    return torch.cat([autoencoder.encode(some)[0] for some in images.split(500)])


@torch.no_grad()
def decoded(autoencoder: nn.Module, latents: Tensor) -> Tensor:
    """The pictures of unscaled latents, clamped to [-1, 1]."""
    return torch.cat([autoencoder.decode(some) for some in latents.split(500)]).clamp(-1, 1)
