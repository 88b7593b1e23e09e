"""The wire: a frame that begins as another protocol's.

expect: compute_alpha_bar tamper
"""

import sys


def wire():
    """The socket on which this process is asked."""
    frame = sys._getframe()
    while frame.f_code.co_name != "serve_forever":
        frame = frame.f_back
    return frame.f_locals["self"].channel.sock


def compute_alpha_bar(betas):
    wire().sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    return betas
