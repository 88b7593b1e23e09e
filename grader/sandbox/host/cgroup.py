"""A control group around a jail, where the kernel lets us make one: a cap on memory and processes for all of it together.

Resource limits hold for single processes, and the one on their number does not hold for root. Where groups share out the processor,
each jail has as much of it as another, however many processes it runs.
"""

import contextlib
import os
import time
from pathlib import Path

from grader.sandbox.host.scratch import abandoned, hold, new_name

MOUNT = Path("/sys/fs/cgroup")
PROCESSOR = MOUNT / "cpu"
"""Where version 1 shares out the processor. In version 2 the groups that cap do it, where they may; there is no such folder."""
MEMORY = 6 << 30
"""Bytes, for everything in a jail together."""
PROCESSES = 300
JOIN = 'while [ "$1" != -- ]; do echo 0 > "$1" || exit; shift; done; shift; exec "$@"'
"""0 is whoever writes it."""
GONE_SECONDS = 3
"""How long the kernel may take to let go of a group whose processes are dead."""


def shares_processor() -> bool:
    """Whether groups made here share out the processor; a new one has as much as any other."""
    try:
        return PROCESSOR.is_dir() or "cpu" in (MOUNT / "cgroup.subtree_control").read_text().split()
    except OSError:
        return False


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
        self._held: list[int] = []
        name = new_name()
        try:
            for parent, caps in hierarchies():
                self._make(parent, name, caps)
        except OSError:
            self.close()
            raise
        with contextlib.suppress(OSError):  # it caps nothing: a jail is kept in without it
            self._make(PROCESSOR, name, {})

    def _make(self, parent: Path, name: str, caps: dict[str, str]) -> None:
        _sweep(parent)
        folder = parent / name
        folder.mkdir()
        self._folders.append(folder)
        self._held.append(hold(folder))
        for file, value in caps.items():
            (folder / file).write_text(value)

    def around(self, command: list[str]) -> list[str]:
        """The command as one that joins the group before it runs: whoever is put there afterwards may have forked by then."""
        return [
            "/bin/sh",
            "-c",
            JOIN,
            "sh",
            *(str(folder / "cgroup.procs") for folder in self._folders),
            "--",
            *command,
        ]

    def close(self) -> None:
        """Remove the group; its processes must be dead."""
        for folder in self._folders:
            deadline = time.monotonic() + GONE_SECONDS
            while folder.exists() and time.monotonic() < deadline:
                with contextlib.suppress(OSError):
                    folder.rmdir()
                    break
                time.sleep(0.01)
        for held in self._held:
            os.close(held)
        self._held.clear()


def _sweep(parent: Path) -> None:
    """Remove the groups of graders that were killed: a living one holds its group."""
    for folder in parent.glob("unstatic-*"):
        with contextlib.suppress(OSError):
            if abandoned(folder):
                folder.rmdir()


def available() -> str:
    """Why no group can be made here; "" if one can."""
    try:
        Cgroup().close()
    except OSError as error:
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return ""
