"""Ours in the place of an exercise that another one needs and that is not right in the submission: a mistake is charged once.

An oracle is a function of the reference section, called by the submission over the connection: arguments go in, values
come out, never code. It is handed to the checks of those exercises alone that come after it and use it, in a guest of their own.
"""

import contextlib
import importlib
import signal
import threading
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from torch import Tensor

from grader import faults
from grader.course import section
from grader.sandbox.host.limits import Clock

LARGEST_NUMBER = 1_000_000
"""The largest whole number that is taken as an argument: it may be how often a loop of ours runs."""
MOST_ELEMENTS = 1 << 20
"""The most elements of a tensor that is taken as an argument, a hundred times what a check hands out. With four million, one call into a
library takes 17 seconds."""
MOST_ROWS = {"ot_pairing": 1000}
"""By exercise, the most rows where each row is compared with every other. For ten thousand that would be minutes within one call into a
library, which no signal interrupts."""
AGAIN_SECONDS = 1.0
"""Seconds from one interruption to the next: Python drops an exception that is raised in a finalizer, and so it is raised again."""


def oracle(stem: str, name: str) -> Callable[..., Any] | None:
    """The reference's function; None if there is none that can stand in: no reference here, or a class, which lives with the answer.

    Args:
        stem: the section.
        name: the exercise.
    """
    if not section(stem).solution.is_file():
        return None
    reference = getattr(importlib.import_module(f"solutions.{stem}"), name)
    return None if isinstance(reference, type) else reference


def within_reason(reference: Callable[..., Any], clock: Clock) -> Callable[..., Any]:
    """The function for a submission to call: it takes no more work than an answer may, and no more time than a check has.

    Args:
        reference: what `oracle` gave.
        clock: the check's.
    """
    name = reference.__name__

    @wraps(reference)
    def ours(*args: Any, **kwargs: Any) -> Any:
        _refuse_large([*args, *kwargs.values()], name)
        with _within(clock):
            return reference(*args, **kwargs)

    return ours


def _refuse_large(values: list[Any], name: str) -> None:
    for value in values:
        if isinstance(value, int) and abs(value) > LARGEST_NUMBER:
            raise ValueError(f"the course's {name} takes whole numbers up to {LARGEST_NUMBER:,} while it is judged")
        if isinstance(value, Tensor) and value.numel() > MOST_ELEMENTS:
            raise ValueError(
                f"the course's {name} takes tensors of up to {MOST_ELEMENTS:,} elements while it is judged"
            )
        if isinstance(value, Tensor) and value.ndim and name in MOST_ROWS and len(value) > MOST_ROWS[name]:
            raise ValueError(f"the course's {name} takes up to {MOST_ROWS[name]:,} rows while it is judged")


class _Late:
    """What a signal calls when a check's time is over."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def __call__(self, number: int, frame: object) -> None:
        self.clock.end()  # or who catches this could begin again
        raise faults.TimedOut("its time is over, in calls of the course's functions")


@contextlib.contextmanager
def _within(clock: Clock) -> Iterator[None]:
    """Interrupt what takes longer than the clock allows; signals reach the main thread only, where a judge works.

    A call within another, of a function of ours that was handed to one of ours, is part of that one: whoever interrupts it interrupts both.
    Somebody else's timer, a test's say, waits meanwhile.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or isinstance(signal.getsignal(signal.SIGALRM), _Late):
        yield
        return
    before = signal.signal(signal.SIGALRM, _Late(clock))
    waits = signal.setitimer(signal.ITIMER_REAL, max(clock.left, 0.001), AGAIN_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *waits)
        signal.signal(signal.SIGALRM, before)
