"""The wire: a large module mentioned in as many changes as there are small ones, each of which is looked at whole.

expect: simple_loss tamper|timeout
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


def about(numbers):
    slots = [[0, "p", f"p{k}", True, True, k] for k in numbers]
    return {"class": "", "parts": [""], "slots": slots, "ties": [], "training": [True]}


def simple_loss(model, x0, t, noise, alpha_bar):
    connection, _ = serving()
    modules = [["m", 100, about(range(5_000)), []], *(["m", 100 + k, about([]), []] for k in range(1, 5_000))]
    call = {"op": "call", "target": model._target, "method": None, "args": ["l", ["l", *modules]]}
    zeros = [{"dtype": "float64", "shape": [], "offset": 0}] * 5_000
    forge({**call, "needs": [False] * 5_000, "count": 5_000, "tensors": zeros}, bytes(64))
    connection.channel.receive()
    forge({**call, "args": ["l"], "needs": [], "sync": [["mine", 100, {}]] * 5_000})
    return (x0 * 0).sum()
