"""Ending the process: become another program, one that ends with success.

expect: compute_alpha_bar crash
expect: forward_step pass
"""

import os


def compute_alpha_bar(betas):
    os.execv("/bin/true", ["true"])
