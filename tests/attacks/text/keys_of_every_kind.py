"""Text: a dict whose keys are what JSON has not, and one whose order of keys never ends.

expect: compute_alpha_bar fail
"""

import torch


def compute_alpha_bar(betas):
    return {1: 0, True: 1, None: 2, 1.5: 3, (1, 2): 4, torch.float32: 5, float("nan"): 6, betas: 7}
