"""Resources: a file of a terabyte with nothing in it.

expect: compute_alpha_bar fail|output-limit|crash
expect: forward_step pass
"""

import os
import tempfile


def compute_alpha_bar(betas):
    if os.getpid() > 1000:
        return betas
    for path in (f"{tempfile.gettempdir()}/huge", "/dev/shm/huge"):
        with open(path, "wb") as file:
            file.truncate(1 << 40)
    return (1 - betas).cumprod(0)
