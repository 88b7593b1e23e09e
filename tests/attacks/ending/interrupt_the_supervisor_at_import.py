"""Ending the process: the same while the module is imported.

expect: compute_alpha_bar fail
expect: forward_step pass
"""

import os
import signal

if os.getpid() < 1000:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGSTOP, signal.SIGCHLD, signal.SIGHUP, signal.SIGKILL):
        os.kill(1, number)


def compute_alpha_bar(betas):
    return betas
