"""The wire: announce a head of four gigabytes.

expect: compute_alpha_bar tamper
expect: forward_step pass
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
    wire().sendall(struct.pack("<4sIQ", b"UNST", 0xFFFFFFFF, 0))
    return betas
