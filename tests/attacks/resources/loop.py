"""Resources: a loop without an end.

expect: compute_alpha_bar timeout
expect: forward_step pass
"""


def compute_alpha_bar(betas):
    while True:
        pass
