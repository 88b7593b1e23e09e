"""What a mistake leaves behind, and whether two leave the same."""

import math
from typing import Any

import torch
from torch import Tensor

RTOL, ATOL = 1e-5, 1e-6
"""How near two wrong answers must be: the same mistake, written otherwise, differs in the last digits."""
SINGLE = 1e-4
"""The same where one of them was computed in float32 and the other was not."""
ROUGH = {torch.float16: 5e-3, torch.bfloat16: 4e-2}
"""The same in half precision."""
FINER = 0.02
"""Two answers that are wrong in the same way differ from each other by less than this share of what they differ from the right one."""
ROUNDED = 0.01
"""By so much of their size rounding in single precision may part two results, where arguments are large."""
PASSED = object()
"""What a check that passes gives; unlike everything that comes back from one that fails."""
SHAPES = {"RuntimeError", "IndexError", "ValueError", "AssertionError"}
"""What is raised for shapes that do not fit: which of them depends on how the same thing is written."""


def same(one: Any, other: Any, near: tuple[float, float] = (0.0, 0.0)) -> bool:
    """Whether two results are equal: tensors of one shape and numbers to within rounding, all else exactly.

    Args:
        one: a result.
        other: another.
        near: relative and absolute tolerances of the check, if it has wider ones.
    """
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return _same_tensors(one.detach(), other.detach(), near)
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        rtol, atol = max(RTOL, near[0]), max(ATOL, near[1])
        return math.isclose(one, other, rel_tol=rtol, abs_tol=atol) or (math.isnan(one) and math.isnan(other))
    if raised(one) and raised(other):
        return one == other or {one[7:], other[7:]} <= SHAPES
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(same(*parts, near) for parts in zip(one, other, strict=True))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key], near) for key, value in one.items())
    return one is other or bool(one == other)


def _same_tensors(one: Tensor, other: Tensor, near: tuple[float, float]) -> bool:
    if one.shape != other.shape or one.device != other.device:
        return False
    if one.dtype != other.dtype and not (one.is_floating_point() and other.is_floating_point()):
        return False
    single = 0.0 if one.dtype == other.dtype == torch.float64 else SINGLE
    single = max(single, ROUGH.get(one.dtype, 0.0), ROUGH.get(other.dtype, 0.0))
    rtol, atol = max(RTOL, near[0], single), max(ATOL, near[1], single)
    return torch.allclose(one.double(), other.double(), rtol=rtol, atol=atol, equal_nan=True)


def alike(one: Any, other: Any, right: Any) -> bool:
    """Whether two wrong results are wrong in the same way, beside the right one.

    Rounding may part them, and a list is as good as a tuple, but by no more than a small share of what is wrong.
    """
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        rights = right if isinstance(right, tuple | list) and len(right) == len(one) else [None] * len(one)
        return len(one) == len(other) and all(map(alike, one, other, rights))
    if _is_number(one) and _is_number(other):
        one, other = _as_tensor(one), _as_tensor(other)
        if (
            one.shape != other.shape
            or one.device != other.device
            or one.is_floating_point() != other.is_floating_point()
        ):
            return False
        double = one.dtype == other.dtype == torch.float64
        rounding = 1e-5 if double else SINGLE
        if not torch.allclose(one.double(), other.double(), rtol=rounding, atol=rounding, equal_nan=True):
            return False
        if not _is_number(right) or _as_tensor(right).shape != one.shape:
            return True
        wrong = (one.double() - _as_tensor(right).double()).abs()
        apart = (one.double() - other.double()).abs()
        rounded = (
            1e-12 * _as_tensor(right).double().abs() if double else 50 * SINGLE
        )  # by which the right one may differ
        telling = torch.isfinite(wrong) & (wrong > rounded)
        return bool(apart[telling].sum() <= FINER * wrong[telling].sum() + 1e-12 * telling.sum())
    return same(one, other)


def single(value: Any) -> bool:
    """Whether there are numbers in it of less than double precision: with large arguments, two ways to compute part there."""
    if isinstance(value, tuple | list):
        return any(map(single, value))
    return isinstance(value, Tensor) and value.is_floating_point() and value.dtype != torch.float64


def near(one: Any, other: Any) -> bool:
    """Whether two results have one shape, and numbers that rounding in single precision may have parted."""
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(map(near, one, other))
    if isinstance(one, Tensor) and isinstance(other, Tensor) and one.shape == other.shape:
        apart = (one.double() - other.double()).norm()
        return bool(apart <= ROUNDED * (1 + one.double().norm())) if one.is_floating_point() else same(one, other)
    return same(one, other)


def broken(value: Any) -> bool:
    """Whether a result is none: an exception, or numbers that are not finite."""
    if isinstance(value, tuple | list):
        return any(map(broken, value))
    if isinstance(value, Tensor):
        return value.is_floating_point() and not bool(torch.isfinite(value).all())
    return raised(value)


def raised(value: Any) -> bool:
    """Whether a result is an exception, of which its class is left."""
    return isinstance(value, str) and value.startswith("raised ")


def shape_of(value: Any) -> Any:
    """The shape of a result, part by part."""
    return [shape_of(part) for part in value] if isinstance(value, tuple | list) else getattr(value, "shape", None)


def differs(one: Any, right: Any) -> bool:
    """Whether a result is not the right one, by more than rounding."""
    if isinstance(one, tuple | list) and isinstance(right, tuple | list):
        return len(one) != len(right) or any(map(differs, one, right))
    if _is_number(one) and _is_number(right):
        one, right = _as_tensor(one), _as_tensor(right)
        if one.shape != right.shape or one.is_floating_point() != right.is_floating_point():
            return True
        single = 1e-9 if one.dtype == right.dtype == torch.float64 else SINGLE
        return not torch.allclose(one.double(), right.double(), rtol=single, atol=single, equal_nan=True)
    return not same(one, right)


def _is_number(value: Any) -> bool:
    return isinstance(value, Tensor | int | float) and not (isinstance(value, Tensor) and value.is_complex())


def _as_tensor(value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach()
    return torch.tensor(value, dtype=torch.float64 if isinstance(value, float) else torch.int64)


def thin(got: Any) -> bool:
    """Whether what came back tells little: a count, a phrase, a type, whether or not; two mistakes have it in common by chance."""
    if isinstance(got, Tensor):
        return not got.is_floating_point() or got.numel() == 0
    if isinstance(got, list | tuple):
        return all(map(thin, got))
    if isinstance(got, dict):
        return all(map(thin, got.values()))
    return not isinstance(got, float)


def valued(one: Any, right: Any) -> bool:
    """Whether two results differ in their numbers, and not only in form: in shape or dtype, or by an exception."""
    if isinstance(one, tuple | list) and isinstance(right, tuple | list):
        return len(one) == len(right) and any(map(valued, one, right))
    if not (_is_number(one) and _is_number(right)):
        return False
    one, right = _as_tensor(one).double(), _as_tensor(right).double()
    return one.shape == right.shape and not torch.allclose(one, right, rtol=SINGLE, atol=SINGLE, equal_nan=True)


def differing(one: Any, right: Any) -> list[tuple[float, float]]:
    """Each number that is not the right one, beside the right one."""
    if isinstance(one, tuple | list) and isinstance(right, tuple | list):
        return [pair for parts in zip(one, right, strict=False) for pair in differing(*parts)]
    if not valued(one, right):
        return []
    one, right = _as_tensor(one).double(), _as_tensor(right).double()
    off = ~torch.isclose(one, right, rtol=SINGLE, atol=SINGLE, equal_nan=True)
    return list(zip(one[off].tolist(), right[off].tolist(), strict=True))


def nothing(got: Any) -> bool:
    """Whether what came back is zeros alone."""
    return isinstance(got, Tensor) and got.is_floating_point() and not bool(got.any())
