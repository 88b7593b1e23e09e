"""In which of torch's modes something is computed now: what the other side computes for it, it computes in the same."""

import contextlib
import sys
from typing import Any

import torch
from torch.autograd import forward_ad


def current_mode() -> str:
    """Whether gradients are recorded, as `in_mode` takes it."""
    if torch.is_inference_mode_enabled():
        return "inference"
    return "grad" if torch.is_grad_enabled() else "no_grad"


def in_mode(mode: Any) -> contextlib.AbstractContextManager:
    """Compute in the mode that came over the connection; gradients are recorded where none came."""
    if mode == "inference":
        return torch.inference_mode()
    return torch.set_grad_enabled(mode != "no_grad")


def in_forward_mode() -> bool:
    """Whether dual numbers (`torch.func.jvp`) are about."""
    return forward_ad._current_level >= 0


def transformed() -> bool:
    """Whether torch.func transforms what is computed now."""
    return torch._C._are_functorch_transforms_active()


def refuse_tracing() -> None:
    """Say so where torch records operations to compute them again by itself: a call to another process is none.

    Raises:
        RuntimeError: it does.
    """
    tracing = sys.modules.get("torch.fx.experimental.proxy_tensor")
    if tracing is not None and tracing.get_proxy_mode() is not None:
        raise RuntimeError(
            "what a check hands out cannot be traced (make_fx, torch.func.linearize): use torch.func.jvp or vjp"
        )
