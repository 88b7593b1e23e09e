"""The checks of interval_scale."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from exercises.checks import expect
from exercises.checks.rules import KEEP
from exercises.checks.s6_guidance.inputs import laid_like

INSIDE = "the scale holds where low <= t/T <= high, and 1 elsewhere: 1 is no guidance, the conditional guess"
ENDS = "both ends belong to the interval"


def told(inside: list[bool], scale: float) -> Tensor:
    return torch.tensor([float(scale) if one else 1.0 for one in inside])


def test_interval_scale_by_hand(code):
    """Of eight levels those from a quarter to three quarters are guided, ends included."""
    got = code.interval_scale(torch.arange(8), 8, 4.0, 0.25, 0.75)
    why = f"t/T = 0, 1/8, ..., 7/8, so that levels 2 to 6 are inside; {ENDS}; {INSIDE}"
    expect.close(got, torch.tensor([1.0, 1.0, 4.0, 4.0, 4.0, 4.0, 4.0, 1.0]), why)
    got = code.interval_scale(torch.tensor([3, 1]), 4, 0.0, 0.75, 0.75)
    expect.close(got, torch.tensor([0.0, 1.0]), f"t/T = 3/4 is an interval of one point, 1/4 outside; {ENDS}; {INSIDE}")


@given(T=st.integers(1, 1000), ends=st.tuples(st.integers(0, 1000), st.integers(0, 1000)), scale=st.floats(0, 20), seed=st.integers(0, 1000))  # fmt: skip
def test_interval_scale_is_the_scale_inside_and_1_outside(code, T, ends, scale, seed):
    """Each level has the scale if it lies in the interval, and 1 if not, wherever the interval is."""
    low, high = sorted(end % (T + 1) for end in ends)
    levels = torch.tensor([(seed * 7 + 13 * i) % T for i in range(6)] + [low % T, (high + 1) % T, max(high - 1, 0)])
    got = code.interval_scale(levels, T, scale, (low - 0.5) / T, (high - 0.5) / T)  # half a level off: no end is hit
    want = told([low <= level < high for level in levels.tolist()], scale)
    expect.close(got, want, INSIDE)


def test_interval_scale_covers_everything_from_0_to_1(code):
    """The interval from 0 to 1 holds every level, and one beyond them all holds none."""
    t = torch.arange(10)
    expect.close(
        code.interval_scale(t, 10, 3.5, 0.0, 1.0), torch.full((10,), 3.5), f"from 0 to 1 all are inside; {ENDS}"
    )
    got = code.interval_scale(t, 10, 3.5, 0.96, 1.0)
    expect.close(got, torch.ones(10), "t/T is at most 9/10 here: nothing is at 0.96 or above")


def test_interval_scale_is_a_float32_for_each_sample(code):
    """The answer is float32 with one number a sample, and t is not changed."""
    for scale in (2.0, 0.3, 3):  # a whole number is a float, too
        for levels in ([5], [0, 5, 9], [5, 5]):
            t = torch.tensor(levels)
            row = laid_like(t, torch.stack([t, t], dim=1)[:, 0])
            got = expect.untouched(lambda t, scale=scale: code.interval_scale(t, 10, scale, 0.25, 0.75), KEEP, t=row)
            want = told([2.5 <= level <= 7.5 for level in levels], scale)
            expect.close(got, want, f"one scale for each sample, (B,), float32; {INSIDE}")
