"""The scheduler of units ends whenever it is interrupted, loses no unit where it is not, and outlives its judges."""

import contextlib
import errno
import gc
import os
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from grader.course import ROOT
from grader.faults import GraderFault
from grader.judging import cohort, process, schedule, store

INTERRUPTED = """
import random, signal, time
from grader.judging.schedule import run

class Quick:
    def grade(self, unit, seed):
        time.sleep(random.random() / 2000)
        return [unit]

    def close(self):
        pass

signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
random.seed(1)
whole = stopped = 0
began = time.monotonic()
list(run(range(40), 1, "", 3, judges=lambda level: Quick()))
once = time.monotonic() - began
for _ in range(600):
    done = []
    try:
        signal.setitimer(signal.ITIMER_REAL, 1e-4 + 2 * once * random.random())
        done += [unit for unit, _ in run(range(40), 1, "", 3, judges=lambda level: Quick())]
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        stopped += 1
    else:
        whole += sorted(done) == list(range(40))
print(whole, stopped)
"""


def test_a_scheduler_that_is_interrupted_at_any_moment_ends():
    """Six hundred times, which neither a wait for futures nor an interrupted submission survives: locks are left held."""
    said = subprocess.run([sys.executable, "-c", INTERRUPTED], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert said.returncode == 0, said.stderr
    whole, stopped = map(int, said.stdout.split())
    assert whole + stopped == 600
    assert min(whole, stopped) > 30


JUDGE = """
import json, os, socket, sys
sock = socket.socket(fileno=int(sys.argv[1]))
sock.sendall(b'{"ready": true}\\n')
for line in sock.makefile("rb"):
    what = json.loads(line)["what"]
    if what == "once" and not os.path.exists(died := sys.argv[2]):
        open(died, "w").close()
        sys.exit("no memory left")
    if what == "always":
        sys.exit("no memory left")
    sock.sendall(json.dumps({"rows": [what]}).encode() + b"\\n")
"""
"""What a judge is to those who ask it, without what it is for."""


class Asks:
    """A unit that has its judge die, once or always, or not."""

    stem, only = "s1_forward_reverse", ("q_sample",)

    def __init__(self, what: str) -> None:
        self.what = what
        self.submission = type("Submission", (), {"name": what})

    def request(self, seed: int) -> dict:
        return {"what": self.what}


def descriptors() -> set[str]:
    """What this process has open, each pipe and socket by its own name."""
    found = set()
    for descriptor in os.listdir("/dev/fd"):
        with contextlib.suppress(FileNotFoundError):  # that of the folder itself
            found.add(os.readlink(f"/dev/fd/{descriptor}"))
    return found


@pytest.fixture
def judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Has units judged by judges of a few milliseconds, and looks at what they leave behind."""
    started: list[subprocess.Popen] = []
    plain = subprocess.Popen

    def start(command, pass_fds, **options) -> subprocess.Popen:
        instead = [sys.executable, "-c", JUDGE, str(pass_fds[0]), str(tmp_path / "died")]
        started.append(plain(instead, pass_fds=pass_fds, **options))
        return started[-1]

    monkeypatch.setattr(process.subprocess, "Popen", start)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    gc.collect()
    before = descriptors()
    yield lambda *what, jobs=1: schedule.run([Asks(one) for one in what], 1, "none", jobs)
    gc.collect()
    assert started
    assert all(judge.poll() is not None for judge in started)
    assert {path.name for path in tmp_path.iterdir()} <= {"died"}
    assert not descriptors() - before


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_judge_that_dies_costs_no_unit_and_no_run(judged, jobs):
    assert sorted(rows[0] for _, rows in judged("a", "once", "b", "c", jobs=jobs)) == ["a", "b", "c", "once"]


def test_a_unit_that_no_judge_survives_is_a_fault_of_ours_and_the_others_are_graded(judged):
    rows = {unit.what: rows[0] for unit, rows in judged("a", "always", "b")}
    assert (rows["a"], rows["b"], rows["always"]["verdict"]) == ("a", "b", "grader-error")
    assert "ended with exit status 1; its last words: no memory left" in rows["always"]["message"]


@pytest.mark.parametrize("jobs", [1, 3])
def test_who_stops_a_run_gets_what_stopped_it(judged, jobs):
    """And not an error of what is closed twice."""
    run = judged("a", "once", "b", "c", "d", jobs=jobs)
    next(run)
    with pytest.raises(KeyboardInterrupt):
        run.throw(KeyboardInterrupt)


def test_a_run_that_nobody_asks_for_more_ends(judged):
    run = judged("a", "b", "c", jobs=2)
    next(run)
    run.close()


def test_a_unit_that_another_grader_is_at_is_asked_for_again_until_it_is_graded(monkeypatch):
    monkeypatch.setattr(schedule, "LOOK_AGAIN", 0.01)
    asked: list[str] = []

    def attempt(unit: str, grade) -> list[str] | None:
        asked.append(unit)
        return None if unit == "theirs" and asked.count(unit) < 3 else grade(unit)

    class Quick:
        def grade(self, unit: str, seed: int) -> list[str]:
            return [unit]

        def close(self) -> None: ...

    found = list(schedule.run(["a", "theirs", "b"], 1, "", 2, attempt, lambda level: Quick()))
    assert sorted(found) == [("a", ["a"]), ("b", ["b"]), ("theirs", ["theirs"])]
    assert asked.count("theirs") == 3


def test_what_grading_raises_ends_the_run_and_is_raised():
    class Full:
        def grade(self, unit: str, seed: int) -> list[str]:
            raise OSError("the disk is full")

        def close(self) -> None: ...

    with pytest.raises(OSError, match="the disk is full"):
        list(schedule.run(["a", "b", "c"], 1, "", 2, judges=lambda level: Full()))


def test_a_judge_that_ends_because_the_run_was_stopped_is_nobodys_fault(judged, caplog):
    judges = schedule.Judges("none")
    judges._judge()._process.kill()
    judges._closed = True
    with pytest.raises(schedule.CancelledError):
        judges.grade(Asks("a"), 1)
    assert caplog.text == ""
    judges.close()


def test_judges_that_are_closed_start_no_other(judged):
    judges = schedule.Judges("none")
    assert judges.grade(Asks("a"), 1) == ["a"]
    judges.close()
    with pytest.raises(schedule.CancelledError):
        judges.grade(Asks("b"), 1)
    judges.close()


def test_judges_that_are_closed_while_one_starts_keep_none(monkeypatch):
    judges, started, ended = schedule.Judges("none"), [], []

    class Starting:
        def __init__(self, level: str) -> None:
            started.append(self)
            judges.close()

        def close(self) -> None:
            ended.append(self)

        def grade(self, request: dict) -> list:
            raise GraderFault("it is closed")

    monkeypatch.setattr(schedule, "JudgeProcess", Starting)
    with ThreadPoolExecutor(1) as other:  # for which it is known before
        for ask in (judges.grade, lambda *unit: other.submit(judges.grade, *unit).result()):
            with pytest.raises(schedule.CancelledError):
                ask(Asks("a"), 1)
    assert len(started) == 1
    assert set(started) == set(ended)


def test_an_interruption_while_work_is_handed_out_comes_once_it_is(monkeypatch):
    submit, whole = schedule.ThreadPoolExecutor.submit, []

    def interrupted(*given):
        signal.raise_signal(signal.SIGINT)
        whole.append(submit(*given))

    class Quick:
        def grade(self, unit: str, seed: int) -> list[str]:
            return [unit]

        def close(self) -> None: ...

    monkeypatch.setattr(schedule.ThreadPoolExecutor, "submit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(schedule.run(["a"], 1, "", 1, judges=lambda level: Quick()))
    assert whole


def test_a_judge_for_which_there_is_no_thread_leaves_nothing_behind(judged, monkeypatch):
    def none(_) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(process.threading.Thread, "start", none)
        with pytest.raises(GraderFault, match="does not start: can't start new thread"):
            process.JudgeProcess("none")


def test_a_judge_for_which_there_is_no_process_is_a_fault_of_ours(monkeypatch):
    def none(*_, **__):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(process.subprocess, "Popen", none)
    with pytest.raises(GraderFault, match=r"does not start: .*temporarily unavailable"):
        process.JudgeProcess("none")
    ((_, rows),) = schedule.run([Asks("a")], 1, "none", 1)
    assert rows[0]["verdict"] == "grader-error"


def test_a_pool_that_gets_one_thread_grades_with_it_and_one_that_gets_none_says_so(judged, monkeypatch):
    start, started = threading.Thread.start, []

    def few(thread: threading.Thread) -> None:
        if thread.name.startswith("ThreadPool") and len(started) >= most:
            raise RuntimeError("can't start new thread")
        started.append(thread.name)
        start(thread)

    most = 1
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", few)
        assert sorted(rows[0] for _, rows in judged("a", "b", "c", jobs=3)) == ["a", "b", "c"]
        most = 0
        with pytest.raises(OSError, match="no thread to grade with"):
            list(judged("a", "b", jobs=2))


def test_two_graders_that_begin_at_once_take_one_seed(tmp_path):
    for number in range(30):
        with ThreadPoolExecutor(4) as pool:
            seeds = set(pool.map(cohort.stored_seed, [tmp_path / str(number)] * 4))
        assert len(seeds) == 1
        assert [path.name for path in (tmp_path / str(number)).iterdir()] == ["seed"]


def test_what_is_no_seed_is_replaced(tmp_path):
    (tmp_path / "seed").write_text("none")
    assert cohort.stored_seed(tmp_path) == int((tmp_path / "seed").read_text())


@pytest.mark.parametrize("error", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_where_nothing_can_be_locked_a_unit_is_graded_all_the_same(tmp_path, monkeypatch, error):
    def none(*_, **__) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(store, "lock", none)
    with store.Store(tmp_path / "results.jsonl").claim(store.Key("c", "s", 1, "v", "none")) as ours:
        assert ours


def test_a_judge_that_is_ended_by_a_signal_without_a_name_is_a_fault_of_ours(judged, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "JUDGE", "import os; os.kill(os.getpid(), 37)")
    with pytest.raises(GraderFault, match="ended by signal 37"):
        schedule.Judges("none")._judge()


@pytest.mark.parametrize(
    "program",
    [
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))\n"
        "from grader.intake.syntax import Compiler\nwith Compiler() as compiler: print(compiler.problem('x = 1'))",
        "resource.setrlimit(resource.RLIMIT_DATA, (3 << 30, 3 << 30))\n"
        "from grader.judging.process import JudgeProcess\nprint(JudgeProcess('none').close())",
    ],
    ids=["compiler", "judge"],
)
def test_where_less_memory_is_allowed_than_we_allow_ourselves_we_work_with_that(program):
    """A batch system sets such limits, and nobody but root raises them again."""
    done = subprocess.run(
        [sys.executable, "-c", f"import resource\n{program}"], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.stdout == "None\n", done.stderr


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be given to a process here")
def test_of_a_machine_that_is_shared_out_we_take_our_cores():
    program = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    program += "from grader.judging import schedule; print(schedule.cores())"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout == "1\n", done.stderr
