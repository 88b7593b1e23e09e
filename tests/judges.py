"""Judges that several tests ask, as several submissions of a cohort ask one: their start costs five seconds."""

import contextlib
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from grader.judging.judge import Judge
from grader.judging.process import JudgeProcess
from grader.judging.results import Row
from grader.sandbox.host import isolation

Idle = dict[str, list[JudgeProcess]]
"""By the level of isolation, the judges whom nobody asks now."""


COMING = pytest.StashKey[Future[Judge]]()


def begin(config: pytest.Config) -> None:
    """Have the judge of `judge` start now, beside the tests that need none: its jail is another process, and takes seconds."""
    thread = ThreadPoolExecutor(1)  # it lives as long as the jail, which ends with whoever started it
    config.stash[COMING] = thread.submit(lambda: Judge(isolation.choose()))

    def close() -> None:
        with thread:
            if config.stash[COMING].exception() is None:
                config.stash[COMING].result().close()

    config.add_cleanup(close)


@pytest.fixture(scope="session")
def judge(pytestconfig: pytest.Config) -> Iterator[Judge]:
    """A judge in this process."""
    if COMING in pytestconfig.stash:
        yield pytestconfig.stash[COMING].result()
        return
    judge = Judge(isolation.choose())
    yield judge
    judge.close()


class Lent:
    """A judge in a process of its own that is ready for somebody else when it is closed."""

    def __init__(self, level: str, idle: Idle) -> None:
        self._idle = idle[level]
        try:
            self._judge: JudgeProcess | None = self._idle.pop()
        except IndexError:
            self._judge = JudgeProcess(level)
        self._free = True

    def grade(self, request: dict) -> list[Row]:
        assert self._judge is not None, "it is closed"
        self._free = False  # for good, if it is stopped at it or breaks
        rows = self._judge.grade(request)
        self._free = True
        return rows

    def close(self) -> None:
        judge, self._judge = self._judge, None
        if judge is not None and self._free:
            self._idle.append(judge)
        elif judge is not None:
            judge.close()


@pytest.fixture(scope="module")
def idle_judges() -> Iterator[Idle]:
    idle: Idle = defaultdict(list)
    with contextlib.ExitStack() as stack:
        yield idle
        for judge in (judge for some in idle.values() for judge in some):
            stack.callback(judge.close)


@pytest.fixture
def lent_judges(idle_judges: Idle, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this test has graded in this process is graded by judges that graded for the module's other tests."""
    monkeypatch.setattr("grader.judging.schedule.JudgeProcess", lambda level: Lent(level, idle_judges))
