"""What a call does to the arguments it is given, done to the caller's too."""

from typing import Any

import torch
from torch import Tensor

from grader.rpc.limits import Violation
from grader.rpc.messages import a_list, changes_to
from grader.rpc.sync import is_index, same_bits


def changes(leaves: list[Tensor], before: list[Tensor], needs: list[bool], tensors: list[Tensor]) -> dict:
    """What the callee did to its arguments; new tensors are appended to `tensors`."""
    changed: dict[str, list] = {"values": [], "grads": [], "flags": []}
    for k, (leaf, old, need) in enumerate(zip(leaves, before, needs, strict=False)):
        if not same_bits(leaf, old):
            changed["values"].append([k, len(tensors)])
            tensors.append(leaf.detach())
        if leaf.is_leaf and leaf.grad is not None:
            changed["grads"].append([k, len(tensors)])
            tensors.append(leaf.grad.detach())
        if leaf.requires_grad and not need:
            changed["flags"].append(k)
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
            if value.shape != target.shape or value.dtype != target.dtype:
                raise Violation("an argument changed into another one")
            with torch.no_grad():
                if key == "grads":
                    target.grad = value.clone()
                else:
                    target.copy_(value)
    for k in a_list(changed.get("flags"))[: len(sent)]:
        if not is_index(k, sent):
            raise Violation("a change to an argument that was not given")
        if sent[k].is_leaf and sent[k].is_floating_point():
            sent[k].requires_grad_()
