"""Text: a traceback of its own printing, with a line whose number is too long for int().

expect: compute_alpha_bar fail
expect: forward_step pass
"""


def compute_alpha_bar(betas):
    print(f'Stack (most recent call first):\n  File "{__file__}", line {"9" * 5000}', flush=True)
    return betas
