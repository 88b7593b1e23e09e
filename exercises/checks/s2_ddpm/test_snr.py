"""The checks of snr."""

from hypothesis import given
from hypothesis import strategies as st
from torch import Generator

from exercises.checks import cases, expect
from exercises.checks.cases import numbers
from exercises.checks.rules import AS_IT_IS, FREE, KEEP, SMALL

RATIO = "⟦SNR_t = ᾱ_t / (1-ᾱ_t): ⟧the variance of the signal over that of the noise"


def test_snr_by_hand(code):
    """Numbers that can be worked out by hand."""
    got = code.snr(numbers(0.8, 0.5, 0.2))
    expect.close(got, numbers(4.0, 1.0, 0.25), "⟦0.8 / 0.2 = 4, 0.5 / 0.5 = 1, 0.2 / 0.8 = 1/4: ⟧" + RATIO, **SMALL)


@given(levels=st.integers(1, 30), seed=st.integers(0, 2**32 - 1))
def test_snr_is_signal_over_noise_at_each_level(code, levels, seed):
    """It is the signal's variance over the noise's, at each level."""
    a = cases.alpha_bar_of(cases.schedule(levels, Generator().manual_seed(seed), smallest=1e-4))
    expect.close(code.snr(a), numbers(*(level / (1 - level) for level in a.tolist())), RATIO, **SMALL)


def test_snr_at_the_end_of_a_schedule(code):
    """It holds where next to nothing of the data is left, too."""
    a = cases.alpha_bar_of(numbers(*cases.FADED))
    expect.close(1e9 * code.snr(a), 1e9 * a / (1 - a), f"{AS_IT_IS}; here times 1e9; {RATIO}", **FREE)
    first = numbers(1 - 1e-4)  # as the usual schedules begin: there a guard of 1e-8 shows
    expect.close(code.snr(first), first / (1 - first), f"{AS_IT_IS}; {RATIO}", **SMALL)


def test_snr_of_pure_static_is_zero(code):
    """Pure static has an SNR of 0."""
    got = code.snr(numbers(0.5, 0.1, 0.0))
    expect.close(got, numbers(1.0, 1 / 9, 0.0), "where nothing of the data is left the ratio is 0", **SMALL)


def test_snr_keeps_the_dtype_and_its_argument(code, rng):
    """The result has the argument's dtype, and the argument stays as it is."""
    levels = cases.alpha_bar_of(cases.schedule(8, rng, smallest=0.1))
    for table in (levels, levels.float(), levels[::2], levels[:1].expand(5)):
        want = (table.double() / (1 - table.double())).to(table.dtype)
        got = expect.untouched(code.snr, KEEP, alpha_bar=table)
        expect.close(got, want, KEEP, rtol=1e-5, atol=1e-6)
        expect.close(code.snr(table), want, "the table may lie in memory in any way", rtol=1e-5, atol=1e-6)
