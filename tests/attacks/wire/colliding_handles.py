"""The wire: functions whose numbers all have one hash, and the last of them named again and again.

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


PRIME = 2**61 - 1
"""What Python takes the remainder of, for the hash of a number."""


def compute_alpha_bar(betas):
    numbers = [PRIME * k for k in range(1, 19_001)] + [PRIME * 19_000] * 120_000
    forge({"op": "return", "value": ["l", *(["f", number, "", [], None] for number in numbers)]})
    return betas
