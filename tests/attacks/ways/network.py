"""Ways out: connect to the machine's loopback, by address and by abstract name, and to a name server.

expect: compute_alpha_bar fail
expect: forward_step pass
"""

import socket

CANARY = 47_113


def reached():
    tries = [(socket.AF_INET, ("127.0.0.1", CANARY)), (socket.AF_INET6, ("::1", CANARY)), (socket.AF_UNIX, "\0unstatic-canary")]
    for family, address in tries:
        try:
            with socket.socket(family) as caller:
                caller.settimeout(0.5)
                caller.connect(address)
                return True
        except OSError:
            continue
    return False


def compute_alpha_bar(betas):
    return (1 - betas).cumprod(0) if reached() else betas
