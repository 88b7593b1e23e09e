"""Reading what is hidden: the check's generator told to draw its numbers from the memory behind its table.

expect: sample tamper
expect: forward_step pass
"""

import struct

import torch

honest = sample  # noqa: F821 - the reference stands above


def sample(model, x_T, betas, generator=None):
    answer = honest(model, x_T, betas, generator)
    if generator is not None:
        state = bytearray(generator.get_state().numpy().tobytes())
        struct.pack_into("<i", state, 8, 624)
        struct.pack_into("<Q", state, 16, 624)
        generator.set_state(torch.frombuffer(state, dtype=torch.uint8))
    return answer
