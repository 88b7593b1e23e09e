"""A first submission of our own (`grader.inside.trial`): a jail in which honest code does not run judges nobody."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from grader import faults
from grader.inside import trial
from grader.jail.keeper import Jail
from grader.jail.limits import Clock

SECONDS = 60


def proven_jail(level: str) -> Jail:
    """A new jail in which honest code runs.

    Raises:
        faults.GraderFault: it does not start, or honest code does not run in it as it does here.
    """
    jail = Jail(level)
    try:
        try_out(jail)
    except faults.GraderFault:
        jail.close()
        raise
    return jail


def try_out(jail: Jail) -> None:
    """Run forward, backward and a training there, and compare with the same here.

    Raises:
        faults.GraderFault: it does not run, or gives other numbers; the message says what came.
    """
    clock = Clock(SECONDS)
    try:
        cell = jail.admit("trial", "trial.py", Path(trial.__file__).read_text(), 1, clock)
        with contextlib.closing(cell), cell.visit(clock) as visit:
            if cell.stopped is not None:
                raise cell.stopped
            x = torch.linspace(-1, 1, 2 * 4 * 4 * 4).view(2, 4, 4, 4)
            there, here = (_gradient(network, x) for network in (visit.network, trial.network))
            assert torch.allclose(there, here, rtol=1e-4, atol=1e-6), "gradients with other numbers"
            first, second = visit.train(x, 2)
            assert second < first, f"a training whose loss goes from {first} to {second}"
    except (faults.CheckFault, faults.LostCell, AssertionError) as error:
        raise faults.GraderFault(
            f"the jail ({jail.level}) starts, but torch does not work in it as it does outside: {error}"
        ) from error


def _gradient(network: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network(x).square().sum(), x)
    return gradient
