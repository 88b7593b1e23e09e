"""The rewards of section 7: your autoencoder makes pictures small, your DiT learns the small ones, and static becomes pictures.

Glyphs take a quarter of a minute and need no GPU. Handwritten digits take minutes, and wait to be asked:

    pytest exercises/end_to_end/test_s7_latent_diffusion.py -m slow     # MNIST at 16x16 pixels, on one core, three minutes
    pytest exercises/end_to_end/test_s7_latent_diffusion.py -m gpu      # at 28x28, on a GPU with CUDA

None gives points. They leave s7_end_to_end.png, s7_digits.png and s7_digits_gpu.png in pictures/; with `-s` the training
shows its progress.
"""

import time
from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor, nn

from exercises.toolkit.glyphs import NAMES, all_glyphs, nearest_glyph
from exercises.toolkit.judging import accuracy, features, frechet_distance, train_judge
from exercises.toolkit.latents import (
    ALPHA_BAR,
    SMALL,
    Batch,
    Batches,
    Plan,
    TooSlowError,
    decoded,
    encoded,
    learn_to_compress,
    learn_to_denoise,
    new_model,
)
from exercises.toolkit.mnist import mnist
from exercises.toolkit.plots import picture_grid, save
from grader.course import ROOT

NEEDED = pytest.mark.needs("vae_loss", "Autoencoder", "latent_scale", "DiT", "latent_loss", "generate")
Says = Callable[[str, object], None]


# ------------------------------------------------------------------------------------------------------------- glyphs

GLYPHS = Plan(side=8, latent_channels=4, width=8, beta=0.3, dim=64, depth=2, heads=4, first=300, second=800, batch=64,
              lr=3e-3, decay=0.99, guidance=2.0, n=25, drawn=400, patience=150)  # fmt: skip
NEAR = 0.25
"""Root mean square over an image's pixels to the nearest of all glyphs; the nearest two of those are 0.35 apart, static 0.97."""
ENOUGH = 0.7
"""The share of images that are near a glyph of the label they were asked for. The reference reaches 0.92 to 0.97 (seeds 0 to
2); labels that are ignored leave a quarter of them, and static is near none."""
CORNERS = torch.tensor([16 * label + place for label in range(len(NAMES)) for place in (0, 3, 12, 15)])
"""Of all glyphs, those that a quarter of a minute is enough for."""


def in_corners(count: int, generator: Generator) -> Batch:
    """Glyphs in the four corners of their pictures: 16 pictures, each as often as any other."""
    pictures, labels = all_glyphs()
    which = CORNERS[torch.randint(len(CORNERS), (count,), generator=generator)]
    return pictures[which], labels[which]


@pytest.mark.end_to_end
@NEEDED
def test_static_becomes_glyphs_by_way_of_a_latent(code, record_property: Says) -> None:
    torch.manual_seed(0)
    generator = Generator().manual_seed(0)

    def batch_of(generator: Generator) -> Batch:
        return in_corners(GLYPHS.batch, generator)

    real = in_corners(1000, Generator().manual_seed(1))[0]
    autoencoder, latents, scale, model = learn(code, GLYPHS, real, len(NAMES), batch_of, generator)
    y = torch.arange(GLYPHS.drawn) % len(NAMES)
    drawn = draw(code, model, autoencoder, scale, GLYPHS, y, len(NAMES), generator)

    distance, label = nearest_glyph(drawn)
    good = ((distance < NEAR) & (label == y)).double().mean().item()
    there = (nearest_glyph(decoded(autoencoder, latents))[0] < NEAR).double().mean().item()
    picture = show(drawn, NAMES, "drawn in your latent, decoded once", "s7_end_to_end.png")
    says = f"{good:.0%} of {len(y)} images are the glyph that was asked for (of real ones {there:.0%} come through the autoencoder); see {picture}"
    record_property("says", says)
    assert good > ENOUGH, f"{says}: expected more than {ENOUGH:.0%}; {what_to_look_at(there)}"


def what_to_look_at(there: float) -> str:
    """Whose fault it may be, by what the autoencoder does with real pictures."""
    if there < 0.9:
        return "each exercise passes by itself, so look at how much Autoencoder can learn in so few steps"
    return "the autoencoder does its part, so look at how much DiT can learn in so few steps, and whether y reaches it"


# ------------------------------------------------------------------------------------------------------------- digits

LARGE = Plan(side=28, latent_channels=4, width=32, beta=0.1, dim=256, depth=6, heads=8, first=3000, second=12000, batch=256,
             lr=1e-3, decay=0.999, guidance=1.5, n=50, drawn=1000, patience=1800)  # fmt: skip
RIGHT = {16: 0.8, 28: 0.9}
"""For each side, the least share of samples that the judge must take for what was asked for.

At 16 the reference reaches 0.97 (one seed, in 154 seconds of a busy core), and 0.88 at guidance 1; of real images that have
been through its autoencoder the judge knows 0.97, and 0.1 is chance. At 28 nothing has been measured yet.
"""
DISTANT = {16: 25.0, 28: 40.0}
"""For each side, the largest Fréchet distance of the samples' features to those of the training images.

At 16 the reference reaches 5.6 (one seed; 6.7 at guidance 1, 14 at 2, 31 at 3), as many real images are at 1.8, static is at
366. At 28 nothing has been measured yet.
"""


@pytest.mark.end_to_end
@pytest.mark.slow(patience=SMALL.patience)
@NEEDED
def test_static_becomes_small_digits_by_way_of_a_latent(code, record_property: Says) -> None:
    write_digits(code, SMALL, "cpu", "s7_digits.png", record_property)


@pytest.mark.end_to_end
@pytest.mark.gpu(patience=LARGE.patience)
@NEEDED
def test_static_becomes_digits_by_way_of_a_latent(code, record_property: Says) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU: torch sees no CUDA device here")
    write_digits(code, LARGE, "cuda", "s7_digits_gpu.png", record_property)


def write_digits(code, plan: Plan, device: str, file: str, record_property: Says, seed: int = 0) -> None:
    """Make the shipped digits small, learn the small ones, draw as many of each, and judge them."""
    torch.manual_seed(seed)
    generator = Generator().manual_seed(seed)
    images, labels = (part.to(device) for part in mnist(size=plan.side))
    judge = train_judge(images, labels)

    def batch_of(generator: Generator) -> Batch:
        rows = torch.randint(len(images), (plan.batch,), generator=generator).to(device)
        return images[rows], labels[rows]

    began = time.monotonic()
    autoencoder, latents, scale, model = learn(code, plan, images[:2000], 10, batch_of, generator)
    took = time.monotonic() - began
    y = torch.arange(plan.drawn, device=device) % 10
    drawn = draw(code, model, autoencoder, scale, plan, y, 10, generator)

    right = accuracy(judge, drawn, y)
    near = frechet_distance(features(judge, drawn), features(judge, images))
    there = accuracy(judge, decoded(autoencoder, latents), labels[:2000])
    picture = show(drawn, "0123456789", "drawn in your latent, decoded once", file)
    says = (
        f"{right:.0%} of {len(y)} digits are the ones that were asked for, Fréchet distance {near:.1f} (real ones through "
        f"the autoencoder: {there:.0%}); {took:.0f} seconds of training; see {picture}"
    )
    record_property("says", says)
    assert right > RIGHT[plan.side], f"{says}: expected more than {RIGHT[plan.side]:.0%}; {what_to_look_at(there)}"
    assert near < DISTANT[plan.side], (
        f"{says}: expected a distance under {DISTANT[plan.side]}; {what_to_look_at(there)}"
    )


# --------------------------------------------------------------------------------------------------------------- both


def learn(
    code, plan: Plan, real: Tensor, null: int, batch_of: Batches, generator: Generator
) -> tuple[nn.Module, Tensor, float | Tensor, nn.Module]:
    """The autoencoder, its latents of real pictures, their scale and the model, after both trainings."""
    began = time.process_time()
    try:
        autoencoder = code.Autoencoder(1, plan.latent_channels, plan.width).to(real.device)
        learn_to_compress(code, autoencoder, plan, batch_of, generator, began)
        latents = encoded(autoencoder, real)
        scale = code.latent_scale(latents)
        model = new_model(code, plan, classes=null).to(real.device)
        learn_to_denoise(code, model, autoencoder, scale, plan, null, batch_of, generator, began)
    except TooSlowError as error:
        pytest.skip(str(error))
    return autoencoder, latents, scale, model


def draw(
    code,
    model: nn.Module,
    autoencoder: nn.Module,
    scale: float | Tensor,
    plan: Plan,
    y: Tensor,
    null: int,
    generator: Generator,
) -> Tensor:
    shape = (len(y), plan.latent_channels, plan.side // 4, plan.side // 4)
    static = torch.randn(shape, generator=generator).to(y.device)
    return code.generate(model, autoencoder, static, y, null, ALPHA_BAR, scale, plan.guidance, plan.n)


def show(drawn: Tensor, names: str | tuple[str, ...], title: str, file: str) -> str:
    """Write a picture with twelve images of each label, which take turns; returns its path in the course."""
    panels = {name: drawn[number :: len(names)][:12] for number, name in enumerate(names)}
    return save(picture_grid(panels, title), ROOT / "pictures" / file).relative_to(ROOT).as_posix()
