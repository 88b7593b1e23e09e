"""Resources: more objects than one side may hand out.

expect: compute_alpha_bar fail
expect: forward_step pass
"""


def compute_alpha_bar(betas):
    return [(lambda: None) for _ in range(30_000)]
