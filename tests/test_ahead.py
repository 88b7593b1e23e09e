"""What is worked out ahead is what would be worked out here, whoever does it. Costs a second."""

import os
import sys

import pytest
import torch

from grader.checks.run import Evidence
from tests import ahead as place
from tests.ahead import Ahead, ahead


def whose(number: int) -> tuple[int, int]:
    return number, os.getpid()


def evidence(number: int) -> Evidence:
    if number < 0:
        raise ValueError(f"{number} is no number")
    tensors = torch.tensor(1.0), torch.zeros(0, 3), torch.ones(2, 1).expand(2, 3), torch.ones(2, dtype=torch.bfloat16)
    return Evidence((number, *tensors, torch.tensor([1j]).conj(), torch.ones(1, requires_grad=True)), near=(1e-6, 0.0))


@pytest.fixture
def two_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "other_cores", lambda: 2 if sys.platform == "linux" else 0)


@pytest.mark.usefixtures("two_more")
def test_each_task_is_done_once_and_its_result_is_its_own():
    tasks = [(number,) for number in range(40)]
    with ahead(whose, tasks) as asked:
        found = [asked(*task) for task in tasks]
    assert [number for number, _ in found] == list(range(40))
    assert sys.platform != "linux" or {process for _, process in found} - {os.getpid()}


@pytest.mark.usefixtures("two_more")
def test_evidence_comes_back_as_it_is():
    with ahead(evidence, [(number,) for number in range(8)]) as asked:
        found = asked(7)
    for mine, theirs in zip(evidence(7).got, found.got, strict=True):
        assert type(mine) is type(theirs)
        assert torch.equal(torch.as_tensor(mine), torch.as_tensor(theirs))
    assert found.near == (1e-6, 0.0)


@pytest.mark.usefixtures("two_more")
def test_what_goes_wrong_ahead_goes_wrong_where_it_is_asked_for():
    with ahead(evidence, [(-1,), (-2,), (-3,)]) as asked, pytest.raises(ValueError, match="-3 is no number"):
        asked(-3)


def test_where_there_is_one_core_it_is_worked_out_here():
    asked = Ahead(whose, 0)
    asked.begin([(1,)])
    assert asked(1) == (1, os.getpid())
