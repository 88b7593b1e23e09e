"""Comparisons as those of `exercises.checks.expect`, that keep all that came back: so a mistake is told from its neighbours."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from exercises.checks import expect
from exercises.checks.describe import describe
from exercises.checks.expect import LAST_CALL, Mismatch


def close(got: Any, want: Tensor, why: str, **tolerances: float) -> None:
    """As `expect.close`; the evidence is the tensor itself, where its shape or dtype is wrong too."""
    try:
        expect.close(got, want, why, **tolerances)
    except Mismatch as error:
        raise _with(error, got.detach() if isinstance(got, Tensor) else error.got) from None


def in_its_dtype(got: Any, want: Tensor, why: str, where: str = "", **tolerances: float) -> None:
    """As `expect.close`, for a check of dtypes; wrong numbers are said to be wrong, as float32 rounds them in many ways."""
    try:
        expect.close(got, want, why, **tolerances)
    except Mismatch as error:
        told = "wrong numbers" if isinstance(error.got, Tensor) else error.got
        raise _with(error, [told, where]) from None


def gradients(result: Any, pull: Tensor, why: str, **inputs: tuple[Tensor, Tensor]) -> None:
    """As `expect.gradients`; the evidence is the gradients in all of the inputs."""
    found = []
    if isinstance(result, Tensor) and result.requires_grad and result.shape == pull.shape:
        given = [value for value, _ in inputs.values()]
        grads = torch.autograd.grad(result, given, pull, allow_unused=True, retain_graph=True)
        found = [torch.zeros_like(value) if grad is None else grad for value, grad in zip(given, grads, strict=True)]
    try:
        expect.gradients(result, pull, why, **inputs)
    except Mismatch as error:
        raise _with(error, found or error.got) from None


def _with(error: Mismatch, got: Any) -> Mismatch:
    facts = dict(error.facts)
    return Mismatch(error.why, got, facts["came back"], facts["expected"])


OTHER = (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError)
"""What code raises that meets what it did not look for."""


def refused(why: str, **calls: Callable[[], Any]) -> None:
    """Each call raises ValueError; the evidence is what became of all that did not, by name."""
    found, first = {}, None
    for name, call in calls.items():
        try:
            came_back = describe(call())
        except (NotImplementedError, ValueError) as error:
            if isinstance(error, NotImplementedError):
                raise
            continue
        except OTHER as error:
            came_back = next(kind.__name__ for kind in OTHER if isinstance(error, kind))
        found[name.replace("_", " ")] = came_back
        first = first or (list(LAST_CALL), came_back)
    if first is not None:
        LAST_CALL[:], came_back = first
        raise Mismatch(why, found, came_back, "ValueError raised")
