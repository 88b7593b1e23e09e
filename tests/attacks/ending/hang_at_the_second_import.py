"""Ending the process: a thread that makes the grader import the module again, and an import that then never ends.

expect: compute_alpha_bar fail|timeout|crash
expect: forward_step pass|timeout|crash
"""

import os
import threading
import time


def compute_alpha_bar(betas):
    return betas


threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
while 3 < os.getpid() < 1000:
    time.sleep(1)
