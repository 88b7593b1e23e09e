"""Numerics: numbers that are no numbers, in a list that is too long.

expect: train_denoiser fail
"""


def train_denoiser(model, data, alpha_bar, steps, batch_size=256, lr=1e-3, generator=None):
    return [True, None, "0.5", float("nan"), float("-inf"), -0.0, 1e308 * 10, 10**4000] * 1000
