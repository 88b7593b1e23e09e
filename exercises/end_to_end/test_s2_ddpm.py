"""The reward of section 2: your U-Net learns to write digits, the ones it is asked for.

Both take minutes, and wait to be asked:

    pytest exercises/end_to_end/test_s2_ddpm.py -m slow     # MNIST at 14x14 pixels, on one core
    pytest exercises/end_to_end/test_s2_ddpm.py -m gpu      # at 28x28, on a GPU with CUDA

Add `-s` to see the training's progress. They give no points, and leave pictures/s2_end_to_end.png and
pictures/s2_end_to_end_gpu.png.

A classifier that real digits have taught judges the samples twice: does it see the digits that were asked for, and how
far are its features from those of real digits? Beside each threshold stands what else would get there.
"""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Generator, Tensor, nn

from exercises.toolkit.judging import accuracy, features, frechet_distance, train_judge
from exercises.toolkit.mnist import mnist
from exercises.toolkit.plots import image_grid, save
from exercises.toolkit.training import training
from grader.course import ROOT


@dataclass(frozen=True)
class Plan:
    """How large, how long, and what must come out of it.

    Attributes:
        side: of the images.
        width: of the U-Net.
        multipliers: of the U-Net.
        T: levels of noise.
        steps: of training.
        batch: samples a step.
        samples: how many digits are drawn.
        right: the least share of them that the judge must recognise.
        near: the largest Fréchet distance of their features to those of the training images.
        patience: seconds of training, at most.
        picture: where the first of them are shown, in pictures/.
    """

    side: int
    width: int
    multipliers: tuple[int, ...]
    T: int
    steps: int
    batch: int
    samples: int
    right: float
    near: float
    patience: int
    picture: str


CPU = Plan(14, 32, (1, 2), 100, 1000, 64, 500, 0.8, 20.0, 1200, "s2_end_to_end.png")
GPU = Plan(28, 64, (1, 2, 2), 400, 6000, 128, 1000, 0.9, 40.0, 1800, "s2_end_to_end_gpu.png")

NEEDED = pytest.mark.needs("cosine_schedule", "prediction_loss", "ancestral_sample", "ema_update", "UNet")


@pytest.mark.end_to_end
@pytest.mark.slow
@NEEDED
def test_small_digits_come_out_of_static(code, record_property: Callable[[str, object], None]) -> None:
    write_digits(code, CPU, "cpu", record_property)


@pytest.mark.end_to_end
@pytest.mark.gpu
@NEEDED
def test_digits_come_out_of_static(code, record_property: Callable[[str, object], None]) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU: torch sees no CUDA device here")
    write_digits(code, GPU, "cuda", record_property)


def write_digits(code, plan: Plan, device: str, record_property: Callable[[str, object], None], seed: int = 0) -> None:
    torch.manual_seed(seed)
    images, labels = (part.to(device) for part in mnist(size=plan.side))
    judge = train_judge(images, labels)
    model = train(code, plan, images, labels, Generator().manual_seed(seed))

    asked = torch.arange(plan.samples, device=device) % 10
    drawn = draw(code, plan, model, asked)
    right = accuracy(judge, drawn, asked)
    near = frechet_distance(features(judge, drawn), features(judge, images))

    grid = image_grid(drawn[:100], names="0123456789", title=f"{right:.0%} recognised, Fréchet distance {near:.1f}")
    picture = save(grid, ROOT / "pictures" / plan.picture).relative_to(ROOT).as_posix()
    says = f"{right:.0%} of your digits are recognised, Fréchet distance {near:.1f}; see {picture}"
    record_property("says", says)
    assert right > plan.right, f"{says}: fewer than {plan.right:.0%} are what was asked for, so does y reach the image?"
    assert near < plan.near, f"{says}: further than {plan.near} from real ones, so how much can your UNet learn?"


def train(code, plan: Plan, images: Tensor, labels: Tensor, generator: Generator) -> nn.Module:
    """The slow copy of a network that was trained to predict v, given the digit."""
    alpha_bar = torch.cumprod(1 - code.cosine_schedule(plan.T), dim=0)
    model = code.UNet(width=plan.width, multipliers=plan.multipliers, classes=10).to(images.device)
    ema = copy.deepcopy(model)

    def loss_of(generator: Generator) -> Tensor:
        rows = torch.randint(len(images), (plan.batch,), generator=generator).to(images.device)
        t = torch.randint(plan.T, (plan.batch,), generator=generator).to(images.device)
        noise = torch.randn(plan.batch, *images.shape[1:], generator=generator).to(images.device)
        return code.prediction_loss(lambda x, t: model(x, t, labels[rows]), images[rows], t, noise, alpha_bar, "v")

    began = time.monotonic()
    follow = {"ema": ema, "ema_update": code.ema_update, "ema_decay": 0.995}
    for step, _ in training(model, loss_of, plan.steps, generator=generator, **follow):
        if step == 10 and (needed := (time.monotonic() - began) / 10 * plan.steps) > plan.patience:
            pytest.skip(
                f"training would take {needed / 60:.0f} minutes: does something loop over a batch or its pixels?"
            )
    return ema.eval()


def draw(code, plan: Plan, model: nn.Module, asked: Tensor) -> Tensor:
    """A digit for each label.

    The noise comes from torch's global generator: one of the CPU's serves no GPU, and one of the GPU's no code that
    draws on the CPU and sends what it drew.
    """
    static = torch.randn(len(asked), 1, plan.side, plan.side, device=asked.device)
    betas = code.cosine_schedule(plan.T)
    return code.ancestral_sample(lambda x, t: model(x, t, asked), static, betas, "v", clip=True).clamp(-1, 1)
