"""Resources: one number that claims to be a hundred million.

expect: compute_alpha_bar fail
expect: forward_step pass
"""


def compute_alpha_bar(betas):
    return betas[:1].expand(1 << 26)
