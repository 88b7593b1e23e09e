"""Ending the process: a filter of its own system calls, which kills it as it answers.

expect: compute_alpha_bar crash
expect: forward_step pass
"""

import ctypes
import struct

LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
KILL, ALLOW = 0x80000000, 0x7FFF0000
SENDMSG, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 46, 22, 2
STEPS = ((LOAD, 0, 0, 0), (EQUAL, 0, 1, SENDMSG), (RETURN, 0, 0, KILL), (RETURN, 0, 0, ALLOW))


class Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_void_p))


def compute_alpha_bar(betas):
    steps = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in STEPS))
    program = Program(len(STEPS), ctypes.addressof(steps))
    ctypes.CDLL(None).prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program))
    return betas
