"""A first submission of our own (`grader.sandbox.guest.selftest`): a jail in which honest code does not run judges nobody."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from grader import faults
from grader.sandbox.guest import selftest
from grader.sandbox.host.limits import Clock
from grader.sandbox.host.sandbox import Sandbox

SECONDS = 60


class Unproven(Exception):
    """What came back from the sandbox is not what comes out here. No `assert`: with -O that would prove anything."""


def proven_sandbox(level: str) -> Sandbox:
    """A new jail in which honest code runs.

    Raises:
        faults.GraderFault: it does not start, or honest code does not run in it as it does here.
    """
    jail = Sandbox(level)
    try:
        try_out(jail)
    except faults.GraderFault:
        jail.close()
        raise
    return jail


def try_out(jail: Sandbox) -> None:
    """Run forward, backward and a training there, and compare with the same here.

    Raises:
        faults.GraderFault: it does not run, or gives other numbers; the message says what came.
    """
    clock = Clock(SECONDS)
    try:
        guest = jail.admit("trial", "trial.py", Path(selftest.__file__).read_text(), 1, clock)
        with contextlib.closing(guest), guest.session(clock) as session:
            if guest.imported.trouble:
                raise guest.imported.trouble[0].fault
            x = torch.linspace(-1, 1, 2 * 4 * 4 * 4).view(2, 4, 4, 4)
            there, here = (_gradient(network, x) for network in (session.network, selftest.network))
            if not torch.allclose(there, here, rtol=1e-4, atol=1e-6):
                raise Unproven("gradients with other numbers")
            first, second = session.train(x, 2)
            if not second < first:
                raise Unproven(f"a training whose loss goes from {first} to {second}")
    except (faults.CheckFault, faults.LostGuest, Unproven) as error:
        raise faults.GraderFault(
            f"the jail ({jail.level}) starts, but torch does not work in it as it does outside: {error}"
        ) from error


def _gradient(network: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network(x).square().sum(), x)
    return gradient
