"""Results that are two tensors: both are compared before either is judged, and both are the evidence."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from exercises.checks import expect
from exercises.checks.describe import describe, differences
from exercises.checks.expect import TOLERANCES, Mismatch


def pair(got: Any, why: str, names: Sequence[str] = ()) -> tuple[Tensor, Tensor]:
    """`got` is a tuple (or list) of two tensors; returns them. What is said of one of them begins with its name."""
    if isinstance(got, Tensor):
        raise Mismatch(why, ["one tensor", got.detach()], f"one tensor, {describe(got)}", "a tuple of 2 tensors")
    first, second = expect.tensors(got, 2, why, names)
    return first, second


def close(
    got: Any,
    want: tuple[Tensor, Tensor],
    whys: tuple[str, str],
    *,
    names: Sequence[str] = (),
    rtol: float | None = None,
    atol: float | None = None,
) -> None:
    """`got` is a pair like `want`, each part to within its dtype's `TOLERANCES`, unless others are given."""
    parts = pair(got, whys[0], names)
    called = [name for _, name in expect.PARTS]
    for part, exact, why in zip(parts, want, whys, strict=True):
        expect.tensor(part, why, shape=exact.shape, dtype=exact.dtype, device=exact.device)
    parts = parts[0].detach(), parts[1].detach()
    for part, exact, why, name in zip(parts, want, whys, called, strict=True):
        near_by = (rtol, atol) if rtol is not None and atol is not None else TOLERANCES[exact.dtype]
        near = torch.isclose(part, exact, rtol=near_by[0], atol=near_by[1])
        if not near.all():
            came_back, expected = differences(part, exact, near)
            raise Mismatch(why, parts, f"{name}: {came_back}", expected)
