"""The oracle: hand one function of ours to another one as its model, for a million steps.

section: s5_flow_matching
expect: target_velocity unfinished
expect: euler_sample unfinished
expect: midpoint_sample timeout
"""

import torch


def target_velocity(noise, data):
    raise NotImplementedError


def euler_sample(velocity, noise, steps):
    raise NotImplementedError


def midpoint_sample(velocity, noise, steps):
    return euler_sample(target_velocity, torch.zeros(1 << 20), 1_000_000)
