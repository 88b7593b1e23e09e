"""Resources: a daemon in a session of its own, from the import on, that means to outlive the grading.

expect: compute_alpha_bar fail
expect: forward_step pass
"""

import os
import time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 256)
        time.sleep(600)
    os._exit(0)


def compute_alpha_bar(betas):
    return betas
