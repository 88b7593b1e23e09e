"""Ways out: programs of the machine, started in the background and in sessions of their own.

expect: compute_alpha_bar fail
expect: forward_step pass
"""

import os
import subprocess


def compute_alpha_bar(betas):
    if os.getpid() < 1000:
        for command in (["sleep", "600"], ["sh", "-c", "trap '' TERM HUP INT; while :; do sleep 1; done"], ["nohup", "sleep", "600"]):
            try:
                subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            except OSError:
                continue
    return betas
