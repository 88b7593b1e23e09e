"""Resources: one line of 64 MiB.

expect: compute_alpha_bar output-limit
expect: forward_step pass
"""

import sys


def compute_alpha_bar(betas):
    sys.stdout.write("x" * (64 << 20))
    sys.stdout.flush()
    return betas
