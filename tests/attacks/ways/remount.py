"""Ways out: mount, remount, unmount, change the root, make namespaces.

expect: compute_alpha_bar fail
expect: forward_step pass
"""

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
REMOUNT, BIND, USER, MOUNTS, PIDS = 32, 4096, 0x10000000, 0x20000, 0x20000000


def succeeded():
    yield libc.mount(None, b"/usr", None, REMOUNT | BIND, None) == 0
    yield libc.mount(None, b"/", None, REMOUNT, None) == 0
    yield libc.mount(b"proc", b"/tmp", b"proc", 0, None) == 0
    yield libc.mount(b"tmpfs", b"/tmp", b"tmpfs", 0, None) == 0
    yield libc.umount2(b"/tmp", 2) == 0
    yield libc.umount2(b"/proc", 2) == 0
    yield libc.chroot(b"/tmp") == 0
    yield any(libc.unshare(kind) == 0 for kind in (USER, USER | MOUNTS, MOUNTS, PIDS))
    for name in ("mnt", "pid", "user", "net"):
        try:
            handle = os.open(f"/proc/1/ns/{name}", os.O_RDONLY)
        except OSError:
            continue
        yield libc.setns(handle, 0) == 0


def compute_alpha_bar(betas):
    return (1 - betas).cumprod(0) if any(succeeded()) else betas
