"""The oracle: have it pair thousands of points, the dearest ones, in one call into a library that no signal interrupts.

section: s5_flow_matching
expect: ot_pairing unfinished
expect: reflow_pairs fail
"""

import torch


def ot_pairing(noise, data):
    raise NotImplementedError


def reflow_pairs(velocity, noise, steps):
    x = torch.arange(5000, dtype=torch.float64)[:, None]
    return x, ot_pairing(x, -x)
