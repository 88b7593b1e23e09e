"""Noise: an import of half a second, and a function of a tenth.

expect: compute_alpha_bar pass
"""

import time

time.sleep(0.5)
honest = compute_alpha_bar


def compute_alpha_bar(betas):
    time.sleep(0.1)
    return honest(betas)
