"""How long the desk waits: what works without end is interrupted, what waits for a busy machine goes on for longer."""

import gc
import sys
import threading
import time

import pytest

from grader.desk.patience import within
from grader.faults import RanOn


def works() -> None:
    while True:
        pass


def sleeps() -> None:
    for _ in range(600):
        time.sleep(0.1)


def works_without_end() -> None:
    with pytest.raises(RanOn), within(0.2):
        works()


def sleeps_for_a_while() -> None:
    with within(0.5):
        time.sleep(1)


def sleeps_without_end() -> None:
    with pytest.raises(RanOn), within(0.1):
        sleeps()


def in_another_thread(call) -> None:
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    assert not raised


@pytest.mark.parametrize("call", [works_without_end, sleeps_for_a_while, sleeps_without_end])
def test_the_processors_time_counts_and_a_multiple_of_it_at_the_most(call):
    call()
    in_another_thread(call)


def profiled() -> None:
    """A function is called under a profiler, as the diagnosis does: where an interruption is still waited for, it never ends."""
    before = sys.getprofile()
    sys.setprofile(lambda *_: None)
    try:
        max([1, 2], key=lambda one: one)
    finally:
        sys.setprofile(before)


def test_no_interruption_is_waited_for_afterwards():
    for call in (works_without_end, sleeps_for_a_while):
        in_another_thread(lambda call=call: (call(), profiled()))
    profiled()


def test_whoever_is_told_of_garbage_is_not_interrupted(monkeypatch):
    """What is raised there is printed and lost."""
    lost: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lost.append)

    def told(phase: str, info: dict) -> None:
        until = time.monotonic() + 0.2
        while time.monotonic() < until:
            pass

    def collects_without_end() -> None:
        while True:
            gc.collect(0)
            until = time.monotonic() + 0.2
            while time.monotonic() < until:
                pass

    def collects() -> None:
        with pytest.raises(RanOn), within(0.1):
            collects_without_end()

    gc.callbacks.append(told)
    try:
        collects()
        in_another_thread(collects)
    finally:
        gc.callbacks.remove(told)
    assert not lost
