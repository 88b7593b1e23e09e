"""Gradients that several checks of section 2 look at."""

import torch
from torch import Tensor

from exercises.checks import expect


def slopes_in(got: object, pull: Tensor, why: str, *inputs: Tensor, keep: bool = False) -> list[Tensor]:
    """The gradients of Σ pull * got, zero where none comes; `keep` the graph where others of it will be asked for."""
    expect.tensor(got, why, shape=pull.shape, dtype=pull.dtype)
    expect.holds(got.requires_grad, why, got="a result without a gradient", want="a result with one")
    found = torch.autograd.grad(got, inputs, pull, retain_graph=keep, allow_unused=True)
    for grad in found:
        if grad is not None:
            expect.finite_slope(grad, why)
    return [torch.zeros_like(value) if grad is None else grad for value, grad in zip(inputs, found, strict=True)]
