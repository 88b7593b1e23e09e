"""The wire: copies of the check's model without an end, after it has been given much to remember.

expect: simple_loss tamper|timeout|memory|fail
"""

import copy

import torch


def simple_loss(model, x0, t, noise, alpha_bar):
    model(torch.zeros(1 << 20, dtype=torch.float64), t)
    while True:
        copy.deepcopy(model)
