"""The wire: half an order in the name of the zygote, so that whoever reads it waits for ever.

expect: compute_alpha_bar tamper|crash|timeout|fail
"""



import os
import socket
import struct

import torch

kept = [os.dup(descriptor) for descriptor in range(3, 64) if os.path.exists(f"/proc/self/fd/{descriptor}")]
for descriptor in range(3, 256):
    try:
        if socket.socket(fileno=os.dup(descriptor)).family == socket.AF_UNIX:
            os.write(descriptor, struct.pack("<I", 1 << 19))
    except OSError:
        continue


def compute_alpha_bar(betas):
    return torch.zeros_like(betas)
