"""A control group around a jail, where the kernel lets us make one: a cap on memory and processes for all of it together.

Resource limits hold for single processes, and the one on their number does not hold for root.
"""

import contextlib
import itertools
import os
import time
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
MEMORY = 6 << 30
"""Bytes, for everything in a jail together."""
PROCESSES = 300
PREFIX = "unstatic-"
GONE_SECONDS = 3
"""How long the kernel may take to let go of a group whose processes are dead."""

_numbers = itertools.count()


def hierarchies() -> list[tuple[Path, dict[str, str]]]:
    """Where groups are made, and the files that cap them: one folder in version 2 of the interface, one each in version 1."""
    if (MOUNT / "cgroup.controllers").exists():
        return [(MOUNT, {"memory.max": str(MEMORY), "pids.max": str(PROCESSES)})]
    return [
        (MOUNT / "memory", {"memory.limit_in_bytes": str(MEMORY)}),
        (MOUNT / "pids", {"pids.max": str(PROCESSES)}),
    ]


class Cgroup:
    """A group of its own for one jail."""

    def __init__(self) -> None:
        """Make the group.

        Raises:
            OSError: this machine does not let us.
        """
        self._folders: list[Path] = []
        try:
            for parent, caps in hierarchies():
                _sweep(parent)
                folder = parent / f"{PREFIX}{os.getpid()}-{next(_numbers)}"
                folder.mkdir()
                self._folders.append(folder)
                for name, value in caps.items():
                    (folder / name).write_text(value)
        except OSError:
            self.close()
            raise

    def add(self, pid: int) -> None:
        """Put a process, and what it will fork, into the group."""
        for folder in self._folders:
            (folder / "cgroup.procs").write_text(str(pid))

    def close(self) -> None:
        """Remove the group; its processes must be dead."""
        for folder in self._folders:
            deadline = time.monotonic() + GONE_SECONDS
            while folder.exists() and time.monotonic() < deadline:
                with contextlib.suppress(OSError):
                    folder.rmdir()
                    break
                time.sleep(0.01)


def _sweep(parent: Path) -> None:
    """Remove the groups of graders that were killed."""
    for folder in parent.glob(f"{PREFIX}*-*"):
        pid = folder.name.removeprefix(PREFIX).split("-")[0]
        if pid.isdigit() and not Path("/proc", pid).exists():
            with contextlib.suppress(OSError):
                folder.rmdir()


def available() -> str:
    """Why no group can be made here; "" if one can."""
    try:
        Cgroup().close()
    except OSError as error:
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return ""
