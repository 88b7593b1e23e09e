"""The wire: an answer with the beginning of the next one, which another process ends when this one is over.

expect: compute_alpha_bar fail|tamper|timeout|crash
expect: forward_step pass
"""

import json
import os
import struct
import sys
import time


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
    connection, _ = serving()
    if os.fork() == 0:
        os.setsid()
        time.sleep(0.5)
        connection.channel.sock.sendall(b"ST" + bytes(100))
        os._exit(0)
    forge({"op": "return", "value": None})
    connection.channel.sock.sendall(b"UN")
    return betas
