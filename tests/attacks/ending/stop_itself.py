"""Ending the process: stop, and wait for somebody who lets it go on.

expect: compute_alpha_bar timeout
expect: forward_step pass
"""

import os
import signal


def compute_alpha_bar(betas):
    os.kill(os.getpid(), signal.SIGSTOP)
