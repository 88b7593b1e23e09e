"""Resources: as many processes as there may be, asleep.

expect: compute_alpha_bar fail|crash|tamper|timeout
expect: forward_step pass
"""

import os
import time

import torch


def compute_alpha_bar(betas):
    for _ in range(280 if os.getpid() < 1000 else 0):
        try:
            if os.fork() == 0:
                os.closerange(0, 256)
                time.sleep(60)
                os._exit(0)
        except OSError:
            break
    return torch.zeros_like(betas)
