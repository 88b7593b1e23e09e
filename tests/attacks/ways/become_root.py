"""Ways out: become another user, take back capabilities, run programs that change users.

expect: compute_alpha_bar fail
expect: forward_step pass
"""

import ctypes
import os
import shutil
import subprocess

libc = ctypes.CDLL(None, use_errno=True)


def whose():
    return os.getresuid(), os.getresgid(), os.getgroups()


def succeeded():
    before = whose()
    for user in (0, 1, 1000):
        for change in (os.setuid, os.setgid, os.seteuid, lambda user: os.setgroups([user])):
            try:
                change(user)
            except OSError:
                continue
            yield whose() != before
    header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(*[0xFFFFFFFF] * 6)
    yield libc.capset(header, data) == 0
    for program in ("su", "sudo", "mount", "newuidmap", "fusermount"):
        if path := shutil.which(program):
            done = subprocess.run([path, "-c", "id"], capture_output=True, stdin=subprocess.DEVNULL, timeout=2)
            yield b"uid=0" in done.stdout
    with open("/proc/self/status") as file:
        yield any(line.startswith("CapEff") and int(line.split()[1], 16) for line in file)


def compute_alpha_bar(betas):
    return (1 - betas).cumprod(0) if any(succeeded()) else betas
