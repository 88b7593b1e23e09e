"""The wire: half a frame, and then nothing.

expect: compute_alpha_bar timeout
expect: forward_step pass
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
    wire().sendall(struct.pack("<4sIQ", b"UNST", 100, 100) + b"{" * 50)
    while True:
        time.sleep(1)
