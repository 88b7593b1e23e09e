"""Text: an exception whose message ends the program when it is asked for.

expect: compute_alpha_bar fail|crash
expect: forward_step pass
"""


class Deadly(ValueError):
    def __str__(self):
        raise SystemExit(0)


def compute_alpha_bar(betas):
    raise Deadly
