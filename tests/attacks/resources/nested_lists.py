"""Resources: a list in a list in a list, a hundred thousand times, and one that holds itself.

expect: compute_alpha_bar fail
expect: forward_step pass
"""


def compute_alpha_bar(betas):
    nested = []
    for _ in range(100_000):
        nested = [nested]
    nested.append(nested)
    return nested
