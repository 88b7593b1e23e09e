"""Resources: output without an end.

expect: compute_alpha_bar output-limit
expect: forward_step pass
"""


def compute_alpha_bar(betas):
    while True:
        print("x" * 10_000)
