"""The wire: a module whose parameters have tensors whose numbers all have one hash.

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
    head = json.dumps(whole, separators=(",", ":")).encode()
    connection.channel.sock.sendall(struct.pack("<4sIQ", b"UNST", len(head), len(body)) + head + body)


PRIME = 2**61 - 1
"""What Python takes the remainder of, for the hash of a number."""


def compute_alpha_bar(betas):
    slots = [[0, "p", "a", 1, 1, PRIME * k] for k in range(150_000)]
    about = {"class": "", "parts": [""], "slots": slots, "ties": [], "training": [True]}
    forge({"op": "return", "value": ["m", 7, about, []]})
    return betas
