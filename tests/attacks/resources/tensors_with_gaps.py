"""Resources: tensors with gaps, which are twice as large where they are rebuilt, all of one memory.

expect: compute_alpha_bar tamper|fail|memory
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


def compute_alpha_bar(betas):
    about = {"dtype": "float64", "shape": [1 << 24, 1], "gap": True, "offset": 0}
    tensors, body = [about] * 8, bytes(8 << 24)
    value = ["l", *(["T", k] for k in range(8))]
    forge({"op": "return", "value": value, "count": 8, "gradient": [False] * 8, "tensors": tensors}, body)
    return betas
