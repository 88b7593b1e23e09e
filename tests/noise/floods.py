"""Noise: some megabytes on both streams, at import and in each call, some of them no text.

expect: compute_alpha_bar pass
expect: forward_step pass
"""

import os
import sys

sys.stderr.write("noise\n" * 500_000)
os.write(1, b"\xff\0\x1b[31m" * 200_000)
honest = compute_alpha_bar


def compute_alpha_bar(betas):
    sys.stdout.write("x" * (1 << 20) + "\n")
    sys.stderr.write("debug " * 100_000)
    return honest(betas)
