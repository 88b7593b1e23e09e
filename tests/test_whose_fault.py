"""What fails in a jail before anything of a submission runs is ours and is charged to nobody; what a submission brings about is its own."""

import contextlib
from collections.abc import Iterator

import pytest

from grader import faults
from grader.judging.judge import Judge, Request
from grader.judging.results import Row
from grader.sandbox.host import isolation, sandbox
from grader.sandbox.host.sandbox import Sandbox
from grader.sandbox.host.selftest import try_out

WITHOUT_BWRAP = "+".join(layer for layer in isolation.machine().layers if layer not in ("bwrap", "cgroup")) or "none"
LEVELS = sorted({isolation.choose(), WITHOUT_BWRAP})
ANSWERS = "def forward_step(x, beta, noise):\n    return (1 - beta) ** 0.5 * x + beta**0.5 * noise\n"
SCARCE = """
import os, errno
_fork = os.fork
def _scarce():
    import sys
    callers = []
    frame = sys._getframe(1)
    while frame is not None:
        callers.append(frame.f_code.co_qualname)
        frame = frame.f_back
    if {when}:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return _fork()
os.fork = _scarce
"""
"""Put before the fork server: a machine on which some forks fail, by who asks for them."""
FORKS = {
    "the supervisor": "callers[0] == 'main'",
    "namespaces": "callers[0] == '_enter_namespaces'",
    "the zygote": "callers[0] == 'Supervisor._fork'",
    "a check": "callers[0] in ('Zygote._check', '_can_fork')",
}


@pytest.fixture
def before_the_fork_server(monkeypatch: pytest.MonkeyPatch):
    """Has code run in jails before the fork server does."""
    command = sandbox.command

    def given(code: str) -> None:
        def words(*args, **kwargs):
            *first, program, order = command(*args, **kwargs)
            paths, called = program.split("; from ", 1)
            return [*first, f"{paths}\n{code}\nfrom {called}", order]

        monkeypatch.setattr(sandbox, "command", words)

    return given


@contextlib.contextmanager
def judging(level: str) -> Iterator[Judge]:
    """A judge whose first jail works, as it must to begin with."""
    with contextlib.closing(Judge(level)) as judge:
        yield judge


def grade(judge: Judge, text: str, *names: str) -> list[Row]:
    return judge.grade(Request("s1_forward_reverse", "x.py", text, 1, names or ("forward_step",)))


def told(judge: Judge, text: str) -> tuple[str, str]:
    """The verdict and the message; a judge that cannot grade at all says so in its own way."""
    try:
        (row,) = grade(judge, text)
    except faults.LostGuest:
        raise
    except faults.GraderFault as fault:
        return fault.verdict, str(fault)
    return row["verdict"], row["message"]


@pytest.mark.parametrize(
    ("level", "who"), [(level, who) for who in FORKS for level in LEVELS if who != "namespaces" or "bwrap" in level]
)
def test_a_fork_that_fails_from_the_start_is_ours_and_says_what_is_scarce(level, who, before_the_fork_server):
    """3 s each."""
    before_the_fork_server(SCARCE.format(when=FORKS[who]))
    with contextlib.closing(Sandbox(level)) as jail, pytest.raises(faults.GraderFault) as raised:
        try_out(jail)
    assert "Resource temporarily unavailable" in str(raised.value)
    assert who == "namespaces" or "RLIMIT_NPROC" in str(raised.value)


@pytest.mark.parametrize("level", LEVELS)
def test_walls_that_cannot_be_put_up_are_ours(level, before_the_fork_server):
    before_the_fork_server(
        "import grader.sandbox.guest.walls as walls\n"
        "def refuse(*_): raise OSError('no such wall')\n"
        "walls.confine.give_up_privileges = walls.Walls.raise_last = refuse"
    )
    with contextlib.closing(Sandbox(level)) as jail, pytest.raises(faults.GraderFault, match="no such wall"):
        try_out(jail)


@pytest.mark.parametrize("level", LEVELS)
def test_what_is_put_up_last_fails_before_anything_of_the_submission_runs(level, before_the_fork_server):
    before_the_fork_server(
        "import grader.sandbox.guest.walls as walls\n"
        "def refuse(*_): raise OSError('no such wall')\n"
        "walls.Walls.raise_last = refuse"
    )
    with contextlib.closing(Sandbox(level)) as jail, pytest.raises(faults.GraderFault, match="no such wall"):
        try_out(jail)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("who", ["the zygote", "a check"])
def test_where_it_fails_while_somebody_is_graded_nobody_is_charged(level, who, before_the_fork_server):
    """8 s each: the jail is made anew once."""
    with judging(level) as judge:
        before_the_fork_server(SCARCE.format(when=FORKS[who]))
        judge.fresh_sandbox()
        verdict, message = told(judge, ANSWERS)
    assert verdict == "grader-error"
    assert "RLIMIT_NPROC" in message


@pytest.mark.parametrize("level", LEVELS)
def test_where_it_fails_once_the_next_jail_has_the_verdict(level, before_the_fork_server, monkeypatch):
    with judging(level) as judge:
        with monkeypatch.context():
            before_the_fork_server(SCARCE.format(when=FORKS["a check"]))
            judge.fresh_sandbox()
            monkeypatch.undo()
        (row,) = grade(judge, ANSWERS)
    assert (row["verdict"], row["score"]) == ("pass", row["points"])


ITS_OWN = {
    "forks that it says fail": "import os\ndef fork(): raise OSError(11, 'no room')\nos.fork = fork\n",
    "a limit that it sets itself": "import os, resource\nresource.setrlimit(resource.RLIMIT_NPROC, (0, 0))\n"
    "def fork(): raise OSError(11, 'no room')\nos.fork = fork\n",  # root has no such limit
    "processes that it leaves": "import os, time\nfor _ in range(280):\n    try:\n        if os.fork() == 0:\n"
    "            time.sleep(600)\n            os._exit(0)\n    except OSError:\n        break\n",
    "threads that it leaves": "import threading, time\ntry:\n    for _ in range(280):\n"
    "        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\nexcept RuntimeError: pass\n",
    "a claim that the jail is broken": "import sys\nzygote = sys.modules['grader.sandbox.guest.zygote']\n"
    "zygote.Zygote._check = lambda self, *_: zygote.send_order(self.orders, {'op': 'broken', 'ours': True})\n",
    "a claim that there is no room": "import sys\nzygote = sys.modules['grader.sandbox.guest.zygote']\n"
    "zygote.Zygote._check = lambda self, *_: zygote.send_order(self.orders, {'op': 'unforked', 'ours': True})\n",
}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("how", ITS_OWN)
def test_a_submission_that_has_forks_fail_is_charged_for_it(level, how):
    """Else what fails would be left out of what its points are counted of. Up to 15 s each: a jail is made anew once."""
    wrong = "def q_sample(x0, t, noise, alpha_bar):\n    return x0\n"
    with judging(level) as judge:
        for text, score in ((wrong, 0), (wrong + ITS_OWN[how], 0)):
            (row,) = grade(judge, text, "q_sample")
            assert row["verdict"] in ("fail", "crash", "tamper", "timeout"), row["message"]
            assert row["score"] == score
