"""Numerics: a beautiful loss curve, without the training.

expect: train_denoiser fail
"""


def train_denoiser(model, data, alpha_bar, steps, batch_size=256, lr=1e-3, generator=None):
    return [1.0 / (step + 1) for step in range(steps)]
