"""Numerics: make the check's model answer zero, so that the loss is that of a model which says nothing.

expect: simple_loss fail
"""

import torch


def simple_loss(model, x0, t, noise, alpha_bar):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    return noise.square().mean()
