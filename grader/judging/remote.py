"""What runs on a worker of a cluster: warm judges of its own, of which each proves its jail before it judges anything.

A unit comes as data and rows go back as text; of the submission nothing but text is ever in the cluster's hands.
"""

import json
import threading
from dataclasses import dataclass

from grader.faults import GraderFault
from grader.judging.process import JudgeProcess
from grader.judging.store import course_version
from grader.sandbox.host import isolation

_MINE = threading.local()
"""The judge of each thread of the worker; it ends when the worker does."""


@dataclass(frozen=True)
class Worker:
    """What a worker is: which version of the course it has, and how much it isolates."""

    course: str
    level: str


def worker() -> Worker:
    """What the worker is that runs it."""
    return Worker(course_version(), isolation.machine().level)


def judge(request: str, level: str, course: str) -> str:
    """The rows of a request (`schedule.Unit.request`), as {"rows": ...}; or {"fault": why not}, as JSON.

    Args:
        request: what is asked, as JSON.
        level: the isolation at which the whole run is judged; another one is a fault.
        course: the version that the run is about.
    """
    try:
        if (mine := course_version()) != course:
            raise GraderFault(
                f"this worker has another version of the course or its libraries ({mine[:8]}, not {course[:8]})"
            )
        return json.dumps({"rows": _judge(level).grade(json.loads(request))})
    except Exception as error:  # whatever it is, it is ours, and to be told there and not here
        _drop()
        kind = "" if isinstance(error, GraderFault) else f"{type(error).__name__}: "
        return json.dumps({"fault": f"{kind}{error}"})


def _judge(level: str) -> JudgeProcess:
    kept = getattr(_MINE, "judge", None)
    if kept is None or _MINE.level != level:
        _drop()
        _MINE.judge, _MINE.level = JudgeProcess(level), level
    return _MINE.judge


def _drop() -> None:
    if getattr(_MINE, "judge", None) is not None:
        _MINE.judge.close()
        _MINE.judge = None
