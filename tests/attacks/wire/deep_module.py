"""The wire: a module almost three thousand modules deep.

expect: compute_alpha_bar tamper|fail
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
    paths = ["", *(".".join("a" * depth) for depth in range(1, 2800))]
    slots = [[len(paths) - 1, "p", "a", True, True, 0]]
    about = {"class": "", "parts": paths, "slots": slots, "ties": [], "training": [True] * len(paths)}
    tensors = [{"dtype": "float64", "shape": [8], "offset": 0}]
    value = ["m", 7, about, []]
    forge({"op": "return", "value": value, "count": 1, "gradient": [False], "tensors": tensors}, bytes(64))
    return betas
