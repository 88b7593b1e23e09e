"""The statistical checks alarm on what is wrong, and not on what is right."""

import pytest
import torch
from torch import Generator, Tensor

from exercises.checks import chance
from exercises.checks.expect import Mismatch

SHAPE = (4, 32, 32)
AXES = ("steps", "samples", "elements")


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=Generator().manual_seed(seed))


@pytest.mark.parametrize("seed", range(50))
def test_normal_numbers_pass(seed):
    chance.standard_normal(normal(*SHAPE, seed=seed), "", AXES, of="z")


WRONG = {
    "shifted": (normal(*SHAPE) + 0.15, "mean"),
    "too wide": (1.15 * normal(*SHAPE), "variance"),
    "too narrow": (0.85 * normal(*SHAPE), "variance"),
    "uniform": (12**0.5 * (torch.rand(SHAPE, generator=Generator().manual_seed(0)) - 0.5), "share"),
    "signs": (normal(*SHAPE).sign(), "share"),
    "cut off at two deviations": (normal(*SHAPE).clamp(-2, 2), "beyond two"),
    "one step for all": (normal(1, 32, 32).expand(SHAPE), "along the steps"),
    "one sample for all": (normal(4, 1, 32).expand(SHAPE), "along the samples"),
    "one element for all": (normal(4, 32, 1).expand(SHAPE), "along the elements"),
    "pairs that cancel": (torch.cat([normal(4, 16, 32), -normal(4, 16, 32)], dim=1), "over the samples"),
}


@pytest.mark.parametrize(("z", "says"), WRONG.values(), ids=WRONG)
def test_other_numbers_alarm_and_say_what_is_wrong(z, says):
    with pytest.raises(Mismatch, match=says):
        chance.standard_normal(z, "", AXES, of="what was added")


def test_bounds_of_a_share_are_where_chernoff_has_them():
    """Of 10 numbers none has a property of share 1/10 more often than once in 1e10 runs, of 1000 never."""
    chance._share(0.0, 0.1, 10, "share", "", "z")
    chance._share(0.1, 0.1, 1000, "share", "", "z")
    for found in (0.0, 0.02, 0.3, 1.0):
        with pytest.raises(Mismatch, match="share"):
            chance._share(found, 0.1, 1000, "share", "", "z")


def test_an_alarm_says_of_what_and_has_the_number_of_each_step():
    z = normal(*SHAPE) * torch.tensor([1.0, 1.0, 2.0, 1.0])[:, None, None]
    with pytest.raises(
        Mismatch, match=r"what was added: variance 1\.7\d \(t = 3: \S+, t = 2: \S+, t = 1: [34]\S+, t = 0: "
    ):
        chance.standard_normal(z, "", AXES, of="what was added", rows=["t = 3", "t = 2", "t = 1", "t = 0"])


@pytest.mark.parametrize("seed", range(50))
def test_uniform_levels_pass(seed):
    chance.uniform(torch.randint(5, (16_384,), generator=Generator().manual_seed(seed)), 5, "", of="levels")


@pytest.mark.parametrize(
    "levels",
    [
        torch.randint(1, 5, (16_384,)),
        torch.randint(4, (16_384,)),
        (4 * torch.rand(16_384)).round().long(),
        (5 * torch.rand(16_384) ** 2).long(),
    ],
    ids=["no first", "no last", "rounded", "mostly low"],
)
def test_other_levels_alarm(levels):
    with pytest.raises(Mismatch):
        chance.uniform(levels, 5, "", of="levels")
