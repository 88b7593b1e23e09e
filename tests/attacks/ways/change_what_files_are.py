"""Ways out: the permissions, times and attributes of files that are not its own to write, which Landlock does not look at.

needs: seccomp
expect: compute_alpha_bar fail
expect: forward_step pass
"""

import ctypes
import os
import sys

FILE = os.path.join(sys.prefix, "pyvenv.cfg")
"""A file of the host's that can be read."""
libc = ctypes.CDLL(None)


def changed():
    """Whether a file's permissions or times can be changed; if they can, they are put back."""
    if not os.path.exists(FILE):
        return False
    told = os.stat(FILE)
    mode, times = told.st_mode & 0o7777, (told.st_atime_ns, told.st_mtime_ns)
    ways = (
        lambda mode, times: os.chmod(FILE, mode),
        lambda mode, times: libc.syscall(452, -100, FILE.encode(), mode, 0),
        lambda mode, times: os.utime(FILE, ns=times),
    )
    for way in ways:
        try:
            way(mode ^ 0o001, (times[0], times[1] + 1000))
        except OSError:
            continue
        now = os.stat(FILE)
        if (now.st_mode & 0o7777, now.st_mtime_ns) != (mode, times[1]):
            way(mode, times)
            return True
    return False


def compute_alpha_bar(betas):
    return (1 - betas).cumprod(0) if changed() else betas
