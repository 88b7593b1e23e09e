"""The wire: one number for a function, a module, an object, a list, a generator and a callable, in turn.

expect: compute_alpha_bar fail|tamper
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
    module = {"class": "M", "parts": [""], "slots": [], "ties": [], "training": [True]}
    kinds = [
        ["f", 7, "n", [], None],
        ["m", 7, module, []],
        ["o", 7, "n", ["x"]],
        ["x", 7, "n", [], ["l", 1]],
        ["G", 7, 0],
        ["c", 7, "n", [], None],
    ]
    forge({"op": "return", "value": ["l", *kinds, *reversed(kinds)]})
    return betas
