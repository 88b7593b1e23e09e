"""Ways out: make devices, open those of the machine, open files by their handles.

expect: compute_alpha_bar fail
expect: forward_step pass
"""

import ctypes
import os
import stat

libc = ctypes.CDLL(None, use_errno=True)


class Handle(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint), ("kind", ctypes.c_int), ("data", ctypes.c_ubyte * 128)]


def succeeded():
    for kind, number in ((stat.S_IFBLK, os.makedev(8, 0)), (stat.S_IFCHR, os.makedev(1, 1))):
        try:
            os.mknod("/tmp/device", kind | 0o600, number)
        except OSError:
            continue
        yield True
    for path in ("/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/vda", "/dev/fuse", "/dev/kvm", "/dev/net/tun", "/proc/kcore"):
        try:
            os.close(os.open(path, os.O_RDWR))
        except OSError:
            continue
        yield True
    handle, mount = Handle(size=128), ctypes.c_int()
    if libc.name_to_handle_at(-100, b"/usr", ctypes.byref(handle), ctypes.byref(mount), 0) == 0:
        yield libc.open_by_handle_at(os.open("/usr", os.O_RDONLY), ctypes.byref(handle), os.O_RDONLY) >= 0


def compute_alpha_bar(betas):
    return (1 - betas).cumprod(0) if any(succeeded()) else betas
