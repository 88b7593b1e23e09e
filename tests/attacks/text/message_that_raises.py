"""Text: an exception whose message raises when it is asked for.

expect: compute_alpha_bar fail
"""


class Mute(ValueError):
    def __str__(self):
        raise RuntimeError("no")

    __repr__ = __str__


def compute_alpha_bar(betas):
    raise Mute
