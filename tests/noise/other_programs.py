"""Noise: another program asked for what it says, at import and in the function.

expect: forward_step pass
expect: compute_alpha_bar pass
"""

import platform
import subprocess
import sys

MACHINE = platform.platform()
honest = compute_alpha_bar
try:
    subprocess.run(["git", "rev-parse", "HEAD"], check=False)
except OSError:
    pass


def compute_alpha_bar(betas):
    subprocess.run([sys.executable, "-I", "-c", "print('hello')"], check=True)
    return honest(betas)
