"""The wire: a call that mentions half a million modules, each of which is compared with all before it.

expect: simple_loss tamper|timeout
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
    mentioned = [["mine", k] for k in range(500_000)]
    forge({"op": "call", "target": model._target, "method": None, "args": ["l"], "needs": [], "modules": mentioned})
    return (x0 * 0).sum()
