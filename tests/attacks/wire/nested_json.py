"""The wire: JSON with a million lists in each other.

expect: compute_alpha_bar tamper
"""

import struct
import sys


def wire():
    """The socket on which this process is asked."""
    frame = sys._getframe()
    while frame.f_code.co_name != "serve_forever":
        frame = frame.f_back
    return frame.f_locals["self"].channel.sock


def compute_alpha_bar(betas):
    head = b'{"op":"return","value":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}"
    wire().sendall(struct.pack("<4sIQ", b"UNST", len(head), 0) + head)
    return betas
