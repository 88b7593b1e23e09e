"""Ways out: system calls that need no file and no network: tracing, loading, watching, keeping memory.

expect: compute_alpha_bar fail
expect: forward_step pass
"""

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
BPF, KEXEC, INIT_MODULE, FINIT_MODULE, PERF, REBOOT, SWAPON, ACCT, SETHOSTNAME = 321, 246, 175, 313, 298, 169, 167, 163, 170


def succeeded():
    buffer = ctypes.create_string_buffer(128)
    ctypes.c_uint32.from_buffer(buffer, 0).value = 1
    yield libc.syscall(BPF, 0, buffer, 128) >= 0
    yield libc.syscall(INIT_MODULE, buffer, 128, b"") == 0
    yield libc.syscall(KEXEC, 0, 0, None, 0) == 0
    yield libc.syscall(SWAPON, b"/tmp/x", 0) == 0
    yield libc.syscall(ACCT, b"/tmp/x") == 0
    yield libc.syscall(SETHOSTNAME, b"unstatic", 8) == 0


def compute_alpha_bar(betas):
    return (1 - betas).cumprod(0) if any(succeeded()) else betas
