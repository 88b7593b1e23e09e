"""The wire: the check's model changed a hundred thousand times in one message, by as many changes of its own.

expect: simple_loss tamper|fail|timeout
expect: forward_step pass
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
    head = json.dumps(whole, separators=(",", ":")).encode()
    connection.channel.sock.sendall(struct.pack("<4sIQ", b"UNST", len(head), len(body)) + head + body)


def simple_loss(model, x0, t, noise, alpha_bar):
    change = ["yours", model._target, {"values": [[0, 0]]}]
    zero = [{"dtype": "float64", "shape": [], "offset": 0}]
    forge({"op": "return", "value": None, "sync": [change] * 100_000, "tensors": zero}, bytes(64))
    return (x0 * 0).sum()
