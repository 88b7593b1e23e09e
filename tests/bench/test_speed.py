"""How fast the grader is: `make bench`. No test fails by its time."""

import multiprocessing
from collections.abc import Iterator
from multiprocessing.connection import Connection as Pipe

import pytest
import torch
from torch import Tensor

from grader.course import ROOT, section
from grader.judging.judge import Judge, Request, prepare, settle
from grader.sandbox.host import isolation
from grader.sandbox.host.limits import Clock
from grader.sandbox.host.sandbox import Sandbox
from tests.classroom import open_classroom

STEM = "s1_forward_reverse"
REFERENCE = (ROOT / "solutions" / f"{STEM}.py").read_text()


@pytest.fixture
def session():
    """The reference in a jail, ready to be called."""
    settle()
    jail = Sandbox(isolation.choose())
    guest = jail.admit(STEM, f"{STEM}.py", REFERENCE, 1, Clock(60))
    with guest.session(Clock(3600)) as session:
        yield session
    guest.close()
    jail.close()


def arguments(*shape: int) -> tuple[Tensor, ...]:
    """What `q_sample` is called with: x0, t, noise, alpha_bar."""
    return (
        torch.randn(shape),
        torch.arange(shape[0]),
        torch.randn(shape),
        torch.linspace(0.99, 0.01, shape[0]),
    )


def _echo(pipe: Pipe) -> None:
    while (message := pipe.recv()) is not None:
        pipe.send(message)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """A pipe to a process that sends back what it gets."""
    ours, theirs = multiprocessing.get_context("fork").Pipe()
    process = multiprocessing.get_context("fork").Process(target=_echo, args=(theirs,), daemon=True)
    process.start()
    yield ours
    ours.send(None)
    process.join()


def echo(pipe: Pipe, *tensors: Tensor) -> list[Tensor]:
    """The tensors as bytes to another process and back, with nothing asked of it and everything believed."""
    pipe.send([(tensor.dtype, tensor.shape, tensor.numpy().tobytes()) for tensor in tensors])
    return [torch.frombuffer(bytearray(body), dtype=dtype).view(shape) for dtype, shape, body in pipe.recv()]


@pytest.mark.benchmark(group="a call with two (64, 1, 28, 28) tensors")
def test_one_call_over_the_border(benchmark, session):
    benchmark(session.q_sample, *arguments(64, 1, 28, 28))


@pytest.mark.benchmark(group="a call with two (64, 1, 28, 28) tensors")
def test_the_same_tensors_through_a_pipe_and_back(benchmark, pipe):
    benchmark(echo, pipe, *arguments(64, 1, 28, 28))


@pytest.mark.benchmark(group="a call with two (3, 2) tensors")
def test_one_small_call_over_the_border(benchmark, session):
    benchmark(session.q_sample, *arguments(3, 2))


@pytest.mark.benchmark(group="a call with two (3, 2) tensors")
def test_the_same_small_tensors_through_a_pipe_and_back(benchmark, pipe):
    benchmark(echo, pipe, *arguments(3, 2))


@pytest.fixture
def judge():
    judge = Judge(isolation.choose())
    settle()
    prepare(STEM)
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
