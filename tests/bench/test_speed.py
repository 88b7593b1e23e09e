"""How fast the grader is: `make bench`. No test fails by its time."""

import pytest
import torch

from grader.course import ROOT, section
from grader.judging.judge import Judge, Request
from grader.sandbox.host import isolation
from grader.sandbox.host.limits import Clock
from grader.sandbox.host.sandbox import Sandbox
from tests.classroom import open_classroom

STEM = "s1_forward_reverse"
REFERENCE = (ROOT / "solutions" / f"{STEM}.py").read_text()


@pytest.fixture
def session():
    """The reference in a jail, ready to be called."""
    torch.set_num_threads(1)
    jail = Sandbox(isolation.choose())
    guest = jail.admit(STEM, f"{STEM}.py", REFERENCE, 1, Clock(60))
    with guest.session(Clock(3600)) as session:
        yield session
    guest.close()
    jail.close()


def test_one_call_over_the_border(benchmark, session):
    x0 = torch.randn(64, 1, 28, 28)
    t, alpha_bar = torch.arange(64), torch.linspace(0.99, 0.01, 64)
    noise = torch.randn_like(x0)
    benchmark(session.q_sample, x0, t, noise, alpha_bar)


def test_one_small_call_over_the_border(benchmark, session):
    x0, t, alpha_bar = torch.randn(3, 2), torch.arange(3), torch.linspace(0.99, 0.01, 3)
    benchmark(session.q_sample, x0, t, x0, alpha_bar)


@pytest.fixture
def judge():
    judge = Judge(isolation.choose())
    judge.grade(Request(STEM, f"{STEM}.py", REFERENCE, 1, ("forward_step",)))  # collects the checks, once
    yield judge
    judge.close()


def test_one_grading_of_the_reference(benchmark, judge):
    request = Request(STEM, f"{STEM}.py", REFERENCE, 1, tuple(section(STEM).exercises))
    rows = benchmark.pedantic(judge.grade, (request,), rounds=5)
    assert {row["verdict"] for row in rows} == {"pass"}


def test_pytest_on_the_solved_desk(benchmark, tmp_path):
    classroom = open_classroom(tmp_path)
    classroom.hand_in()
    done = benchmark.pedantic(classroom.pytest, ("exercises", "-k", "s1_forward_reverse"), rounds=3)
    assert done.returncode == 0
