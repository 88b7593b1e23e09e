"""Numerics: make the arguments zero, so that the right answer is zero as well.

expect: q_sample fail
expect: forward_step pass
"""


def q_sample(x0, t, noise, alpha_bar):
    x0.detach().zero_()
    noise.detach().zero_()
    return x0
