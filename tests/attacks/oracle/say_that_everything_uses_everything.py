"""The oracle: have the jail say that each exercise uses all of them, so that ours stand in for what is wrong.

expect: compute_alpha_bar fail
expect: q_sample fail
expect: q_posterior fail|crash
expect: predict_x0 pass
"""

import sys

_zygote = sys.modules.get("grader.sandbox.guest.zygote")
if _zygote is not None:
    _zygote.uses = lambda module: {name: [*vars(module)] for name in vars(module)}


def compute_alpha_bar(betas):
    return betas * 0


def q_sample(x0, t, noise, alpha_bar):
    return x0


def q_posterior(x0, x_t, t, betas):
    return q_sample(x0, t, x_t, compute_alpha_bar(betas)), betas[t]
