"""Resources: a list whose iteration never ends.

expect: compute_alpha_bar fail|timeout|memory|crash
expect: forward_step pass
"""


class Endless(list):
    def __iter__(self):
        while True:
            yield 0.5


def compute_alpha_bar(betas):
    return Endless([0.5])
