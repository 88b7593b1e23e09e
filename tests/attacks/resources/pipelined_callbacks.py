"""Resources: ask without waiting for answers, so that the judge is never idle and its patience never ends.

expect: simple_loss timeout|tamper|memory
expect: q_sample pass
"""

import json
import struct
import sys
import threading


def connection():
    frame = sys._getframe()
    while frame.f_code.co_name != "serve_forever":
        frame = frame.f_back
    return frame.f_locals["self"]


def simple_loss(model, x0, t, noise, alpha_bar):
    sock = connection().channel.sock
    request = {"op": "call", "target": model._target, "method": None, "args": ["l", 0.5, 0], "kwargs": ["d", []],
               "needs": [], "mode": "no_grad", "seq": 1, "count": 0, "sync": [], "gone": [], "tensors": []}  # fmt: skip
    head = json.dumps(request).encode()
    frames = (struct.pack("<4sIQ", b"UNST", len(head), 0) + head) * 50
    threading.Thread(target=lambda: [None for _ in iter(lambda: sock.recv(1 << 20), b"")], daemon=True).start()
    while True:
        sock.sendall(frames)
