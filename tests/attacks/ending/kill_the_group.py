"""Ending the process: kill the process group, and with it whoever of the grader's is in it.

expect: compute_alpha_bar tamper|crash
expect: forward_step pass
"""

import os
import signal


def compute_alpha_bar(betas):
    os.kill(0, signal.SIGKILL)
