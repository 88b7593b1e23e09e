"""The wire: attributes of the check's model.

expect: simple_loss tamper
"""

import sys


def serving():
    """The connection's end in this process, and the number of the question that it is answering."""
    frame, seq = sys._getframe(), 0
    while frame.f_code.co_name != "serve_forever":
        frame = frame.f_back
        if frame.f_code.co_name == "_serve":
            seq = frame.f_locals["message"]["seq"]
    return frame.f_locals["self"], seq


def simple_loss(model, x0, t, noise, alpha_bar):
    serving()[0].get(model._target, "__dict__")
    return x0.sum()
