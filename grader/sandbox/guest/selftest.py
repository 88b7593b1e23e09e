"""A submission of our own, run in each new jail before anybody's: what it cannot do there, no learner's answer can."""

import torch
from torch import Tensor
from torch.nn import functional as F


def network(x: Tensor) -> Tensor:
    """Convolution, attention and matrix product, which answers are made of: images (B, 4, side, side) to the same."""
    kernel = torch.linspace(-0.3, 0.3, 4 * 4 * 9, dtype=x.dtype).view(4, 4, 3, 3)
    h = F.silu(F.conv2d(x, kernel, padding=1)).flatten(2)
    h = F.scaled_dot_product_attention(h, h, h)
    return (h @ torch.eye(h.shape[-1], dtype=x.dtype)).view_as(x)


def train(x: Tensor, steps: int) -> list[float]:
    """The losses of a network with one weight, taught to do nothing."""
    weight = torch.full((), 0.5, dtype=x.dtype, requires_grad=True)
    optimizer = torch.optim.Adam([weight], lr=0.1)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = network(weight * x).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
