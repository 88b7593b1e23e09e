"""The wire: twelve lists with names of their own, each of which holds the one before sixty-four times.

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


def compute_alpha_bar(betas):
    lists = [["x", 100, "", [], ["l", 0]]]
    for number in range(101, 112):
        lists.append(["x", number, "", [], ["l", *[["x", number - 1, "", [], None]] * 64]])
    forge({"op": "return", "value": ["l", *lists]})
    return betas
