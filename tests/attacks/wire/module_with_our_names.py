"""The wire: a module whose parts are named for the judge's own attributes.

expect: compute_alpha_bar tamper|fail
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
    slots = [[0, "b", name, True, False, 0] for name in ("_peer", "_target", "_parameters", "training", "forward")]
    module = {"class": "Net", "parts": ["", "__class__", "__class__.forward"], "slots": slots, "ties": [], "training": [1, 1, 1]}
    forge({"op": "return", "value": ["m", 5, module, ["parameters"]], "tensors": [{"dtype": "float64", "shape": [2], "offset": 0}]}, bytes(64))
    return betas
