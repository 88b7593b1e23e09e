"""Judges on many machines: units go to the workers of a Dask cluster that is there, by its `concurrent.futures` executor.

The store, and who is at what, stay here: a worker that is lost loses what it was at, which another one takes; a scheduler that is lost
is waited for, and asked again for what it had not answered. If it does not come back, the run ends, and the same command goes on.
"""

import json
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from typing import Any

from grader.faults import GraderFault
from grader.judging import remote
from grader.judging.results import Row, plain_row
from grader.judging.schedule import ATTEMPTS, REMEDY, Unit
from grader.judging.store import course_version
from grader.sandbox.host import isolation

LOG = logging.getLogger(__name__)

CONNECT_SECONDS = 30.0
LOST_SECONDS = 300.0
"""So long a lost scheduler, or a cluster without workers, is waited for."""
LOOK = 2.0
"""Seconds between two looks at whether there still are workers."""
AHEAD = 2
"""Units that are handed over for each thread of a worker, so that none waits for us."""


class ClusterError(OSError):
    """The cluster cannot judge; the message says why, and what to do."""


class Cluster:
    """The judges of a Dask cluster, in the place of `schedule.Judges`.

    Attributes:
        level: the isolation of the whole run: what every worker gives.
        jobs: how many units to hand over at a time.
    """

    def __init__(self, address: str, least: str = "none") -> None:
        """Connect, and see that each worker has this version of the course and isolates enough.

        Raises:
            ClusterError: there is no scheduler, or a worker that will not do.
            isolation.Refused: a worker isolates less than `least`.
            ValueError: `least` is no level.
        """
        self._address = address
        self._lock = threading.Lock()
        self._closed = False
        self._client, self._executor = self._connected(CONNECT_SECONDS)
        try:
            self.level = self._proven(least)
            self.jobs = max(AHEAD * sum(one["nthreads"] for one in self._workers().values()), 1)
        except BaseException:
            self.close()
            raise

    def _proven(self, least: str) -> str:
        wanted = isolation.parse(least)
        try:
            workers: dict[str, remote.Worker] = self._client.run(remote.worker)
        except Exception as error:  # Dask's own, or what a worker without the course raises
            raise ClusterError(
                f"a worker of {self._address} cannot say what it is ({type(error).__name__}: {error}); install the course on all"
            ) from error
        if not workers:
            raise ClusterError(
                f"the scheduler at {self._address} has no worker; start some, as `dask worker {self._address}`"
            )
        if strange := [name for name, one in workers.items() if one.course != course_version()]:
            raise ClusterError(
                f"{strange[0]} has another version of the course, of Python or of a library than this machine, and could judge "
                "otherwise; install the same constraints.txt from the same commit on all of them"
            )
        layers = [
            layer for layer in isolation.LAYERS if all(layer in isolation.parse(one.level) for one in workers.values())
        ]
        level = "+".join(layers) if {"bwrap", "landlock"} & set(layers) else "none"
        if lacking := [layer for layer in wanted if layer not in isolation.parse(level)]:
            weak = next(name for name, one in workers.items() if lacking[0] not in isolation.parse(one.level))
            raise isolation.Refused(
                f"{weak} has no {lacking[0]}, and {least!r} is asked for; `unstatic doctor` there says why"
            )
        return level

    def _connected(self, seconds: float) -> tuple[Any, Executor]:
        try:
            from distributed import Client
        except ImportError as error:
            raise ClusterError("--scheduler needs Dask: pip install 'unstatic[dask]'") from error
        try:
            client = Client(self._address, timeout=seconds, set_as_default=False, name="unstatic")
        except (OSError, ValueError, TypeError, AssertionError) as error:
            raise ClusterError(f"there is no Dask scheduler at {self._address}: {error}") from error
        return client, client.get_executor(pure=False)

    def grade(self, unit: Unit, seed: int) -> list[Row]:
        """The rows of a unit; a fault of ours is tried again, and if it stays, it is the verdict.

        Raises:
            ClusterError: the cluster is gone.
        """
        request = json.dumps(unit.request(seed))
        fault = "it was not tried"
        for _ in range(ATTEMPTS):
            try:
                answer = json.loads(self._asked(request))
            except GraderFault as error:
                answer = {"fault": str(error)}
            if "rows" in answer:
                return answer["rows"]
            fault = answer["fault"]
            LOG.error("%s, %s: %s", unit.submission.name, unit.stem, fault)
        message = f"This is the grader's fault, not the submission's: {fault}\n{REMEDY}"
        return [plain_row(unit.stem, name, "grader-error", message) for name in unit.only]

    def _asked(self, request: str) -> str:
        """What a worker answers, whatever becomes of the workers and the scheduler meanwhile."""
        while True:
            executor = self._executor
            try:
                return self._awaited(self._submitted(executor, request), executor)
            except (CancelledError, OSError) as error:
                if isinstance(error, ClusterError) or self._closed:
                    raise
                self._connect_again(executor, error)

    def _submitted(self, executor: Executor, request: str) -> "Future[str]":
        try:
            return executor.submit(remote.judge, request, self.level, course_version())
        except Exception as error:  # Dask has several for a client whose connection is gone
            raise ConnectionError(f"{type(error).__name__}: {error}") from error

    def _awaited(self, future: "Future[str]", executor: Executor) -> str:
        alone: float | None = None
        while True:
            try:
                return future.result(timeout=LOOK)
            except CancelledError:
                raise
            except Exception as error:
                if future.done():
                    if (own := future.exception()) is None:
                        continue  # it came just now
                    # Dask's own, as of a unit whose workers died too often, or what a worker raised, whatever its kind
                    raise GraderFault(f"the cluster could not judge it: {type(own).__name__}: {own}") from own
                if not isinstance(error, TimeoutError):
                    raise
            if self._closed or self._executor is not executor:  # another thread has connected again
                future.cancel()
                raise CancelledError
            alone = self._without_workers(alone)

    def _without_workers(self, since: float | None) -> float | None:
        """Since when there is no worker; None if there is one."""
        if self._workers():
            return None
        since = since or time.monotonic()
        if time.monotonic() - since > LOST_SECONDS:
            raise ClusterError(
                f"the scheduler at {self._address} has had no worker for {LOST_SECONDS:g} s; what is done is kept, and the same command goes on"
            )
        return since

    def _workers(self) -> dict[str, Any]:
        """The workers that the scheduler has.

        Raises:
            ConnectionError: it does not say; of a client that another thread closes meanwhile, Dask itself would wait for ever.
        """
        client = self._client
        try:
            return client.sync(client.scheduler.identity, n_workers=-1, callback_timeout=CONNECT_SECONDS)["workers"]
        except Exception as error:  # Dask has several for a client that is closed
            raise ConnectionError(f"{type(error).__name__}: {error}") from error

    def _connect_again(self, executor: Executor, why: BaseException) -> None:
        """Connect again, once for all threads."""
        with self._lock:
            if self._closed or self._executor is not executor:
                return
            LOG.error("the scheduler at %s is lost: %s: %s", self._address, type(why).__name__, why)
            _quietly(self._client.close)
            since = time.monotonic()
            while True:
                try:
                    self._client, self._executor = self._connected(LOOK)
                    return
                except ClusterError as error:
                    if self._closed or time.monotonic() - since > LOST_SECONDS:
                        raise ClusterError(
                            f"{error}; what is done is kept, and the same command goes on from there"
                        ) from error
                    time.sleep(LOOK)

    def close(self) -> None:
        self._closed = True
        _quietly(self._client.close)


def _quietly(close: Callable[[], None]) -> None:
    """Close what may be gone already."""
    try:
        close()
    except (OSError, TimeoutError, RuntimeError) as error:
        LOG.info("while closing: %s: %s", type(error).__name__, error)
