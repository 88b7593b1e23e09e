"""Ending the process: kill every process that can be seen.

expect: compute_alpha_bar tamper|crash
expect: forward_step pass
"""

import os
import signal


def compute_alpha_bar(betas):
    if os.getpid() < 1000:  # in a process namespace: elsewhere these are other people's
        os.kill(-1, signal.SIGKILL)
    raise SystemExit
