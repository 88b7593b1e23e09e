"""Ways out: type into the terminal from which the grader was started.

expect: compute_alpha_bar fail
expect: forward_step pass
"""

import fcntl
import os
import termios


def typed():
    for path in ("/dev/tty", "/dev/console", "/dev/pts/0"):
        try:
            with open(path, "wb", buffering=0) as terminal:
                fcntl.ioctl(terminal, termios.TIOCSTI, b" ")
                return True
        except OSError:
            continue
    return False


def compute_alpha_bar(betas):
    return (1 - betas).cumprod(0) if typed() else betas
