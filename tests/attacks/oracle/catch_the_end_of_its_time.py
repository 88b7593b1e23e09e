"""The oracle: have it work with a model of one's own, catch the end of its time, and begin again.

section: s5_flow_matching
expect: euler_sample unfinished
expect: midpoint_sample timeout
"""

import torch


def euler_sample(velocity, noise, steps):
    raise NotImplementedError


def midpoint_sample(velocity, noise, steps):
    answer = torch.zeros(1).expand(1 << 20)
    while True:
        try:
            euler_sample(lambda x, t: answer, torch.zeros(1 << 20), 1_000_000)
        except Exception:
            continue
