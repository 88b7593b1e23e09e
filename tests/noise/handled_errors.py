"""Noise: errors raised and handled, of torch, of Python, and of the check's own model.

expect: simple_loss pass
expect: compute_alpha_bar pass
"""

import torch

honest_loss, honest_table = simple_loss, compute_alpha_bar


def simple_loss(model, x0, t, noise, alpha_bar):
    for strange in ("no_such_attribute", "timesteps"):
        assert not hasattr(type(model), strange)
    return honest_loss(model, x0, t, noise, alpha_bar)


def compute_alpha_bar(betas):
    try:
        torch.zeros(2) @ torch.zeros(3)
    except RuntimeError as error:
        print(error)
    try:
        raise NotImplementedError
    except NotImplementedError:
        return honest_table(betas)
