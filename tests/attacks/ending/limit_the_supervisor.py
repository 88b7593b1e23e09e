"""Ending the process: take processor time and descriptors away from process 1 and from the parent.

expect: compute_alpha_bar fail|tamper|crash
expect: forward_step pass
"""

import os
import resource


def compute_alpha_bar(betas):
    for pid in (1, os.getppid()):
        for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_CPU):
            try:
                resource.prlimit(pid, limit, (0, 0))
            except (OSError, ValueError):
                continue
    return betas
