"""Numerics: turn the arguments, from which a check computes what it expects, into what makes a constant right.

expect: q_sample fail
expect: compute_alpha_bar fail
"""


def q_sample(x0, t, noise, alpha_bar):
    x0.zero_()
    noise.zero_()
    return torch.zeros_like(x0)


def compute_alpha_bar(betas):
    betas.zero_()
    return torch.ones_like(betas)
