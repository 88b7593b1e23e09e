"""What a call does to the arguments it is given, done to the caller's too."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from grader.rpc.limits import Violation
from grader.rpc.messages import a_list, changes_to
from grader.rpc.sync import is_index, overwrite, same_bits

NOTHING = np.empty(0, np.uint8)
"""Stands for the memory of a message that has no tensors."""


class Before:
    """The arguments of a call as they came, to see afterwards what was done to them.

    Most lie in the message's memory, of which one copy is kept: that compares all of them at once, however they were changed.
    """

    def __init__(self, arrived: list[Tensor], body: memoryview) -> None:
        self._body = np.frombuffer(body, np.uint8) if len(body) else NOTHING
        self._copy = self._body.copy()
        self._start = self._body.__array_interface__["data"][0] if len(body) else 0
        self._forms = [(tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride()) for tensor in arrived]
        self._apart = {
            k: arrived[k].clone()
            for k, (address, *_) in enumerate(self._forms)
            if not 0 <= address - self._start < len(body) and arrived[k].numel()
        }

    def differs(self, leaves: list[Tensor]) -> list[int]:
        """Which of the arguments are not what they were."""
        if not self._apart and self._keep_form(leaves) and not (self._body != self._copy).any():
            return []
        return [k for k, leaf in enumerate(leaves) if not same_bits(leaf, self._rebuilt(k))]

    def _keep_form(self, leaves: list[Tensor]) -> bool:
        """Whether all lie where they lay, as they lay."""
        return all(
            leaf.data_ptr() == address and leaf.dtype is dtype and leaf.shape == shape and leaf.stride() == stride
            for leaf, (address, dtype, shape, stride) in zip(leaves, self._forms, strict=True)
        )

    def _rebuilt(self, k: int) -> Tensor:
        """The k-th argument as it came."""
        if k in self._apart:
            return self._apart[k]
        address, dtype, shape, stride = self._forms[k]
        if not shape.numel():
            return torch.empty(shape, dtype=dtype)
        return torch.frombuffer(self._copy.data, dtype=dtype, offset=address - self._start).as_strided(shape, stride)


def changes(leaves: list[Tensor], before: Before, needs: list[bool], tensors: list[Tensor]) -> dict[str, list]:
    """What the callee did to its arguments, {} if nothing; new tensors are appended to `tensors`."""
    changed: dict[str, list] = {}
    for k in before.differs(leaves):
        changed.setdefault("values", []).append([k, len(tensors)])
        tensors.append(leaves[k].detach())
    for k, (leaf, need) in enumerate(zip(leaves, needs, strict=False)):
        if leaf.is_leaf and leaf.grad is not None:
            changed.setdefault("grads", []).append([k, len(tensors)])
            tensors.append(leaf.grad.detach())
        if leaf.requires_grad and not need:
            changed.setdefault("flags", []).append(k)
        elif need and leaf.is_leaf and leaf.is_floating_point() and not leaf.requires_grad:
            changed.setdefault("unflagged", []).append(k)
    return changed


def apply_changes(changed: Any, arrived: tuple, sent: list[Tensor]) -> None:
    """Do to the caller's arguments what the callee did to its copies of them."""
    if changed is None:
        return
    if not isinstance(changed, dict):
        raise Violation("changes that are none")
    for key in ("values", "grads"):
        for place, number in changes_to(changed.get(key), len(sent)):
            if not is_index(number, arrived):
                raise Violation("a change to a value that was not sent")
            target, value = sent[place], arrived[number].detach()
            alike = value.shape == target.shape and value.dtype == target.dtype
            with torch.no_grad():
                if key == "values":
                    overwrite(target, value)
                elif alike:
                    target.grad = value.clone()
                else:
                    raise Violation("a gradient unlike its tensor")
    for key in ("flags", "unflagged"):
        for k in a_list(changed.get(key))[: len(sent)]:
            if not is_index(k, sent):
                raise Violation("a change to an argument that was not given")
            if sent[k].is_leaf and sent[k].is_floating_point():
                sent[k].requires_grad_(key == "flags")
