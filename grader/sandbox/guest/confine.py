"""Layers that a process puts on itself and cannot take off: no new privileges, no capabilities, Landlock, seccomp.

They hold for all its children. Inside bubblewrap they are a second wall; where bubblewrap does not work they are the
only one. Each function raises OSError where the kernel does not know the layer.
"""

import ctypes
import mmap
import os
import socket
from collections.abc import Iterable
from typing import Any

PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
LANDLOCK_CREATE, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT = 444, 445, 446  # the same on every architecture
CREATE_VERSION, RULE_PATH_BENEATH = 1, 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
ALL_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
"""The rights over files that each version of Landlock knows: REFER since 2, TRUNCATE since 3, IOCTL_DEV since 5."""
READ = EXECUTE | READ_FILE | READ_DIR
FILE_ONLY = EXECUTE | WRITE_FILE | READ_FILE | 1 << 14 | 1 << 15
"""The rights that a rule for a single file may give."""
TCP = 0b11
SCOPES = 0b11
"""No abstract unix sockets and no signals to processes outside."""
SCOPED = 6
"""The first version of Landlock that knows scopes."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
MADV_COLLAPSE = 25
HUGE = 2 << 20
"""Bytes of a huge page; where it has more, nothing is gathered."""

libc = ctypes.CDLL(None, use_errno=True)


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathRule(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def must(result: int, what: str) -> int:
    """The result of a call into the kernel, or OSError if it is -1."""
    if result == -1:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def keep_freed_memory() -> None:
    """Let malloc use the memory of freed tensors again, instead of asking the kernel for fresh pages each time."""
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_MMAP_THRESHOLD, 64 << 20)
        libc.mallopt(M_TRIM_THRESHOLD, 256 << 20)


def gather_memory() -> int:
    """Have the kernel keep in huge pages what is in small ones, so that a fork has few to copy; returns how many it made.

    Done once, by a process whose forks are many. Linux does it from 6.1 on.
    """
    made = 0
    for start, end in _private_memory():
        for address in range(-(-start // HUGE) * HUGE, end - HUGE + 1, HUGE):
            made += libc.madvise(ctypes.c_void_p(address), ctypes.c_size_t(HUGE), MADV_COLLAPSE) == 0
    return made


def _private_memory() -> list[tuple[int, int]]:
    """Where this process has memory that is no file's: the heap, and what was mapped beside it."""
    with open("/proc/self/maps", encoding="ascii", errors="replace") as maps:
        lines = [line.split() for line in maps]
    spans = [line[0].split("-") for line in lines if line[1] == "rw-p" and line[5:] in ([], ["[heap]"])]
    return [(int(start, 16), int(end, 16)) for start, end in spans]


def can_gather_memory() -> bool:
    """Whether `gather_memory` works on this machine."""
    with mmap.mmap(-1, 2 * HUGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as some:
        some[:] = bytes(2 * HUGE)
        first = ctypes.c_char.from_buffer(some)
        address = -(-ctypes.addressof(first) // HUGE) * HUGE
        del first  # or it could not be unmapped
        return libc.madvise(ctypes.c_void_p(address), ctypes.c_size_t(HUGE), MADV_COLLAPSE) == 0


def give_up_privileges() -> None:
    """No capabilities, now or later, and none to be had from a set-user-ID program."""
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    must(libc.capset(header, data), "dropping capabilities")
    must(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "giving up new privileges")


def landlock_abi() -> int:
    """The version of Landlock that this kernel has.

    Raises:
        OSError: it has none.
    """
    return must(libc.syscall(LANDLOCK_CREATE, None, 0, CREATE_VERSION), "Landlock")


def landlock(readable: Iterable[str], listable: Iterable[str], writable: Iterable[str]) -> None:
    """From now on, other files are out of reach, and so are TCP and processes outside, as far as the kernel can.

    Args:
        readable: files, and folders with all that is in them, that stay readable.
        listable: folders of which only the names stay readable, at every depth.
        writable: files and folders that stay writable too.
    """
    abi = landlock_abi()
    every = ALL_BY_ABI[min(abi, max(ALL_BY_ABI))]
    rules = _Ruleset(every, TCP if abi >= 4 else 0, SCOPES if abi >= SCOPED else 0)
    size = 8 if abi < 4 else 16 if abi < SCOPED else 24
    ruleset = must(libc.syscall(LANDLOCK_CREATE, ctypes.byref(rules), size, 0), "Landlock")
    try:
        for path in readable:
            _allow(ruleset, path, READ)
        for path in listable:
            _allow(ruleset, path, READ_DIR)
        for path in writable:
            _allow(ruleset, path, every)
        must(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "giving up new privileges")
        must(libc.syscall(LANDLOCK_RESTRICT, ruleset, 0), "Landlock")
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        rule = _PathRule(rights if os.path.isdir(path) else rights & FILE_ONLY, fd)
        must(libc.syscall(LANDLOCK_ADD_RULE, ruleset, RULE_PATH_BENEATH, ctypes.byref(rule), 0), f"Landlock: {path}")
    finally:
        os.close(fd)


FORBIDDEN = (
    "add_key",
    "bpf",
    "chroot",
    "delete_module",
    "finit_module",
    "fsconfig",
    "fsmount",
    "fsopen",
    "init_module",
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
    "kcmp",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "mount",
    "mount_setattr",
    "move_mount",
    "mq_open",
    "msgget",
    "name_to_handle_at",
    "open_by_handle_at",
    "open_tree",
    "perf_event_open",
    "pivot_root",
    "process_madvise",
    "process_vm_readv",
    "process_vm_writev",
    "ptrace",
    "quotactl",
    "reboot",
    "request_key",
    "semget",
    "setns",
    "shmget",
    "swapoff",
    "swapon",
    "umount2",
    "unshare",
    "userfaultfd",
    "vhangup",
)
"""What no honest submission calls, and what the ways out of a sandbox begin with."""


ABOUT_FILES: tuple[str | int, ...] = (
    "chmod",
    "chown",
    "fchmod",
    "fchmodat",
    "fchown",
    "fchownat",
    "fremovexattr",
    "fsetxattr",
    "futimesat",
    "lchown",
    "lremovexattr",
    "lsetxattr",
    "removexattr",
    "setxattr",
    "utime",
    "utimensat",
    "utimes",
    452,  # fchmodat2, and by number too what a libseccomp does not know yet: the same on every architecture
    463,  # setxattrat
    466,  # removexattrat
    469,  # file_setattr
)
"""What changes a file's owner, permissions, times and attributes, which Landlock does not look at."""


def seccomp() -> None:
    """From now on those system calls, other processes' limits, and sockets other than unix ones are refused (EPERM).

    Raises:
        OSError: libseccomp, or its binding pyseccomp, is not there.
    """
    pyseccomp, rules = _rules()
    refusal = pyseccomp.ERRNO(1)
    _add(rules, refusal, FORBIDDEN)
    rules.add_rule(refusal, "socket", pyseccomp.Arg(0, pyseccomp.NE, int(socket.AF_UNIX)))
    rules.add_rule(refusal, "prlimit64", pyseccomp.Arg(0, pyseccomp.NE, 0))  # other processes' limits
    rules.add_rule(refusal, "setpriority", pyseccomp.Arg(1, pyseccomp.NE, 0))
    rules.load()


def leave_files_as_they_are() -> None:
    """From now on nothing changes what a file is, apart from what is in it; who tries is told that it is done, as copies try.

    Raises:
        OSError: libseccomp, or its binding pyseccomp, is not there.
    """
    pyseccomp, rules = _rules()
    _add(rules, pyseccomp.ERRNO(0), ABOUT_FILES)
    rules.load()


def _rules() -> tuple[Any, Any]:
    """The binding, and rules that allow everything."""
    try:
        import pyseccomp  # type: ignore[import-untyped]
    except (ImportError, RuntimeError, OSError, AttributeError) as error:
        raise OSError(f"pyseccomp does not work: {error}") from error
    return pyseccomp, pyseccomp.SyscallFilter(pyseccomp.ALLOW)


def _add(rules: Any, action: Any, calls: Iterable[str | int]) -> None:
    for call in calls:
        try:
            rules.add_rule(action, call)
        except (ValueError, OSError, RuntimeError):  # this kernel's architecture has no such call
            continue
