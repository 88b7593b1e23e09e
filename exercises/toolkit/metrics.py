"""How far two sets of samples are from each other."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor


def sliced_wasserstein(
    x: Float[Tensor, "n D"], y: Float[Tensor, "n D"], projections: int = 256, generator: Generator | None = None
) -> float:
    """Sliced Wasserstein-2 distance between two sets of as many samples, in the units of the data.

        SW₂(x, y)² = E_θ W₂(⟨x, θ⟩, ⟨y, θ⟩)²,  θ uniform on the unit sphere
        (Bonneel et al. 2015, "Sliced and Radon Wasserstein barycenters of measures")

    On a line the best transport pairs the samples in sorted order, so that each projection costs one sort. Two draws of
    one distribution are not at distance 0: compare a result to the distance of two real sets of the same size.

    Raises:
        ValueError: the sets differ in size or dimension.
    """
    if x.shape != y.shape:
        raise ValueError(f"x and y must have the same shape (n, D), got {tuple(x.shape)} and {tuple(y.shape)}")
    directions = torch.randn(projections, x.shape[1], generator=generator)
    directions = torch.nn.functional.normalize(directions, dim=1).to(x)
    along_x, along_y = (x @ directions.T).sort(dim=0).values, (y @ directions.T).sort(dim=0).values
    return (along_x - along_y).square().mean().sqrt().item()
