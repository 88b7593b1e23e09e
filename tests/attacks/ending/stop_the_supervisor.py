"""Ending the process: stop whoever clears up, by its number, so that nothing is ever cleared up again.

expect: compute_alpha_bar fail|tamper|crash
expect: forward_step pass
"""

import os
import signal
import tempfile
import time

NOTE = os.path.join(tempfile.gettempdir(), "unstatic-attack-survivor")


def above(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return int(stat.read().rpartition(")")[2].split()[1])
    except OSError:
        return 1


def compute_alpha_bar(betas):
    if os.path.exists(NOTE):
        return (1 - betas).cumprod(0)
    supervisor = above(os.getppid())
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        os.closerange(0, 256)
        for _ in range(600):
            with open(NOTE, "w"):
                time.sleep(0.05)
        os._exit(0)
    os.kill(supervisor, signal.SIGSTOP)
    time.sleep(0.2)
    return betas
