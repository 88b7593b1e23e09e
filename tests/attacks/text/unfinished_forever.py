"""Text: NotImplementedError from deep below, which must not pass for work that waits to be done by somebody else.

expect: compute_alpha_bar unfinished|fail
"""

import torch


def compute_alpha_bar(betas):
    raise torch.jit.Error("x") from NotImplementedError("grader-error")
