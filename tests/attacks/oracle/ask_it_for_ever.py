"""The oracle: ask what stands in for a wrong exercise a million times.

expect: compute_alpha_bar fail
expect: q_posterior timeout
expect: q_sample pass
"""


def compute_alpha_bar(betas):
    return betas * 0


def q_posterior(x0, x_t, t, betas):
    while True:
        compute_alpha_bar(betas)
