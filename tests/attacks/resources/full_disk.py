"""Resources: files until nothing more goes in.

needs: bwrap
expect: compute_alpha_bar fail
expect: forward_step pass
"""

import os
import tempfile


def compute_alpha_bar(betas):
    block = b"x" * (8 << 20)
    for folder in (tempfile.gettempdir(), "/dev/shm"):
        try:
            for number in range(100):
                with open(f"{folder}/{number}", "wb") as file:
                    file.write(block)
        except OSError:
            continue
        return (1 - betas).cumprod(0)
    return betas
