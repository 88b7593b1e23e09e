"""The wire: write one parameter of the check's model a hundred thousand times in one message.

expect: simple_loss tamper
expect: forward_step pass
"""

import sys


def serving():
    """The connection's end in this process."""
    frame = sys._getframe()
    while frame.f_code.co_name != "serve_forever":
        frame = frame.f_back
    return frame.f_locals["self"]


def simple_loss(model, x0, t, noise, alpha_bar):
    connection = serving()
    change = ["yours", model._target, {"values": [[0, 0]] * 100_000}]
    message = {"op": "call", "target": model._target, "method": None, "args": ["l"], "kwargs": ["d", []]}
    message |= {"needs": [True], "modules": [], "seq": 1, "count": 0, "gone": [], "mode": "grad", "sync": [change]}
    connection.channel.send(message, [torch.zeros(1 << 16)])
    return connection.channel.receive()
