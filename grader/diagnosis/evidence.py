"""What a mistake leaves behind, and whether two leave the same."""

import math
from typing import Any

import torch
from torch import Tensor

RTOL, ATOL = 1e-5, 1e-6
"""How near two wrong answers must be: the same mistake, written otherwise or in float32, differs in the last digits."""
PASSED = object()
"""What a check that passes gives; unlike everything that comes back from one that fails."""


def same(one: Any, other: Any) -> bool:
    """Whether two results are equal: tensors of one dtype and shape and numbers to within rounding, all else exactly."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return _same_tensors(one.detach(), other.detach())
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return math.isclose(one, other, rel_tol=RTOL, abs_tol=ATOL) or (math.isnan(one) and math.isnan(other))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    return one is other or bool(one == other)


def _same_tensors(one: Tensor, other: Tensor) -> bool:
    if one.dtype != other.dtype or one.shape != other.shape or one.device != other.device:
        return False
    return torch.allclose(one, other, rtol=RTOL, atol=ATOL, equal_nan=True)
