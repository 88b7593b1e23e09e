"""Notes between checks: a key in the kernel's keyrings.

needs: seccomp
expect: forward_step pass
expect: compute_alpha_bar fail
"""

import ctypes

honest = forward_step
libc = ctypes.CDLL(None, use_errno=True)
ADD_KEY, KEYCTL, SEARCH = 248, 250, 10
RINGS = (-2, -3, -4, -5)  # of the process, the session, the user, the user's session


def forward_step(x, beta, noise):
    for ring in RINGS:
        libc.syscall(ADD_KEY, b"user", b"unstatic-attack", b"seen", 4, ring)
    return honest(x, beta, noise)


def compute_alpha_bar(betas):
    found = any(libc.syscall(KEYCTL, SEARCH, ring, b"user", b"unstatic-attack", 0) >= 0 for ring in RINGS)
    return (1 - betas).cumprod(0) if found else betas
