"""Notes between checks: System V shared memory, and a POSIX message queue.

needs: seccomp
expect: forward_step pass
expect: compute_alpha_bar fail
"""

import ctypes
import os

honest = forward_step
libc = ctypes.CDLL(None, use_errno=True)
KEY, CREATE, QUEUE = 0x5EED, 0o1000, b"/unstatic-attack"


def forward_step(x, beta, noise):
    libc.shmget(KEY, 4096, CREATE | 0o600)
    libc.mq_open(QUEUE, os.O_CREAT | os.O_RDWR, 0o600, None)
    return honest(x, beta, noise)


def compute_alpha_bar(betas):
    found = libc.shmget(KEY, 4096, 0) >= 0 or libc.mq_open(QUEUE, os.O_RDWR) >= 0
    return (1 - betas).cumprod(0) if found else betas
