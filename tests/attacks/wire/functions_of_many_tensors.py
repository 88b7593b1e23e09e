"""The wire: as many functions as there may be, beside as many tensors, all of which are looked at for each.

expect: compute_alpha_bar tamper|fail|timeout
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
    held = {"class": "", "parts": [""], "slots": [], "ties": [], "training": [True]}
    functions = [["f", k, "", [], held] for k in range(1, 19_001)]
    about = [{"dtype": "float64", "shape": [0], "offset": 0}] * 20_000
    forge({"op": "return", "value": ["l", *functions], "count": 20_000, "gradient": [False] * 20_000, "tensors": about})
    return betas
