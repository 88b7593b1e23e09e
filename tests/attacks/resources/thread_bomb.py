"""Resources: as many threads as there may be, asleep.

expect: compute_alpha_bar fail|crash
expect: forward_step pass
"""

import threading
import time

import torch


def compute_alpha_bar(betas):
    try:
        for _ in range(300):
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    except RuntimeError:
        pass
    return torch.zeros_like(betas)
