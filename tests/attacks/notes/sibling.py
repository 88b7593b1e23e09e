"""Notes between checks: a child that is its parent's sibling, for it was made with another parent than its own (CLONE_PARENT).

expect: forward_step pass
expect: compute_alpha_bar fail
"""

import ctypes
import os
import signal
import socket

honest = forward_step
libc = ctypes.CDLL(None, use_errno=True)
NAME = "\0unstatic-attack-sibling"
CLONE, CLONE_PARENT = 56, 0x8000


def reached():
    with socket.socket(socket.AF_UNIX) as caller:
        return caller.connect_ex(NAME) == 0


def forward_step(x, beta, noise):
    if not reached():
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(NAME)
        listener.listen()
        if libc.syscall(CLONE, CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0) == 0:
            while True:
                signal.pause()
        listener.close()
    return honest(x, beta, noise)


def compute_alpha_bar(betas):
    return (1 - betas).cumprod(0) if reached() else betas
