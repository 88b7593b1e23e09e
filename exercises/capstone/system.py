"""The system: which functions it is made of, how it learns, and how it draws."""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from exercises.toolkit.judging import accuracy, train_judge
from exercises.toolkit.latents import SMALL, Plan, decoded, encoded, faster, half
from exercises.toolkit.mnist import mnist
from exercises.toolkit.training import training

NEEDED = {
    "s1_forward_reverse": ("compute_alpha_bar", "predict_x0"),
    "s2_ddpm": ("linear_schedule", "to_x0", "ema_update"),
    "s3_score_sde": ("VPSDE", "score_from_eps", "ode_sample"),
    "s4_fast_sampling": ("half_log_snr", "ddim_sample", "dpmpp_2m_sample"),
    "s5_flow_matching": ("target_velocity", "midpoint_sample"),
    "s6_guidance": ("drop_labels", "guided_eps"),
    "s7_latent_diffusion": ("Autoencoder", "vae_loss", "latent_scale", "DiT", "latent_loss"),
}
"""What each section gives to the system."""
LEARNING = ("s1_forward_reverse", "s2_ddpm", "s6_guidance", "s7_latent_diffusion")
"""The sections on which the two trainings depend; the others only draw."""
CLASSES, T = 10, 1000
"""Digits, of which the next number is the null label; levels of noise."""
SEED = 0

CPU = replace(SMALL, first=600, second=3500, guidance=2.0)
"""16 by 16 pixels: some six minutes of one core."""
GPU = Plan(side=28, latent_channels=4, width=32, beta=0.1, dim=256, depth=6, heads=8, first=3000, second=12000, batch=256,
           lr=1e-3, decay=0.999, guidance=1.5, n=25, drawn=1000, patience=1800)  # fmt: skip
"""MNIST's own 28 by 28 pixels, on a GPU."""

Model = Callable[[Tensor, Tensor], Tensor]
"""A model of noise that knows its labels: `model(x_t, t)`."""


def under_one_roof(solved: Mapping[str, Mapping[str, Any]]) -> tuple[SimpleNamespace, dict[str, list[str]]]:
    """The functions that the system is made of, and by section those that it still lacks.

    Args:
        solved: by section, the learner's functions and classes that pass, and whose needs pass.
    """
    found: dict[str, Any] = {}
    missing: dict[str, list[str]] = {}
    for stem, names in NEEDED.items():
        there = solved.get(stem, {})
        found |= {name: there[name] for name in names if name in there}
        if lacking := [name for name in names if name not in there]:
            missing[stem] = lacking
    return SimpleNamespace(**found), missing


@dataclass(frozen=True)
class Film:
    """What a sampler did with some static, moment by moment.

    Attributes:
        latents: the latent, from static to clean data.
        states: pictures of it.
        guesses: pictures of what the model takes it for, at each moment but the last.
        levels: the level of noise of each moment; -1 is clean data.
        labels: which digits were asked for.
    """

    latents: Float[Tensor, "n+1 B C h w"]
    states: Float[Tensor, "n+1 B 1 side side"]
    guesses: Float[Tensor, "n B 1 side side"]
    levels: list[int]
    labels: Int[Tensor, "B"]

    @property
    def pictures(self) -> Float[Tensor, "B 1 side side"]:
        """The last moment."""
        return self.states[-1]


class System:
    """Everything that static must pass to become a digit.

    Args:
        code: the functions of `NEEDED`, by name.
        plan: how large, and how long.
        folder: where the two trainings keep their checkpoints; one that was interrupted goes on from there.
        device: "cpu" or "cuda".
        told: is told what is being done, as it begins.
    """

    def __init__(
        self,
        code: Any,
        plan: Plan,
        folder: Path,
        device: str = "cpu",
        told: Callable[[str], None] = lambda what: None,
    ) -> None:
        self.code, self.plan, self.folder, self.device, self.told = code, plan, folder, device, told
        self.alpha_bar = code.compute_alpha_bar(code.linear_schedule(T).double()).to(device)
        self.generator = Generator().manual_seed(SEED)
        with seeded(SEED):
            self.autoencoder: nn.Module = code.Autoencoder(1, plan.latent_channels, plan.width).to(device)
            self.model: nn.Module = code.DiT(
                plan.side // 4, 1, plan.latent_channels, plan.dim, plan.depth, plan.heads, CLASSES
            ).to(device)
        self.scale: float | Tensor = 1.0

    @cached_property
    def digits(self) -> tuple[Tensor, Tensor]:
        """The shipped digits, and which they are."""
        images, labels = mnist(size=self.plan.side)
        return images.to(self.device), labels.to(self.device)

    def learn(self) -> None:
        """Both trainings, one after the other; what is done already is taken from the checkpoints.

        Raises:
            ValueError: a loss is not finite, or a checkpoint is damaged or of another training.
        """
        self.told(f"the autoencoder learns to make digits small: {self.plan.first} steps")
        self._compress()
        latents = encoded(self.autoencoder, self.digits[0][:2000])
        self.scale = self.code.latent_scale(latents)
        self.told(f"the DiT learns the noise in small digits: {self.plan.second} steps")
        self._denoise()

    def _compress(self) -> None:
        called = faster(self.autoencoder, self.device, self.told)

        def loss_of(generator: Generator) -> Tensor:
            x, _ = self._batch(generator)
            noise = self._noise(len(x), generator)
            with half(self.device):
                recon, mean, logvar = called(x, noise)
            nats = self.code.vae_loss(recon.float(), x, mean.float(), logvar.float(), self.plan.beta)
            return nats / self.plan.side**2

        self._train(self.autoencoder, loss_of, self.plan.first, "autoencoder.pt")
        self.autoencoder.eval().requires_grad_(False)

    def _denoise(self) -> None:
        called, slow = faster(self.model, self.device, self.told), copy.deepcopy(self.model)

        def loss_of(generator: Generator) -> Tensor:
            x, y = self._batch(generator)
            y = self.code.drop_labels(y.cpu(), CLASSES, 0.1, generator).to(x.device)
            t = torch.randint(T, (len(x),), generator=generator).to(x.device)
            noise = self._noise(len(x), generator)
            with half(self.device):
                return self.code.latent_loss(called, self.autoencoder, x, y, t, noise, self.alpha_bar, self.scale)

        self._train(self.model, loss_of, self.plan.second, "dit.pt", slow)
        self.model.load_state_dict(slow.state_dict())
        self.model.eval().requires_grad_(False)

    def _train(
        self,
        model: nn.Module,
        loss_of: Callable[[Generator], Tensor],
        steps: int,
        file: str,
        slow: nn.Module | None = None,
    ) -> None:
        follow: dict[str, Any] = {}
        if slow is not None:
            follow = {"ema": slow, "ema_update": self.code.ema_update, "ema_decay": self.plan.decay}
        kept = {"checkpoint": self.folder / file, "every": 100}
        steps_of = training(model, loss_of, steps, generator=self.generator, lr=self.plan.lr, **kept, **follow)
        for step, loss in steps_of:
            if step % max(steps // 5, 1) == 0:
                self.told(f"  step {step} of {steps}, loss {loss:.4f}")

    def _batch(self, generator: Generator) -> tuple[Tensor, Tensor]:
        images, labels = self.digits
        rows = torch.randint(len(images), (self.plan.batch,), generator=generator).to(images.device)
        return images[rows], labels[rows]

    def _noise(self, count: int, generator: Generator) -> Tensor:
        side = self.plan.side // 4
        return torch.randn(count, self.plan.latent_channels, side, side, generator=generator).to(self.device)

    def static(self, count: int, seed: int = 1) -> Tensor:
        """Static of the latent's shape."""
        return self._noise(count, Generator().manual_seed(seed))

    def noise_model(self, labels: Tensor) -> Model:
        """The trained network as a model of noise that is led towards these labels."""

        def model(x: Tensor, t: Tensor) -> Tensor:
            return self.code.guided_eps(self.model, x, t, labels.to(x.device), CLASSES, self.plan.guidance)

        return model

    def draw(self, labels: Int[Tensor, "B"], seed: int = 1) -> Film:
        """Static into digits, by section 4's solver; each moment is kept."""
        states, guesses, levels = [], [], []
        model = self.noise_model(labels)

        def watched(x: Tensor, t: Tensor) -> Tensor:
            eps = model(x, t)
            states.append(x)
            guesses.append(self.code.predict_x0(x, t, eps, self.alpha_bar))
            levels.append(int(t[0]))
            return eps

        clean = self.code.dpmpp_2m_sample(watched, self.static(len(labels), seed), self.alpha_bar, self.plan.n)
        latents = [*states, clean]
        return Film(
            torch.stack(latents).cpu(),
            torch.stack([self.picture(latent) for latent in latents]),
            torch.stack([self.picture(guess) for guess in guesses]),
            [*levels, -1],
            labels,
        )

    def picture(self, latent: Tensor) -> Tensor:
        """What the decoder makes of a scaled latent."""
        return decoded(self.autoencoder, latent / self.scale).cpu()

    def quality(self, pictures: Tensor, labels: Tensor) -> tuple[float, float]:
        """The share of digits that a judge takes for what was asked for, and the share of real ones, by way of the latent."""
        images, truth = self.digits
        judge = train_judge(images, truth)
        real = decoded(self.autoencoder, encoded(self.autoencoder, images[:1000]))
        asked = labels.to(self.device)
        return accuracy(judge, pictures.to(self.device), asked), accuracy(judge, real, truth[:1000])


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's global generator set for a moment: initial weights come from there."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
