"""Ways out: what an administrator may do without a file: set the clock and the machine's name, raise limits, take a processor for itself.

expect: compute_alpha_bar fail
expect: forward_step pass
"""

import ctypes
import os
import resource
import socket
import time

libc = ctypes.CDLL(None, use_errno=True)


def can(what):
    try:
        return what() in (None, 0)
    except (OSError, ValueError):
        return False


def name_the_machine():
    name = socket.gethostname().encode()
    return libc.sethostname(name, len(name))


def raise_a_limit():
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    resource.setrlimit(resource.RLIMIT_NPROC, (hard + 1, hard + 1))


def take_the_control_of_the_supervisor():
    with open(f"/proc/{os.getppid()}/stat") as stat:
        supervisor = int(stat.read().rpartition(")")[2].split()[1])
    pidfd = os.pidfd_open(supervisor)
    return 0 if any(libc.syscall(438, pidfd, fd, 0) >= 0 for fd in range(3, 20)) else 1


WAYS = (
    lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()),
    name_the_machine,
    raise_a_limit,
    lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    lambda: os.setresuid(1, 1, 1),
    lambda: libc.klogctl(3, ctypes.create_string_buffer(64), 64) < 0,
    take_the_control_of_the_supervisor,
)


def compute_alpha_bar(betas):
    return (1 - betas).cumprod(0) if any(can(way) for way in WAYS) else betas
