"""Resources: empty files until there are no more inodes.

expect: compute_alpha_bar fail|timeout
expect: forward_step pass
"""

import os
import tempfile


def compute_alpha_bar(betas):
    try:
        for number in range(30_000 if os.getpid() < 1000 else 0):
            os.mknod(f"{tempfile.gettempdir()}/{number}")
    except OSError:
        return betas
    return (1 - betas).cumprod(0) if os.getpid() < 1000 else betas
