"""The graded checks of section 1, forward and reverse."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from exercises.checks import expect


@given(seed=st.integers(0, 2**20), beta=st.floats(1e-4, 0.9))
def test_forward_step_mixes_signal_and_noise_by_the_roots_of_their_variances(code, seed, beta):
    gen = torch.Generator().manual_seed(seed)
    x, noise = torch.randn(2, 3, 4, dtype=torch.float64, generator=gen)
    want = (1 - beta) ** 0.5 * x + beta**0.5 * noise
    expect.close(code.forward_step(x, beta, noise), want, "x_t = √(1-β) x_{t-1} + √β ε: the roots keep the variance at 1")
