"""What a check may leave behind, found and removed: processes, and what is in the temporary folders."""

import contextlib
import fcntl
import os
import secrets
import signal
import struct
import sys
from collections.abc import Collection
from pathlib import Path

SET_FLAGS = 0x40000002 | struct.calcsize("l") << 16 | ord("f") << 8
"""FS_IOC_SETFLAGS, as most architectures write it."""


def descendants(apart_from: Collection[int] = ()) -> list[int]:
    """Every living process below us, apart from some and what is below them. In a namespace of our own that is every other process."""
    if not os.path.exists("/proc/self"):
        return []
    parents = {int(name): _parent(name) for name in os.listdir("/proc") if name.isdigit()}
    parents = {pid: parent for pid, parent in parents.items() if pid not in apart_from}
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found - {os.getpid()})


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _parent(pid: str) -> int:
    """The parent of a living process; 0 of one that is dead and not yet reaped."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            state, parent, *rest = stat.read().rpartition(b")")[2].split()
    except (OSError, ValueError):
        return 0
    dead = state in b"ZX" and int(rest[15]) <= 1  # a process whose first thread is gone may live on in others
    return 0 if dead else int(parent)


def empty(folder: Path, mode: int) -> None:
    """Leave nothing in a temporary folder, whatever the depth and permissions of what is there, and nothing on it."""
    os.chmod(folder, mode)
    stubborn: set[str] = set()
    while entries := [entry for entry in os.scandir(folder) if entry.name not in stubborn]:
        for entry in entries:
            try:
                _remove(entry, folder)
            except OSError:
                stubborn.add(entry.name)
    _clear_flags(folder)
    for name in os.listxattr(folder) if sys.platform == "linux" else ():
        with contextlib.suppress(OSError):
            os.removexattr(folder, name)
    os.utime(folder, (0, 0))


def _clear_flags(folder: Path) -> None:
    """Take from a folder what `chattr` gives: a file system in memory keeps that too, since Linux 6.6."""
    if sys.platform != "linux":
        return
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(opened, SET_FLAGS, bytes(struct.calcsize("l")))
    except OSError:  # it knows none
        pass
    finally:
        os.close(opened)


def _remove(entry: os.DirEntry, folder: Path) -> None:
    """Remove a file; of a folder move up what is in it, so that no depth is too deep, and remove what is left."""
    if not entry.is_dir(follow_symlinks=False):
        os.unlink(entry.path)
        return
    os.chmod(entry.path, 0o700)
    for inner in os.scandir(entry.path):
        if inner.is_dir(follow_symlinks=False):
            os.chmod(inner.path, 0o700)  # to move a folder, one must be allowed to write to it
        os.rename(inner.path, folder / secrets.token_hex())  # a name that nobody has taken
    os.rmdir(entry.path)
