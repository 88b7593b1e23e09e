"""Preloaded by a worker of a Dask cluster in tests in which the judge is not the question: a stand-in, quick and the same everywhere.

It passes what has the right line in it, after a moment in which the worker can be killed.
"""

import time

from grader.judging import remote, schedule
from grader.judging.results import Row, plain_row
from grader.sandbox.host import isolation

RIGHT = "return (1 - beta).sqrt() * x + beta.sqrt() * noise"
LEVEL = isolation.Machine(("bwrap", "landlock"), {})
MOMENT = 0.2


class StandIn:
    """A judge."""

    def __init__(self, level: str) -> None:
        if level != LEVEL.level:
            raise ValueError(f"asked to judge at {level}")

    def grade(self, request: dict) -> list[Row]:
        time.sleep(MOMENT)
        verdict = "pass" if RIGHT in request["text"] else "fail"
        rows = [plain_row(request["stem"], name, verdict, f"{verdict} {request['seed']}") for name in request["only"]]
        return [{**row, "score": row["points"] * (verdict == "pass")} for row in rows]

    def close(self) -> None:
        pass


def dask_setup(worker: object) -> None:
    """What Dask calls when it preloads this."""
    remote.JudgeProcess = StandIn  # type: ignore[misc, assignment]
    schedule.JudgeProcess = StandIn  # type: ignore[misc, assignment]
    isolation.machine = lambda: LEVEL  # type: ignore[assignment]
