"""The checks of timesteps."""

from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st

from exercises.checks import expect
from exercises.checks.cases import numbers
from exercises.checks.s4_fast_sampling.formulas import trailing

TRAILING = "step i of n is round(T - i T/n) - 1, for i = 0 .. n-1: equal strides down from T, counted from 0"


def listed(code, T: int, n: int) -> Any:
    """The steps as a list, if they are a tensor at all."""
    got = code.timesteps(T, n)
    return got.tolist() if isinstance(got, torch.Tensor) else got


def compare(code, pairs: list[tuple[int, int]], why: str = TRAILING) -> None:
    """The steps for each (T, n), none of which falls on a half."""
    got = [listed(code, T, n) for T, n in pairs]
    want = [trailing(T, n) for T, n in pairs]
    wrong = next((i for i, (one, other) in enumerate(zip(got, want, strict=True)) if one != other), None)
    if wrong is not None:
        T, n = pairs[wrong]
        told = f"{got[wrong]} for T = {T}, n = {n}"
        expect.holds(
            False, f"{why}; here T = {T}, n = {n}", got=got, want=f"{want[wrong]} for T = {T}, n = {n}", told=told
        )


def test_timesteps_by_hand(code):
    """Five of ten levels, by hand: 9, 7, 5, 3, 1."""
    why = "T/n = 2: from 10 down in strides of 2, that is 10, 8, 6, 4, 2, and counted from 0 one less; " + TRAILING
    expect.close(code.timesteps(10, 5), numbers(9, 7, 5, 3, 1, dtype=torch.int64), why)


def test_timesteps_strides_that_divide_T(code):
    """Where n divides T, every stride is T/n long."""
    compare(code, [(1000, 4), (12, 3), (1000, 20), (64, 16), (9, 9), (9, 1)])


def test_timesteps_rounds_each_step_and_not_the_stride(code):
    """Where n does not divide T, each step is rounded by itself, and the last stays a stride away from 0."""
    compare(code, [(10, 3), (100, 7), (20, 7), (1000, 30), (12, 5), (50, 49)])


def test_timesteps_are_n_where_strides_of_floats_make_one_more(code):
    """T / (T/n) is a little above n in floats for some T and n: a count by strides of T/n comes to n + 1."""
    why = (
        "n steps, counted by i = 0 .. n-1: the strides of T/n, added up in floats, may stop just short of 0; "
        + TRAILING
    )
    compare(code, [(17, 7), (1000, 122)], why)


def test_timesteps_starts_at_the_last_level(code):
    """The first step is the last level, T-1, even if it is the only one."""
    why = "a sampler starts from static, which is level T-1; n = 1 has that step alone"
    compare(code, [(1, 1), (7, 1), (1000, 1), (10, 2)], why)


def test_timesteps_visits_every_level_where_n_is_T(code):
    """With n = T every level is visited, from T-1 down to 0."""
    compare(code, [(2, 2), (5, 5), (12, 12)], "n = T visits every level")


@given(T=st.integers(1, 400), share=st.floats(0, 1))
def test_timesteps_are_n_descending_whole_numbers_within_a_half_of_their_place(code, T, share):
    """N descending int64 steps, none more than a half away from T - i T/n - 1."""
    n = 1 + round(share * (T - 1))
    got = code.timesteps(T, n)
    expect.tensor(got, "n steps in an int64 tensor, for they are indices", shape=(n,), dtype=torch.int64)
    places = torch.tensor([T - i * T / n - 1 for i in range(n)], dtype=torch.float64)
    near = bool(((got - places).abs() <= 0.5 + 1e-9).all())
    expect.holds(near, f"{TRAILING}; a half may be rounded either way", got=got, want="the nearest whole numbers")


def test_timesteps_refuses_more_steps_than_levels(code):
    """N above T is a ValueError: no level is visited twice."""
    for T, n in ((10, 11), (1, 2), (4, 9)):
        expect.raises(
            ValueError, lambda T=T, n=n: listed(code, T, n), "1 <= n <= T, else ValueError: T levels have T steps"
        )


def test_timesteps_refuses_less_than_one_step(code):
    """N below 1 is a ValueError."""
    for n in (0, -1, -10):
        expect.raises(
            ValueError, lambda n=n: listed(code, 10, n), "1 <= n <= T, else ValueError: there is no sampler of 0 steps"
        )
