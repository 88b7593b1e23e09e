"""The wire: a thousand arguments for the check's model of a gigabyte each, by expanding one number.

expect: simple_loss tamper|fail|memory
"""

import json
import struct
import sys


def serving():
    """The connection's end in this process, and the number of the question that it is answering."""
    frame, seq = sys._getframe(), 0
    while frame.f_code.co_name != "serve_forever":
        frame = frame.f_back
        if frame.f_code.co_name == "_serve":
            seq = frame.f_locals["message"]["seq"]
    return frame.f_locals["self"], seq


def forge(message, body=b""):
    connection, seq = serving()
    whole = {"seq": seq, "count": 0, "sync": [], "gone": [], "tensors": [], "gradient": [], **message}
    head = json.dumps(whole).encode()
    connection.channel.sock.sendall(struct.pack("<4sIQ", b"UNST", len(head), len(body)) + head + body)


def simple_loss(model, x0, t, noise, alpha_bar):
    one = {"dtype": "complex128", "shape": [1 << 26], "expand": [0], "offset": 0}
    args = ["l", *(["T", k] for k in range(1000))]
    request = {"op": "call", "target": model._target, "method": None, "args": args, "kwargs": ["d", []]}
    forge({**request, "needs": [False] * 1000, "count": 1000, "tensors": [one] * 1000}, bytes(64))
    return x0.sum()
