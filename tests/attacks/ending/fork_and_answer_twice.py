"""Ending the process: go on twice, so that both answer.

expect: compute_alpha_bar fail|tamper|crash
expect: forward_step pass
"""

import os

import torch


def compute_alpha_bar(betas):
    os.fork()
    return torch.zeros_like(betas)
