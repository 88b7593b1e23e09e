"""Patching the referee: the border's own functions at this side, so that they send what is wanted.

expect: compute_alpha_bar fail|crash|tamper
expect: forward_step pass
"""

import sys

import torch


def compute_alpha_bar(betas):
    border = sys.modules["grader.border.peer"]
    border._changes = lambda *args: {"values": [], "grads": [], "flags": []}
    border.Incoming.decode = lambda self, data: data
    border.same_bits = lambda one, other: True
    border.Outgoing.encode = lambda self, value: ["pass", True]
    return torch.zeros_like(betas)
