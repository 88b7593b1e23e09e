"""The oracle: give as another exercise's answer what stands in for a wrong one; it is of no other's shape.

expect: compute_alpha_bar fail
expect: q_posterior fail|tamper
expect: predict_x0 fail
"""


def compute_alpha_bar(betas):
    return betas * 0


def q_posterior(x0, x_t, t, betas):
    return compute_alpha_bar


def predict_x0(x_t, t, eps, alpha_bar):
    return compute_alpha_bar(alpha_bar)
