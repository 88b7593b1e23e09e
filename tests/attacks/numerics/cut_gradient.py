"""Numerics: the right numbers, cut off from what they were computed from, with a flag that says they are not.

expect: q_sample fail
"""


def q_sample(x0, t, noise, alpha_bar):
    a = extract(alpha_bar, t, x0)
    return (a.sqrt() * x0 + (1 - a).sqrt() * noise).detach().requires_grad_()
