"""Text: an exception whose message is of a class of strings that lie.

expect: compute_alpha_bar fail|crash
"""


class Text(str):
    def encode(self, *args):
        return b"\xff" * 100

    def __getitem__(self, key):
        return self

    def __len__(self):
        return -1


class Odd(ValueError):
    def __str__(self):
        return Text("verdict pass")


def compute_alpha_bar(betas):
    raise Odd
