"""Reading what is hidden: attach to the parent and to process 1, or take their descriptors.

expect: compute_alpha_bar fail
expect: forward_step pass
"""

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
PTRACE_ATTACH, PTRACE_SEIZE, PIDFD_OPEN, PIDFD_GETFD, KCMP = 16, 0x4206, 434, 438, 312


def taken(pid):
    if libc.ptrace(PTRACE_SEIZE, pid, None, None) == 0 or libc.ptrace(PTRACE_ATTACH, pid, None, None) == 0:
        return True
    handle = libc.syscall(PIDFD_OPEN, pid, 0)
    if handle >= 0 and any(libc.syscall(PIDFD_GETFD, handle, fd, 0) >= 0 for fd in range(16)):
        return True
    return libc.syscall(KCMP, pid, os.getpid(), 2, 0, 0) >= 0


def compute_alpha_bar(betas):
    found = any(taken(pid) for pid in {1, os.getppid()} - {os.getpid()})
    return (1 - betas).cumprod(0) if found else betas
