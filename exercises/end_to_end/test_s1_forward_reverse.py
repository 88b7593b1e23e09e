"""The reward of section 1: your denoiser learns two moons, and your sampler draws them from static.

It takes about six seconds, needs no GPU, gives no points, and leaves pictures/s1_end_to_end.png.
"""

from collections.abc import Callable

import pytest
from torch import Generator

from exercises.toolkit import sliced_wasserstein
from exercises.toolkit.denoising import moons_from_static, off
from exercises.toolkit.latents import TooSlowError
from exercises.toolkit.moons import nearer_moon
from exercises.toolkit.plots import points, save
from grader.course import ROOT

OFF = 0.06
"""Largest share of samples off the moons, which is what the eye sees. The reference has 0.016 to 0.024 (13 seeds), ten other networks 0.020
to 0.030 (three seeds, tests/test_rewards.py); of the data 0.03 is off, of static 0.78, and a jump without its square roots ends at 0.28."""
NEAR = 0.09
"""Sliced W2 to fresh data, which hardly sees what lies between the moons. The reference reaches 0.020 to 0.070, the other networks 0.023
to 0.077; two sets of fresh data are 0.016 to 0.035 apart, and the static that the chain begins with is at 0.28 to 0.31."""


@pytest.mark.end_to_end
@pytest.mark.needs("TinyDenoiser", "train_denoiser", "sample")
def test_static_becomes_two_moons(code, record_property: Callable[[str, object], None]) -> None:
    try:
        fresh, static, samples = (panels := moons_from_static(code)).values()
    except TooSlowError as error:
        pytest.skip(str(error))
    far, near = (sliced_wasserstein(x, fresh, generator=Generator().manual_seed(1)) for x in (static, samples))
    which, lost = nearer_moon(samples), off(samples)
    named = {f"{name}\n{off(x):.1%} off": x for name, x in panels.items()}
    labels = dict(zip(named, (nearer_moon(fresh), which, which), strict=True))
    title = "off: the share of points where the data is hardly ever; colour: the moon that a point ends at"
    picture = save(points(named, title, labels=labels), ROOT / "pictures" / "s1_end_to_end.png")
    picture = picture.relative_to(ROOT).as_posix()
    says = f"{lost:.1%} of the points are off the moons ({off(fresh):.1%} of the data), sliced W2 {far:.2f} before, {near:.3f} after; see {picture}"
    record_property("says", says)
    why = "each exercise passes by itself, so look at how much TinyDenoiser can learn"
    assert lost < OFF, f"{lost:.1%} of the drawn points are off the moons, not under {OFF:.0%}, see {picture}: {why}"
    assert near < NEAR, f"the drawn points are {near:.3f} from the moons, not under {NEAR} (static: {far:.2f}), see {picture}: {why}"  # fmt: skip
