"""What memory this process holds, and how it gives back what is free of that."""

import gc
import os
import resource
from functools import cache

from grader.sandbox.guest.confine import libc

PAGE = resource.getpagesize()
LARGE = 1 << 30
"""Bytes. Between two checks, a judge that holds so many more than before looks for memory to give back."""


def resident() -> int:
    """Bytes of memory that this process holds; 0 where the system does not say. Asked for with each message, and so the file stays open."""
    told = _told()
    return int(os.pread(told, 100, 0).split()[1]) * PAGE if told is not None else 0


@cache
def _told() -> int | None:
    try:
        return os.open("/proc/self/statm", os.O_RDONLY)
    except OSError:
        return None


def give_back(held: int) -> int:
    """Free what only refers to itself, and hand freed memory back to the system, if this process holds much more than before.

    Returns:
        what it holds now, to be compared with the next time.
    """
    if resident() <= held + LARGE:
        return held
    gc.collect()
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
    return resident()
