"""A cohort on a Dask cluster: a real scheduler and real workers, which are killed while they work. Rows are those of one machine."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from grader.cli import main
from grader.course import ROOT, section
from grader.faults import GraderFault
from grader.judging import cluster as cluster_module
from tests import generous_worker

if find_spec("distributed") is None:  # to import it takes a second, of each process that collects
    pytest.skip("the extra dask is not installed", allow_module_level=True)

STEM = "s1_forward_reverse"
REFERENCE = section(STEM).solution.read_text(encoding="utf-8")
RIGHT = "return (1 - beta).sqrt() * x + beta.sqrt() * noise"
WRONG = "return (1 - beta) * x + beta * noise"
ONLY = ["--only", "forward_step", "--seed", "1"]


class Dask:
    """A scheduler and workers, each a process of its own, on this machine."""

    def __init__(self, folder: Path, *preloaded: str) -> None:
        self._folder, self._preloaded = folder, preloaded
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.workers: list[subprocess.Popen] = []
        self.scheduler = self._start_scheduler()

    def _run(self, *arguments: str) -> subprocess.Popen:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}
        with (self._folder / "dask.log").open("ab") as log:
            return subprocess.Popen([sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:]],
                                    cwd=self._folder, env=environment, stdout=log, stderr=log, start_new_session=True)  # fmt: skip

    def _start_scheduler(self) -> subprocess.Popen:
        started = self._run(
            "dask_scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard", "--no-jupyter"
        )
        while started.poll() is None:
            with socket.socket() as trial:
                if trial.connect_ex(("127.0.0.1", self.port)) == 0:
                    return started
            time.sleep(0.1)
        raise AssertionError((self._folder / "dask.log").read_text())

    def add_worker(self) -> subprocess.Popen:
        worker = self._run("dask_worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--death-timeout", "120",
                           "--local-directory", str(self._folder), *self._preloaded)  # fmt: skip
        self.workers.append(worker)
        return worker

    def restart_scheduler(self) -> None:
        self.scheduler.kill()
        self.scheduler.wait()
        self.scheduler = self._start_scheduler()

    def wait_for(self, count: int) -> None:
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=300)

    def close(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[Dask]:
    """A cluster whose workers have real judges."""
    found = Dask(tmp_path)
    yield found
    found.close()


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dask]:
    """A cluster whose workers have stand-ins for judges, as this process has."""
    for name in ("grader.judging.schedule.JudgeProcess", "grader.judging.remote.JudgeProcess"):
        monkeypatch.setattr(name, generous_worker.StandIn)
    monkeypatch.setattr("grader.sandbox.host.isolation.machine", lambda: generous_worker.LEVEL)
    found = Dask(tmp_path, "--preload", generous_worker.__file__)
    yield found
    found.close()


def hand_in(count: int) -> list[str]:
    """Small submissions, each with an answer of its own, every third wrong."""
    names = []
    for number in range(count):
        name = f"learner{number:03}"
        text = REFERENCE.replace(RIGHT, WRONG if number % 3 == 0 else RIGHT)
        Path(name).mkdir()
        Path(name, f"{STEM}.py").write_text(f"{text}\n# {number}\n", encoding="utf-8")
        names.append(name)
    return names


def without_times(path: str) -> str:
    """The results' text, byte for byte, each time put to 0."""

    def untimed(found: Any) -> Any:
        if isinstance(found, dict):
            return {key: 0 if key == "seconds" else untimed(value) for key, value in found.items()}
        return [untimed(one) for one in found] if isinstance(found, list) else found

    return json.dumps(untimed(json.loads(Path(path).read_text(encoding="utf-8"))))


def meanwhile(do: Callable[[], None], units: int) -> threading.Thread:
    """Does something when so many units are in the store."""

    def watch() -> None:
        store = Path(".unstatic/results.jsonl").absolute()
        while not (store.exists() and store.read_bytes().count(b"\n") >= units):
            time.sleep(0.05)
        do()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def graded(count: int, kill: int, dask: Dask) -> None:
    """Grade so many on three workers, some of which are killed in the middle, and compare with this machine alone."""
    names = hand_in(count)
    for _ in range(3):
        dask.add_worker()
    dask.wait_for(3)

    def end() -> None:
        for worker in dask.workers[:kill]:
            worker.send_signal(signal.SIGKILL)

    thread = meanwhile(end, count // 5)
    assert main(["grade", *names, *ONLY, "--scheduler", dask.address, "--json", "many.json"]) == 0
    thread.join(60)
    assert [worker.wait(60) for worker in dask.workers[:kill]] == [-signal.SIGKILL] * kill
    assert [worker.poll() for worker in dask.workers[kill:]] == [None] * (3 - kill)
    os.rename(".unstatic", "of-the-cluster")
    assert main(["grade", *names, *ONLY, "--json", "one.json", "--jobs", "2"]) == 0
    assert without_times("many.json") == without_times("one.json")
    found = json.loads(Path("many.json").read_text(encoding="utf-8"))
    assert {row["verdict"] for one in found["submissions"] for row in one["exercises"]} == {"pass", "fail"}


def test_units_on_three_workers_of_which_two_are_killed_come_out_as_on_one_machine(quick, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    graded(40, 2, quick)


@pytest.mark.slow
def test_fifty_on_three_workers_of_which_two_are_killed_come_out_as_on_one_machine(dask, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    graded(50, 2, dask)


def test_a_scheduler_that_is_lost_and_comes_back_is_asked_again(quick, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = hand_in(8)
    quick.add_worker()
    quick.wait_for(1)

    def lose() -> None:
        quick.restart_scheduler()
        quick.add_worker()  # one without a nanny ends with its scheduler

    thread = meanwhile(lose, 2)
    assert main(["grade", *names, *ONLY, "--scheduler", quick.address, "--json", "many.json"]) == 0
    thread.join(60)
    found = json.loads(Path("many.json").read_text(encoding="utf-8"))
    assert [one["score"] for one in found["submissions"]] == [float(number % 3 != 0) for number in range(8)]


def test_a_scheduler_that_stays_away_ends_the_run_and_the_same_command_goes_on(quick, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cluster_module, "LOST_SECONDS", 1.0)
    names = hand_in(4)
    quick.add_worker()
    quick.wait_for(1)
    thread = meanwhile(quick.scheduler.kill, 1)
    command = ["grade", *names, *ONLY, "--json", "many.json"]
    assert main([*command, "--scheduler", quick.address]) == 1
    thread.join(60)
    assert "what is done is kept, and the same command goes on from there" in capsys.readouterr().err
    assert not Path("many.json").exists()
    kept = Path(".unstatic/results.jsonl").read_bytes().count(b"\n")
    assert kept >= 1
    assert main([*command, "--jobs", "1"]) == 0
    assert Path(".unstatic/results.jsonl").read_bytes().count(b"\n") == 4


def test_where_there_is_no_scheduler_it_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cluster_module, "CONNECT_SECONDS", 1.0)
    hand_in(1)
    assert main(["grade", "learner000", "--scheduler", "tcp://127.0.0.1:9"]) == 1
    assert "there is no Dask scheduler at tcp://127.0.0.1:9" in capsys.readouterr().err


def test_workers_of_another_version_or_of_less_isolation_judge_nobody(quick, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    hand_in(1)
    quick.add_worker()
    quick.wait_for(1)
    command = ["grade", "learner000", *ONLY, "--scheduler", quick.address]
    assert main([*command, "--isolation", "bwrap+seccomp"]) == 2
    assert "has no seccomp" in capsys.readouterr().err
    monkeypatch.setattr(cluster_module, "course_version", lambda: "f" * 64)
    assert main(command) == 1
    assert "has another version of the course" in capsys.readouterr().err
    assert not Path(".unstatic/results.jsonl").exists()


def test_checks_of_the_instructor_s_own_are_not_judged_where_they_are_not(quick, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    hand_in(1)
    Path("checks", STEM).mkdir(parents=True)
    Path("checks", STEM, "test_q_sample.py").write_text("def test_q_sample_is(code):\n    pass\n", encoding="utf-8")
    Path("course.toml").write_text('checks = "checks"\n', encoding="utf-8")
    quick.add_worker()
    quick.wait_for(1)
    assert main(["grade", "learner000", *ONLY, "--scheduler", quick.address, "--course", "course.toml"]) == 2
    assert "checks of your own lie on this machine" in capsys.readouterr().err


class Answers:
    """A future of Dask's that ends, or does not, as it is told."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error

    def result(self, timeout: float) -> str:
        raise TimeoutError if self.error is None else self.error

    def done(self) -> bool:
        return self.error is not None

    def exception(self) -> Exception | None:
        return self.error

    def cancel(self) -> None:
        pass


@pytest.mark.parametrize("error", [TimeoutError("it took too long"), OSError("stale file handle"), KeyError("x")])
def test_what_a_worker_raised_is_a_fault_of_ours_and_no_lost_connection(error):
    waiting = object.__new__(cluster_module.Cluster)
    waiting._executor, waiting._closed = None, False
    with pytest.raises(GraderFault, match=type(error).__name__):
        waiting._awaited(Answers(error), None)


def test_a_scheduler_that_is_lost_again_is_waited_for_as_long_as_the_first_time(monkeypatch):
    now = iter(range(0, 10_000, 200))
    clock = SimpleNamespace(monotonic=lambda: next(now), sleep=lambda seconds: None)
    monkeypatch.setattr(cluster_module, "time", clock)  # each look takes 200 s, of the 300 that a scheduler may be away
    waiting = object.__new__(cluster_module.Cluster)
    waiting._lock, waiting._closed, waiting._address = threading.Lock(), False, "tcp://there"
    waiting._client, waiting._executor = SimpleNamespace(close=lambda: None), object()
    away = cluster_module.ClusterError("there is no Dask scheduler")
    connections = iter([away, (waiting._client, object())] * 3)

    def connected(seconds: float) -> tuple[Any, Any]:
        if isinstance(found := next(connections), Exception):
            raise found
        return found

    monkeypatch.setattr(waiting, "_connected", connected)
    monkeypatch.setattr(waiting, "_awaited", lambda future, executor: future)
    asked = iter([ConnectionError("lost")] * 3 + ["answered"])

    def submitted(executor: Any, request: str) -> Any:
        if isinstance(found := next(asked), Exception):
            raise found
        return found

    monkeypatch.setattr(waiting, "_submitted", submitted)
    assert waiting._asked("") == "answered"


def test_who_asks_a_client_that_is_closed_meanwhile_does_not_wait_for_ever(monkeypatch):
    from distributed.utils import SyncMethodMixin
    from tornado.ioloop import IOLoop

    class Closed(SyncMethodMixin):
        """A client whose loop runs no more: what it is asked, nobody answers."""

        def __init__(self) -> None:
            self.loop = IOLoop(make_current=False)
            self.scheduler = SimpleNamespace(identity=None)

        def scheduler_info(self, n_workers: int) -> Any:
            return self.sync(self.scheduler.identity, n_workers=n_workers)

    monkeypatch.setattr(cluster_module, "CONNECT_SECONDS", 0.1)
    waiting = object.__new__(cluster_module.Cluster)
    waiting._client = Closed()
    told: list[Exception] = []

    def look() -> None:
        try:
            waiting._without_workers(None)
        except ConnectionError as error:
            told.append(error)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(3)
    assert len(told) == 1


def test_who_waits_for_a_connection_that_another_has_renewed_asks_again():
    waiting = object.__new__(cluster_module.Cluster)
    waiting._executor, waiting._closed = "new", False
    with pytest.raises(CancelledError):
        waiting._awaited(Answers(None), "old")
