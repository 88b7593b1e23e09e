"""The wire: lists of lists of lists of one large module, which is looked at wherever it is.

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
    slots = [[0, "p", f"p{k}", True, True, k] for k in range(10_000)]
    about = {"class": "", "parts": [""], "slots": slots, "ties": [], "training": [True]}
    zeros = [{"dtype": "float64", "shape": [], "offset": 0}] * 10_000
    value = ["m", 100, None, []]
    for _ in range(3):
        value = ["l", *[value] * 60]
    value = ["l", ["m", 100, about, []], value]
    forge({"op": "return", "value": value, "count": 10_000, "gradient": [False] * 10_000, "tensors": zeros}, bytes(64))
    return betas
