"""The wire: a large frame, one byte at a time.

expect: compute_alpha_bar timeout
"""

import struct
import sys
import time


def wire():
    """The socket on which this process is asked."""
    frame = sys._getframe()
    while frame.f_code.co_name != "serve_forever":
        frame = frame.f_back
    return frame.f_locals["self"].channel.sock


def compute_alpha_bar(betas):
    wire().sendall(struct.pack("<4sIQ", b"UNST", 1 << 20, 0))
    while True:
        wire().sendall(b" ")
        time.sleep(0.01)
