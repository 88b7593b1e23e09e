"""The wire: hang up.

expect: compute_alpha_bar crash
"""

import socket
import sys


def wire():
    """The socket on which this process is asked."""
    frame = sys._getframe()
    while frame.f_code.co_name != "serve_forever":
        frame = frame.f_back
    return frame.f_locals["self"].channel.sock


def compute_alpha_bar(betas):
    wire().shutdown(socket.SHUT_RDWR)
    return betas
