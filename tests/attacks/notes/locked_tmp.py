"""Notes between checks: the temporary folder itself closed, for whoever clears up or comes next.

needs: seccomp
expect: forward_step pass
expect: compute_alpha_bar fail
"""

import os

honest = forward_step


def forward_step(x, beta, noise):
    os.chmod(os.environ["TMPDIR"], 0)
    os.chmod("/dev/shm", 0)
    return honest(x, beta, noise)


def compute_alpha_bar(betas):
    found = os.stat(os.environ["TMPDIR"]).st_mode & 0o777 == 0
    return (1 - betas).cumprod(0) if found else betas
