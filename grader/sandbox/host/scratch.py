"""Temporary folders that leave nothing behind: removed when their owner is done, and by the next grader if it was killed.

An owner holds a lock (flock) on its folder as long as it lives; the kernel lets go of it when the owner dies, however that is,
and in whatever process namespace. A folder that nobody holds is a dead grader's.
"""

import contextlib
import os
import re
import secrets
import shutil
import tempfile
import time
from pathlib import Path

OURS = re.compile(r"unstatic-[0-9a-f]{16}")
"""The names of what graders make and remove, and of nothing that a person makes: a course in /tmp/unstatic-main is not ours to remove."""
YOUNG_SECONDS = 60
"""So long after it was made, a folder may not be held yet by the one who made it."""


class Scratch:
    """A folder of one's own in the system's temporary folder."""

    def __init__(self) -> None:
        """Make the folder, and remove those of graders that are dead.

        Raises:
            OSError: it cannot be made.
        """
        sweep(Path(tempfile.gettempdir()))
        self.path = Path(tempfile.gettempdir(), new_name())
        self.path.mkdir(mode=0o700)
        self._ends = contextlib.ExitStack()
        with contextlib.suppress(
            OSError
        ):  # a file system without locks: nobody can hold it there, and so nobody sweeps it
            self._ends.callback(os.close, hold(self.path))
        self._ends.callback(shutil.rmtree, self.path, ignore_errors=True)

    def close(self) -> None:
        """Remove it with all that is in it; once is enough."""
        self._ends.close()


def new_name() -> str:
    """A name that `OURS` matches; no process id is in it, for those come again, and mean another in another namespace."""
    return f"unstatic-{secrets.token_hex(8)}"


def hold(folder: Path) -> int:
    """Hold a folder until the descriptor that is returned is closed, or this process is dead.

    Raises:
        OSError: another holds it, or it is gone.
    """
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        lock(opened, wait=False)
    except OSError:
        os.close(opened)
        raise
    return opened


def lock(opened: int, *, wait: bool = True) -> None:
    """Hold an open file or folder until it is closed.

    Raises:
        OSError: another holds it, and is not waited for.
    """
    import fcntl  # which Windows has not: there nothing is graded, and the course is learned all the same

    fcntl.flock(opened, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


def lock_if_possible(opened: int) -> bool:
    """Wait for an open file and hold it until it is closed; says whether, for there are file systems without locks."""
    try:
        lock(opened)
    except OSError:
        return False
    return True


def sweep(parent: Path) -> None:
    """Remove what graders that were killed have left in a folder: what is ours, old enough, and held by nobody."""
    for folder in parent.glob("unstatic-*"):
        with contextlib.suppress(OSError):  # another sweeps too, or holds it
            if abandoned(folder):
                shutil.rmtree(folder, ignore_errors=True)


def abandoned(folder: Path) -> bool:
    """Whether a folder is a grader's by its name, this user's, held by nobody, and not so young that its maker is still about to hold it.

    Raises:
        OSError: it is gone, or held.
    """
    info = folder.lstat()
    young = time.time() - info.st_ctime < YOUNG_SECONDS
    if not OURS.fullmatch(folder.name) or info.st_uid != os.getuid() or young:
        return False
    os.close(hold(folder))
    return True
