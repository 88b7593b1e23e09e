"""The wire: ask the check's process about something of ours, and ask the same again whenever it looks at that.

section: s3_score_sde
expect: dsm_loss fail|tamper|timeout
expect: score_from_eps pass
"""

import sys


def serving():
    """The connection's end in this process."""
    frame = sys._getframe()
    while frame.f_code.co_name != "serve_forever":
        frame = frame.f_back
    return frame.f_locals["self"]


class Times:
    """What looks like a tensor of times."""

    def __init__(self, sde):
        self._sde = sde
        self.dtype = None

    def to(self, dtype):
        connection = serving()
        number = connection.handles.number_of(self._sde)
        connection._nested = 0
        return connection.call(number, "marginal", (self, self), {})


def dsm_loss(model, x0, t, noise, sde):
    return Times(sde).to(None)
