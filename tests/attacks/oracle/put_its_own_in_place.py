"""The oracle: put one's own function back in its place, and a lie into the names that each function uses.

expect: compute_alpha_bar fail
expect: q_posterior fail|pass
expect: q_sample pass
"""


def compute_alpha_bar(betas):
    return betas * 0


_mine = compute_alpha_bar
_own_posterior = q_posterior  # noqa: F821 - the reference stands above


def q_posterior(x0, x_t, t, betas):
    globals()["compute_alpha_bar"] = _mine
    return _own_posterior(x0, x_t, t, betas)
