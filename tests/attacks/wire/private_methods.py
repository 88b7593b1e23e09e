"""The wire: methods of the check's model that are not offered.

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
    names = ("__init__", "__setattr__", "__reduce_ex__", "_call_impl", "register_forward_hook", "load_state_dict", "apply")
    connection, _ = serving()
    for name in names:
        try:
            connection.call(model._target, name, (), {})
        except Exception:
            continue
    return x0.sum()
