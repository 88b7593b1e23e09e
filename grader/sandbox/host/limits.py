"""What a submission may use up: time, and bytes that it prints."""

import contextlib
import os
import time
from collections.abc import Iterator

from grader import faults

MAX_OUTPUT = 32 << 20
"""Bytes that a check, or an import, may print."""
KEPT_OUTPUT = 16_000
"""Bytes of it that are kept for the report."""


class Clock:
    """Time that a submission may still use. What counts is the time spent waiting for it, and not the judge's own work."""

    def __init__(self, seconds: float, within: "Clock | None" = None, what: str = "it") -> None:
        """Start a clock of `what`; one `within` another also uses up the other's time."""
        self._seconds, self._what = seconds, what
        self._left, self._within = seconds, within

    @property
    def left(self) -> float:
        return self._left if self._within is None else min(self._left, self._within.left)

    def over(self) -> faults.TimedOut:
        """That its time is over, with the limit that was met."""
        if self._left > 0 and self._within is not None:
            return self._within.over()
        return faults.TimedOut(f"the {self._seconds:g} s that {self._what} may take are used up")

    def spend(self, seconds: float) -> None:
        self._left -= seconds
        if self._within is not None:
            self._within.spend(seconds)

    def end(self) -> None:
        """Leave nothing of it; the clock that it is within goes on."""
        self._left = 0.0

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        start = time.monotonic()
        try:
            yield
        finally:
            self.spend(time.monotonic() - start)


class Output:
    """What a process prints: counted, and its end kept."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.count = 0
        self.tail = b""

    def drain(self) -> bool:
        """Read what there is; False at the end of the stream.

        Raises:
            faults.OutputLimit: it is more than may be printed.
        """
        try:
            data = os.read(self.reader, 1 << 20)
        except BlockingIOError:
            return True
        self.count += len(data)
        self.tail = (self.tail + data)[-KEPT_OUTPUT:]
        if self.count > MAX_OUTPUT:
            raise faults.OutputLimit(f"it printed more than {MAX_OUTPUT >> 20} MiB")
        return bool(data)

    def rest(self) -> None:
        """Read what is left, up to what may be printed."""
        with contextlib.suppress(faults.OutputLimit):
            before = -1
            while before != self.count:
                before = self.count
                self.drain()

    def close_writer(self) -> None:
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def close(self) -> None:
        self.close_writer()
        os.close(self.reader)
