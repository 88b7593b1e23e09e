"""The checks of shift_times."""

import torch

from exercises.checks import expect
from exercises.checks.cases import numbers
from exercises.checks.s5_flow_matching import batches
from exercises.checks.s5_flow_matching.rules import GUARD

ODDS = "the odds t : (1-t) are divided by shift⟦: t / (t + shift (1-t))⟧, towards 0, which is noise, for shift > 1"
WHOLE = "0 stays 0 and 1 stays 1, also where t : (1-t) is 1 : 0, which is no number"
KEEP = "the result has t's shape and dtype, and t stays as it is"


def test_shift_times_by_hand(code):
    """A shift of 3 takes a half to a quarter, and one of 1/3 takes it to three quarters."""
    t = numbers(0.5, 0.8, 0.2)
    expect.close(
        code.shift_times(t, 3.0), numbers(1 / 4, 4 / 7, 1 / 13), f"⟦0.5 / (0.5 + 3 * 0.5) = 1/4; ⟧{ODDS}", **GUARD
    )
    expect.close(
        code.shift_times(t, 1 / 3), numbers(3 / 4, 12 / 13, 3 / 7), f"⟦0.5 / (0.5 + 0.5 / 3) = 3/4; ⟧{ODDS}", **GUARD
    )


def test_shift_times_leaves_both_ends_where_they_are(code):
    """Noise stays at 0 and data at 1, whatever the shift."""
    for shift in (3, 1.0, 0.25, 12.0):
        got = code.shift_times(numbers(0.0, 1.0, 0.0), shift)
        expect.close(got, numbers(0.0, 1.0, 0.0), f"{WHOLE}, with shift = {shift:g}; {ODDS}", **GUARD)


def test_shift_times_divides_the_odds(code, rng):
    """Any shift at any time; a shift of 1 changes nothing, and two shifts multiply."""
    for shift in (1.0, 1.7, 3.0, 6.0, 0.4):
        t = batches.spread(5, 0.01, 0.99, rng)
        got = code.shift_times(t, shift)
        odds = t / (1 - t) / shift
        expect.close(got, odds / (1 + odds), f"with shift = {shift:g} {ODDS}", **GUARD)
    twice = code.shift_times(code.shift_times(numbers(0.5, 0.9), 2.0), 3.0)
    expect.close(twice, numbers(1 / 7, 9 / 15), "a shift of 2 and then one of 3 make 6: odds of 1 become 1/6", **GUARD)


def test_shift_times_keeps_the_dtype_and_its_argument(code, rng):
    """float32 stays float32, one time or many, and nothing is changed in place."""
    for dtype in (torch.float32, torch.float64):
        for count in (1, 4):
            t = batches.spread(count, 0.05, 0.95, rng).to(dtype)
            got = expect.untouched(lambda t: code.shift_times(t, 2.5), KEEP, t=t)
            exact = t.double()
            expect.close(got, (exact / (exact + 2.5 * (1 - exact))).to(dtype), KEEP, rtol=2e-5, atol=1e-7)
