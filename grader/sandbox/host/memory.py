"""What memory this process holds, and how it gives back what is free of that."""

import gc
import os
import resource
from functools import cache

from grader.sandbox.guest.confine import libc

PAGE = resource.getpagesize()
LARGE = 1 << 30
"""Bytes; who holds more of them looks between two checks for what nobody needs any more."""


def resident() -> int:
    """Bytes of memory that this process holds; 0 where the system does not say. Asked with each message, and so kept open."""
    told = _told()
    return int(os.pread(told, 100, 0).split()[1]) * PAGE if told is not None else 0


@cache
def _told() -> int | None:
    try:
        return os.open("/proc/self/statm", os.O_RDONLY)
    except OSError:
        return None


def give_back() -> None:
    """Free what only refers to itself, and hand freed memory back to the system, if there is much."""
    if resident() > LARGE:
        gc.collect()
        if hasattr(libc, "malloc_trim"):
            libc.malloc_trim(0)
