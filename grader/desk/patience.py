"""How long the desk waits for an answer: what runs on is interrupted, in the line that was running.

On POSIX in the main thread a timer's signal raises `RanOn` where the program is; elsewhere another thread asks the interpreter
to raise it. Neither reaches into one call of a library that does not come back: Ctrl-C does not either.

On a busy machine an answer has as much of the processor as on a quiet one: while it got less than its seconds of it, it goes on,
up to `STARVED` times as long.
"""

import contextlib
import ctypes
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

from grader.faults import RanOn

SECONDS = 20.0
"""A check has as long as in the judge; the environment's UNSTATIC_SECONDS says otherwise, 0 for no limit."""
AGAIN = 0.25
"""Seconds after which code that caught the interruption, as a bare `except` does, is interrupted again."""
SOON = 0.02
"""Seconds after which it is tried again where what is raised would be lost."""
STARVED = 6
"""So many times as long has an answer that got no processor, or that sleeps."""
LONGER = 15
"""So many times as long has what trains: a reward, or a picture. A reward that takes minutes has what its plan says."""
MOST = 1e6
"""Seconds; more is a slip."""
WANTED = "give a number of seconds, such as 60, or 0 for no limit"
DEBUGGERS = ("pdb", "bdb", "cmd", "_pydevd", "pydevd", "debugpy", "IPython.terminal.debugger")


class LimitError(ValueError):
    """UNSTATIC_SECONDS, or what `--seconds` was given, is no number of seconds."""


def limit() -> float:
    """Seconds for one check; 0 means no limit.

    Raises:
        LimitError: UNSTATIC_SECONDS says something else.
    """
    said = os.environ.get("UNSTATIC_SECONDS", "").strip()
    try:
        seconds = float(said) if said else SECONDS
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < MOST:
        raise LimitError(f"UNSTATIC_SECONDS={said}: {WANTED}")
    return seconds


def set_limit(seconds: float) -> None:
    """Another limit for this process and those that it starts.

    Raises:
        LimitError: it is no number of seconds.
    """
    if not 0 <= seconds < MOST:
        raise LimitError(f"--seconds {seconds:g}: {WANTED}")
    os.environ["UNSTATIC_SECONDS"] = f"{seconds:g}"


def told(seconds: float) -> str:
    """What is said of an answer that ran on."""
    longer = 3 * max(limit(), SECONDS)
    return f"it ran on for {seconds:g} s and was interrupted; `UNSTATIC_SECONDS={longer:g}` in the environment gives it longer"


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise `RanOn` in what runs here once it has had so many seconds; 0 means no limit.

    While a debugger is at work the time does not count.
    """
    if not seconds:
        yield
    elif hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        with _by_signal(seconds):
            yield
    else:
        with _by_thread(seconds):
            yield


class Clock:
    """How much of its seconds an answer still has, by the processor's time that this process got."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.began, self.used = seconds, time.monotonic(), time.process_time()

    def left(self) -> float:
        """Seconds to wait for; 0 if its time is over."""
        left = self.seconds - (time.process_time() - self.used)
        waited = time.monotonic() - self.began
        return max(left, AGAIN) if left > 0.1 * self.seconds and waited < STARVED * self.seconds else 0.0


@contextlib.contextmanager
def _by_signal(seconds: float) -> Iterator[None]:
    rings = 0

    def ring(number: int, frame: FrameType | None) -> None:
        nonlocal rings
        if _debugged(frame):
            signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
            return
        if not rings and (left := clock.left()):
            signal.setitimer(signal.ITIMER_REAL, left, AGAIN)
            return
        if _collecting(frame):
            signal.setitimer(signal.ITIMER_REAL, SOON, AGAIN)
            return
        rings += 1
        if rings > 1:  # whoever caught the first is met again where it is handled
            _trace(frame)
        raise RanOn(told(seconds))

    def again(frame: FrameType, event: str, argument: object) -> Any:
        if isinstance(sys.exc_info()[1], RanOn):
            raise RanOn(told(seconds))
        return again

    def _trace(frame: FrameType | None) -> None:
        sys.settrace(again)
        while frame is not None:
            frame.f_trace = again
            frame = frame.f_back

    clock, tracing = Clock(seconds), sys.gettrace()
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if rings > 1:
            sys.settrace(tracing)


@contextlib.contextmanager
def _by_thread(seconds: float) -> Iterator[None]:
    thread, over = threading.get_ident(), threading.Event()
    lock, clock, asked = threading.Lock(), Clock(seconds), False

    def wait() -> None:
        nonlocal asked
        pause = seconds
        while not over.wait(pause):
            if pause != AGAIN and (pause := clock.left()):
                continue
            frame = sys._current_frames().get(thread)
            pause = seconds if _debugged(frame) else SOON if _collecting(frame) else AGAIN
            with lock:
                if pause == AGAIN and not over.is_set():
                    asked = True
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(RanOn))

    watcher = threading.Thread(target=wait, name="patience", daemon=True)
    watcher.start()
    try:
        yield
    except RanOn as error:
        error.args = error.args or (told(seconds),)
        raise
    finally:
        with lock:  # from here on nothing is asked for any more
            over.set()
        if asked:
            _raised_here(thread)


def _raised_here(thread: int) -> None:
    """Let what was asked for, and perhaps not raised yet, be raised here, and nowhere later.

    Taking it back, by asking for None, leaves the interpreter (3.11) waiting for it for ever: under a profiler the next call
    of a function never ends.
    """
    try:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(RanOn))
        for _ in range(10_000):  # it comes between two rounds
            pass
    except RanOn:
        pass


def _collecting(frame: FrameType | None) -> bool:
    """Whether somebody is being told that garbage is collected: what is raised there is printed, and goes no further."""
    told = {getattr(callback, "__code__", None) for callback in gc.callbacks}
    while frame is not None:
        if frame.f_code in told:
            return True
        frame = frame.f_back
    return False


def _debugged(frame: FrameType | None) -> bool:
    """Whether a debugger is at work: in one of the frames, or as what traces."""
    if getattr(sys.gettrace(), "__module__", "").split(".")[0] in DEBUGGERS:
        return True
    while frame is not None:
        if frame.f_globals.get("__name__", "") in DEBUGGERS:
            return True
        frame = frame.f_back
    return False
