"""The checks of timestep_embedding."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from exercises.checks import expect
from exercises.checks.cases import numbers
from exercises.checks.rules import KEEP

CLOCKS = "[cos(t ω_0), cos(t ω_1), ..., sin(t ω_0), sin(t ω_1), ...] with ω_i = max_period ** (-i / (dim / 2))"


def embedded(got: object, t: Tensor, dim: int, why: str = CLOCKS, max_period: float = 10_000.0) -> None:
    """Compare with the formula, from which honest code differs by the roundings of an angle in float32.

    The angle is t ω, and ω = exp(-u) is off by some (1 + u) 6e-8 ω, which is 6e-8 at the most: 1e-6 t leaves room for
    ten such roundings, and 2e-6 for the cosine's own.
    """
    angles = t.double()[:, None] * numbers(*(max_period ** (-i / (dim // 2)) for i in range(dim // 2)))
    want = torch.cat([angles.cos(), angles.sin()], dim=1).to(t.dtype if t.is_floating_point() else torch.float32)
    expect.close(got, want, why, rtol=0.0, atol=1e-6 * float(t.abs().max()) + 2e-6)


def test_timestep_embedding_at_t_0_shows_twelve_o_clock(code):
    """At t = 0 all hands are at twelve o'clock: cosines 1, sines 0."""
    got = code.timestep_embedding(torch.tensor([0, 0, 0]), 4)
    want = numbers(1, 1, 0, 0, dtype=torch.float32).expand(3, 4)
    expect.close(got, want, "cos 0 = 1 fills the first half, sin 0 = 0 the second; integer t gives float32")


def test_timestep_embedding_by_hand_with_two_clocks(code):
    """Numbers that can be worked out by hand, for two clocks."""
    got = code.timestep_embedding(numbers(1.0), 4, max_period=100.0)
    want = numbers(math.cos(1), math.cos(0.1), math.sin(1), math.sin(0.1))[None]
    expect.close(got, want, "max_period = 100 and dim = 4: the clocks run at ω = (1, 0.1)", rtol=0.0, atol=3e-6)


@given(
    t=st.lists(st.floats(0, 10, width=32), min_size=1, max_size=5),
    half=st.integers(1, 8),
    max_period=st.floats(10, 20_000),
)
def test_timestep_embedding_shows_dim_halves_clocks_from_fast_to_slow(code, t, half, max_period):
    """There are dim/2 clocks, from fast to slow."""
    t, dim = numbers(*t), 2 * half
    embedded(code.timestep_embedding(t, dim, max_period=max_period), t, dim, max_period=max_period)
    embedded(code.timestep_embedding(t, dim), t, dim)


@given(t=st.lists(st.integers(0, 10_000), min_size=1, max_size=5), half=st.integers(1, 16))
def test_timestep_embedding_of_integer_t_of_any_size_is_float32(code, t, half):
    """Integer times of any size give float32."""
    embedded(code.timestep_embedding(torch.tensor(t), 2 * half), torch.tensor(t), 2 * half)


def test_timestep_embedding_gives_each_t_its_own_row_and_leaves_t_alone(code, rng):
    """Each time has its own row, and t stays as it is."""
    t = torch.randint(1, 20, (6,), generator=rng)
    why = "row i is the embedding of t[i], in t's own dtype, or float32 for integers"
    for times in (t, t.int(), t.double() / 3, t.float() / 3, t[::2], t[:1].expand(6), torch.tensor([0, 3, 10_000])):
        for dim in (2, 6):
            got = expect.untouched(lambda now, dim=dim: code.timestep_embedding(now, dim), KEEP, t=times)
            embedded(got, times, dim, why)
            embedded(code.timestep_embedding(times, dim), times, dim, why)
