"""Text: an exception whose message never ends.

expect: compute_alpha_bar timeout
"""


class Slow(ValueError):
    def __str__(self):
        while True:
            pass


def compute_alpha_bar(betas):
    raise Slow
