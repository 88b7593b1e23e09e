"""The wire: complex numbers at addresses where no processor expects them, in pieces and in turned axes.

expect: compute_alpha_bar tamper
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
    head = json.dumps(whole).encode()
    connection.channel.sock.sendall(struct.pack("<4sIQ", b"UNST", len(head), len(body)) + head + body)


def compute_alpha_bar(betas):
    kinds = ({"gap": True}, {"order": [1, 0]}, {"order": [1, 0], "gap": True}, {"expand": [0]})
    tensors = [{"dtype": "complex128", "shape": [64, 7], "offset": 1, **kind} for kind in kinds]
    forge(
        {"op": "return", "value": ["T", 1], "count": len(tensors), "tensors": tensors, "gradient": [False] * len(tensors)},
        bytes(16_384),
    )
    return betas
