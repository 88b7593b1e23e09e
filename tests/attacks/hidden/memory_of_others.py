"""Reading what is hidden: the memory of the parent and of process 1, by file and by system call.

expect: compute_alpha_bar fail
expect: forward_step pass
"""

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
PROCESS_VM_READV = 310


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def readable(pid):
    for name in ("mem", "maps", "syscall", "stack", "pagemap", "auxv"):
        try:
            with open(f"/proc/{pid}/{name}", "rb") as file:
                if name != "mem" and file.read(1):
                    return True
                if name == "mem":
                    return True
        except OSError:
            continue
    buffer = ctypes.create_string_buffer(8)
    here, there = Vector(ctypes.addressof(buffer), 8), Vector(id(None), 8)
    return libc.syscall(PROCESS_VM_READV, pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0) > 0


def compute_alpha_bar(betas):
    found = any(readable(pid) for pid in {1, os.getppid()} - {os.getpid()})
    return (1 - betas).cumprod(0) if found else betas
