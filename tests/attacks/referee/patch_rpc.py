"""Patching the referee: the connection's own functions at this side, so that they send what is wanted.

expect: compute_alpha_bar fail|crash|tamper
expect: forward_step pass
"""

import sys

import torch


def compute_alpha_bar(betas):
    connection = sys.modules["grader.rpc.connection"]
    connection.changes = lambda *args: {"values": [], "grads": [], "flags": []}
    connection.Incoming.decode = lambda self, data: data
    sys.modules["grader.rpc.arguments"].same_bits = lambda one, other: True
    sys.modules["grader.rpc.tensors"].crosses = lambda tensor: True
    connection.Outgoing.encode = lambda self, value: ["pass", True]
    return torch.zeros_like(betas)
